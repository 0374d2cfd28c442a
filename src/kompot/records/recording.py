"""What the record of every run holds, whatever the analysis."""

from collections.abc import Mapping, Sequence
from typing import Any

from kompot.records.fields import Field
from kompot.records.history import SCHEMA_VERSION, environment, field_mapping
from kompot.records.parameters import stored_parameters
from kompot.settings import AbundanceSettings, ExpressionSettings, SmoothingSettings

__all__ = ["new_record"]

_FUNCTIONS = {
    "de": "compute_differential_expression",
    "da": "compute_differential_abundance",
    "smooth": "compute_smoothed_expression",
}


def new_record(
    analysis_type: str,
    settings: ExpressionSettings | AbundanceSettings | SmoothingSettings,
    wanted: Sequence[Field],
    numerics: Mapping[str, Any],
    usage: Mapping[str, float],
) -> dict[str, Any]:
    """The part of a run's record that all analyses share.

    Parameters
    ----------
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``.
    settings
        All options of the run, with the seeds that were drawn.
    wanted
        Fields that the run writes.
    numerics
        What the numerics reached: rank, tolerance, residual, length scale, ...
    usage
        Seconds and bytes, of :meth:`kompot.memory.Usage.taken`.
    """
    made = environment()
    parameters, arrays = stored_parameters(settings)
    record = {
        "schema_version": SCHEMA_VERSION,
        "kompot_version": made["package_versions"]["kompot"],
        "timestamp": made["timestamp"],
        "function": _FUNCTIONS[analysis_type],
        "result_key": settings.storage.result_key,
        "analysis_type": analysis_type,
        "field_names": {field.role: field.name for field in wanted},
        "field_mapping": field_mapping(wanted),
        "params": parameters,
        "numerics": {**numerics, **usage},
        "environment": made,
    }
    return record | ({"arrays": arrays} if arrays else {})
