"""The documented address of records, groups and filters; they live in the modules imported here."""

from kompot.anndata.cell_masks import apply_cell_filter, refine_filter_for_underrepresentation
from kompot.anndata.groups import parse_cell_filter, parse_groups
from kompot.anndata.representation import check_underrepresentation
from kompot.records import RunComparison, RunInfo, cleanup, get_field_status, runs
from kompot.records.history_access import (
    append_to_run_history,
    get_environment_info,
    get_last_run_info,
    get_run_from_history,
    get_run_history,
    validate_field_run_id,
)
from kompot.records.json_metadata import (
    from_json_string,
    get_json_metadata,
    set_json_metadata,
    to_json_string,
)
from kompot.records.output_fields import (
    detect_output_field_overwrite,
    generate_output_field_names,
)

__all__ = [
    "RunComparison",
    "RunInfo",
    "append_to_run_history",
    "apply_cell_filter",
    "check_underrepresentation",
    "cleanup",
    "detect_output_field_overwrite",
    "from_json_string",
    "generate_output_field_names",
    "get_environment_info",
    "get_field_status",
    "get_json_metadata",
    "get_last_run_info",
    "get_run_from_history",
    "get_run_history",
    "parse_cell_filter",
    "parse_groups",
    "refine_filter_for_underrepresentation",
    "runs",
    "set_json_metadata",
    "to_json_string",
    "validate_field_run_id",
]
