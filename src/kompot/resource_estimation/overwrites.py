"""Which fields a run would replace, and which runs wrote them."""

from collections.abc import Iterable, Mapping
from typing import Any

from anndata import AnnData

from kompot.anndata.writing import existing_fields
from kompot.records.fields import Field
from kompot.records.history import recorded_runs
from kompot.records.parameters import flattened
from kompot.records.recorded import field_owners

__all__ = ["output_fields", "overwritten_fields", "previous_runs"]

_TOLD = ("sample_col", "null_genes", "n_landmarks", "layers")
"""Parameters by which a run is recognised, beside its conditions."""


def output_fields(fields: Iterable[Field]) -> dict[str, list[str]]:
    """Names of fields by place, such as ``"adata.var"``."""
    found: dict[str, list[str]] = {}
    for field in fields:
        found.setdefault(f"adata.{field.location}", []).append(field.name)
    return found


def overwritten_fields(
    adata: AnnData, fields: Iterable[Field], analysis_type: str
) -> tuple[dict[tuple[str, str], int], list[dict[str, Any]]]:
    """The run that wrote each field that exists, -1 if none is recorded, and all recorded runs."""
    existing = existing_fields(adata, fields)
    try:
        runs = recorded_runs(adata, analysis_type)
    except ValueError:  # the record cannot be read, which is said when a run is recorded
        runs = []
    owners = field_owners(runs)
    by_place = {
        (f"adata.{field.location}", field.name): owners.get((field.location, field.name), -1)
        for field in existing
    }
    return by_place, list(runs)


def previous_runs(
    overwritten: Mapping[tuple[str, str], int],
    tables: list[str],
    runs: list[dict[str, Any]],
    result_key: str,
    analysis_type: str,
) -> list[str]:
    """One sentence or two for each run whose results would be replaced, the newest first.

    Colours in ``uns`` do not count, as in the run; tables there are those of the newest run of the
    key.
    """
    replaced: dict[int, list[str]] = {}
    for (place, name), number in overwritten.items():
        if place != "adata.uns":
            replaced.setdefault(number, []).append(name)
    if tables:
        of_key = [number for number, run in enumerate(runs) if run.get("result_key") == result_key]
        replaced.setdefault(max(of_key, default=-1), []).extend(tables)
    return [
        _in_words(number, replaced[number], runs, result_key, analysis_type)
        for number in sorted(replaced, reverse=True)
    ]


def _in_words(
    number: int,
    names: list[str],
    runs: list[dict[str, Any]],
    result_key: str,
    analysis_type: str,
) -> str:
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    replaced = f"Fields that will be overwritten: {listed}."
    if number < 0:
        return f"Fields that no recorded run wrote already exist. {replaced}"
    run = runs[number]
    labels = flattened(run.get("params") or {}, analysis_type)
    told = [f"{name}={_short(labels[key])}" for name, key in _known(labels)]
    compared = f"{labels.get('condition1')} to {labels.get('condition2')}"
    options = f" ({', '.join(told)})" if told else ""
    return (
        f"Results with result_key={result_key!r} already exist (run_id={number}). "
        f"Previous run: {run.get('timestamp')} comparing {compared}{options}. {replaced}"
    )


def _known(labels: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Told parameters that a record has, with their full names."""
    return [
        (name, key) for name in _TOLD for key in labels if key == name or key.endswith(f".{name}")
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
