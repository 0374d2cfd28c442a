"""The documented address of the records of runs; they live in :mod:`kompot.records`."""

from kompot.anndata.groups import parse_cell_filter, parse_groups
from kompot.records import RunComparison, RunInfo, cleanup, get_field_status, runs

__all__ = [
    "RunComparison",
    "RunInfo",
    "cleanup",
    "get_field_status",
    "parse_cell_filter",
    "parse_groups",
    "runs",
]
