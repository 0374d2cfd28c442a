"""Fields that recorded runs say they wrote: which exist, and which run wrote each last."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anndata import AnnData

from kompot.records.fields import Field
from kompot.user_warnings import warn_user

__all__ = [
    "LOCATIONS",
    "field_owners",
    "is_present",
    "recorded_fields",
    "warn_if_overwritten",
]

LOCATIONS = ("obs", "var", "layers", "obsm", "varm", "obsp", "varp", "uns")
"""Attributes of AnnData that can hold a field."""

_ABUNDANCE_KEYS = {
    "lfc_key": "log_fold_change",
    "zscore_key": "log_fold_change_zscore",
    "ptp_key": "ptp",
    "direction_key": "direction",
}


def recorded_fields(run: Mapping[str, Any]) -> list[Field]:
    """Fields that a run wrote, as its record says.

    Version 0.6.3 of the original filed the covariance one level too deep and recorded no fields
    of abundance runs but their names; both are read here.
    """
    mapping = run.get("field_mapping")
    if isinstance(mapping, Mapping) and mapping:
        return list(_mapped(mapping))
    return _named(run) if run.get("analysis_type") == "da" else []


def is_present(adata: AnnData, field: Field) -> bool:
    """Whether the data hold a field."""
    return field.location in LOCATIONS and field.name in getattr(adata, field.location)


def field_owners(runs: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """The last run that wrote each field, by location and name."""
    return {
        (field.location, field.name): number
        for number, run in enumerate(runs)
        for field in recorded_fields(run)
    }


def warn_if_overwritten(
    runs: Sequence[Mapping[str, Any]],
    number: int,
    fields: Iterable[tuple[str, str]] | None = None,
) -> None:
    """Say so if fields of a run hold the values of a later one.

    Parameters
    ----------
    runs
        Records of all runs, oldest first.
    number
        Of the run.
    fields
        Location and name of the fields that matter; None for all of the run's.
    """
    owners = field_owners(runs)
    if fields is None:
        fields = [(field.location, field.name) for field in recorded_fields(runs[number])]
    others = sorted({owners[field] for field in fields} - {number})
    if others:
        warn_user(
            f"Fields of run {number} were overwritten by run {', '.join(map(str, others))}, and "
            "hold its values now; give runs their own `result_key` to keep both."
        )


def _mapped(mapping: Mapping[str, Any]) -> list[Field]:
    """Fields of a mapping; what has no location is passed over."""
    found = []
    for name, entry in mapping.items():
        if not isinstance(entry, Mapping):
            continue
        if "location" in entry:
            kind, text = str(entry.get("type", "unknown")), str(entry.get("description", ""))
            found.append(Field(str(name), str(entry["location"]), kind, "", text))
        else:
            found += _mapped(entry)
    return found


def _named(run: Mapping[str, Any]) -> list[Field]:
    """Columns of ``obs`` and colours that the keys of an abundance run name."""
    densities = run.get("density_keys")
    names = {str(run[key]): kind for key, kind in _ABUNDANCE_KEYS.items() if run.get(key)}
    if isinstance(densities, Mapping):
        names |= {str(name): "density" for name in densities.values() if name}
    found = [Field(name, "obs", kind, "", "") for name, kind in names.items()]
    colors = [f"{field.name}_colors" for field in found if field.type == "direction"]
    return found + [Field(name, "uns", "colors", "", "") for name in colors]
