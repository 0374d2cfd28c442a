"""What a run leaves behind and how it is read again, each loaded when it is first used."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.records.layers import get_layer
    from kompot.records.run_comparison import RunComparison
    from kompot.records.run_info import RunInfo
    from kompot.records.run_table import runs
    from kompot.records.stored import cleanup, get_field_status
    from kompot.records.tables import get_table

_HOMES = {
    "RunComparison": "kompot.records.run_comparison",
    "RunInfo": "kompot.records.run_info",
    "cleanup": "kompot.records.stored",
    "get_field_status": "kompot.records.stored",
    "get_layer": "kompot.records.layers",
    "get_table": "kompot.records.tables",
    "runs": "kompot.records.run_table",
}

__all__ = [
    "RunComparison",
    "RunInfo",
    "cleanup",
    "get_field_status",
    "get_layer",
    "get_table",
    "runs",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
