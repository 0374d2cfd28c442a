"""Thresholds of columns of directions that were called again after their run."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from anndata import AnnData

from kompot.records.history import HISTORY_KEYS

__all__ = ["thresholds_of", "with_thresholds", "without_thresholds"]

_KEY = "direction_thresholds"


def thresholds_of(adata: AnnData, column: str | None) -> tuple[float | None, float | None] | None:
    """Thresholds of the log fold change and tail probability of a column; None if as its run's.

    Parameters
    ----------
    adata
        Data with results.
    column
        Column of ``obs`` with directions.
    """
    stored = adata.uns.get(HISTORY_KEYS["da"])
    found = _read(stored).get(str(column)) if isinstance(stored, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    lfc, ptp = (found.get(name) for name in ("lfc_threshold", "ptp_threshold"))
    return (
        float(lfc) if isinstance(lfc, int | float) else None,
        float(ptp) if isinstance(ptp, int | float) else None,
    )


def with_thresholds(
    entry: Mapping[str, Any], column: str, lfc_threshold: float, ptp_threshold: float
) -> dict[str, Any]:
    """An entry of ``uns`` that keeps the thresholds of a column, too."""
    own = {"lfc_threshold": float(lfc_threshold), "ptp_threshold": float(ptp_threshold)}
    return dict(entry) | {_KEY: json.dumps(_read(entry) | {column: own})}


def without_thresholds(entry: Mapping[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """An entry of ``uns`` that no longer keeps those of columns that are written anew."""
    kept = _read(entry)
    left = {column: kept[column] for column in kept if column not in set(columns)}
    if left == kept:
        return dict(entry)
    rest = {name: value for name, value in entry.items() if name != _KEY}
    return rest | ({_KEY: json.dumps(left)} if left else {})


def _read(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Thresholds by column; none if there are none, or they are damaged."""
    try:
        found = json.loads(entry.get(_KEY, "{}"))
    except (TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
