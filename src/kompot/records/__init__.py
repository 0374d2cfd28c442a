"""What a run leaves behind and how it is read again."""

from kompot.records.run_comparison import RunComparison
from kompot.records.run_info import RunInfo
from kompot.records.run_table import runs
from kompot.records.stored import cleanup, get_field_status
from kompot.records.tables import get_table

__all__ = ["RunComparison", "RunInfo", "cleanup", "get_field_status", "get_table", "runs"]
