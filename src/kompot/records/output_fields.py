"""Names that a run would write, and which of them the data hold."""

from collections.abc import Iterable, Mapping
from typing import Any

from anndata import AnnData

from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import AbundanceFields, Field
from kompot.records.history import recorded_runs
from kompot.records.recorded import LOCATIONS

__all__ = ["detect_output_field_overwrite", "generate_output_field_names"]


def generate_output_field_names(
    result_key: str,
    condition1: str,
    condition2: str,
    analysis_type: str = "da",
    with_sample_suffix: bool = False,
) -> dict[str, Any]:
    """Names of all fields that a run can write.

    Parameters
    ----------
    result_key
        Their beginning.
    condition1, condition2
        Labels of the conditions.
    analysis_type
        ``"de"`` or ``"da"``.
    with_sample_suffix
        Whether the run has samples.

    Returns
    -------
    Names by role (``"mahalanobis_key"``, ``"lfc_key"``, ...), as the ``field_names`` of a run;
    ``"all_patterns"``, names by location; ``"sample_variance_impacted_fields"``, roles of those
    that samples change.

    Raises
    ------
    ValueError
        If the analysis is unknown.
    """
    kinds: dict[str, Any] = {"de": ExpressionFields, "da": AbundanceFields}
    if analysis_type not in kinds:
        msg = f"Invalid analysis_type: {analysis_type!r}. Must be one of {list(kinds)}."
        raise ValueError(msg)
    made = kinds[analysis_type]
    key = (result_key, condition1, condition2)
    fields: list[Field] = list(made(*key, with_samples=with_sample_suffix))
    others = {field.role: field for field in made(*key, with_samples=not with_sample_suffix)}
    patterns: dict[str, list[str]] = {}
    for field in fields:
        patterns.setdefault(field.location, []).append(field.name)
    changed = [
        field.role
        for field in fields
        if field.role not in others
        or (field.name, field.location) != (others[field.role].name, others[field.role].location)
    ]
    names: dict[str, Any] = {field.role: field.name for field in fields}
    return names | {"all_patterns": patterns, "sample_variance_impacted_fields": changed}


def detect_output_field_overwrite(
    adata: AnnData,
    analysis_type: str | None = None,
    field_names: Mapping[str, Any] | None = None,
    result_key: str | None = None,
    output_patterns: Iterable[str] | None = None,
) -> tuple[bool, list[str], dict[str, Any] | None]:
    """Which fields that a run would write exist already.

    Parameters
    ----------
    adata
        The data.
    analysis_type
        ``"de"`` or ``"da"``, in whose history to look for the earlier run.
    field_names
        Of :func:`generate_output_field_names`.
    result_key
        Key of the earlier run; None for the last run.
    output_patterns
        Names of fields instead.

    Returns
    -------
    Whether there are any, these as ``"var.kompot_de_A_to_B_mean_lfc"``, and the record of the
    newest run with that key (None if there is none).

    Raises
    ------
    ValueError
        If neither names nor patterns are given.
    """
    if output_patterns is None and field_names is None:
        msg = "Give `field_names` or `output_patterns`, the names to look for."
        raise ValueError(msg)
    if output_patterns is None:
        names = [name for name in (field_names or {}).values() if isinstance(name, str)]
    else:
        names = list(output_patterns)
    existing = [
        f"{location}.{name}"
        for location in LOCATIONS
        for name in dict.fromkeys(names)
        if name in getattr(adata, location)
    ]
    runs = [] if analysis_type is None else recorded_runs(adata, analysis_type)
    same = [run for run in runs if result_key in (None, run.get("result_key"))]
    return bool(existing), existing, same[-1] if same else None
