"""Directions of change at other thresholds, from stored results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.abundance_results import DIRECTION_COLORS
from kompot.anndata.on_disk import as_frame
from kompot.anndata.writing import write_fields
from kompot.records.direction_thresholds import with_thresholds
from kompot.records.fields import Field
from kompot.records.history import HISTORY_KEYS, recorded_runs
from kompot.records.recorded import field_owners
from kompot.records.run_choice import find_run
from kompot.settings import DAThresholdSettings
from kompot.settings.checks import number
from kompot.stats.abundance import DIRECTIONS, abundance_direction

__all__ = ["update_direction_column"]

_HISTORY_KEY = HISTORY_KEYS["da"]


def update_direction_column(  # noqa: PLR0917 the order of arguments that scripts know
    adata: AnnData,
    lfc_threshold: float | None = None,
    ptp_threshold: float | None = None,
    direction_column: str | None = None,
    lfc_key: str | None = None,
    ptp_key: str | None = None,
    run_id: int = -1,
    inplace: bool = True,
) -> AnnData | None:
    """Call cells up, down or neutral at other thresholds, without fitting again.

    A cell is ``up`` or ``down`` if its absolute log fold change exceeds ``lfc_threshold`` and its
    tail probability is below ``ptp_threshold``.

    Parameters
    ----------
    adata
        Data with a run of :func:`kompot.compute_differential_abundance`.
    lfc_threshold
        Smallest absolute log fold change (natural log); None for that of the run.
    ptp_threshold
        Largest tail probability, in (0, 1]; None for that of the run.
    direction_column
        Column of ``adata.obs`` to write; None for that of the run.
    lfc_key, ptp_key
        Columns of ``adata.obs`` with log fold changes and minus log10 tail probabilities; None
        for those of the run.
    run_id
        Number of the run from 0, or from the end if negative.
    inplace
        Write to ``adata``; False returns a changed copy.

    Returns
    -------
    None, or the changed copy if not ``inplace``.

    Raises
    ------
    ValueError
        If there is no such run or column, a later run replaced the columns, or a threshold is out
        of range.

    Notes
    -----
    Cells without a log fold change have no direction. The colours
    ``uns["<direction_column>_colors"]`` are written too, and
    ``uns["kompot_da"]["direction_thresholds"]`` (JSON) keeps the thresholds of the column. The
    record of the run stays as it is.
    """
    run: Mapping[str, Any] = {}
    if None in (direction_column, lfc_key, ptp_key) or recorded_runs(adata, "da"):
        further = ", or name `lfc_key`, `ptp_key` and `direction_column`"
        chosen, runs = find_run(adata, "da", run_id, otherwise=further)
        run = runs[chosen]
        given = {"lfc_key": lfc_key, "ptp_key": ptp_key, "direction_key": direction_column}
        _refuse_replaced(chosen, runs, [key for key, name in given.items() if name is None])
    default = _run_thresholds(run)
    lfc_threshold = default.lfc_threshold if lfc_threshold is None else lfc_threshold
    ptp_threshold = default.ptp_threshold if ptp_threshold is None else ptp_threshold
    number("lfc_threshold", lfc_threshold, least=0)
    number("ptp_threshold", ptp_threshold, above=0, most=1)
    lfc = _numbers(adata, lfc_key or run.get("lfc_key"), "lfc_key")
    ptp = _numbers(adata, ptp_key or run.get("ptp_key"), "ptp_key")
    column = direction_column or run.get("direction_key")
    if not isinstance(column, str) or "/" in column:
        msg = f"`direction_column` must be a text without '/', got {column!r}."
        raise ValueError(msg)

    direction = abundance_direction(lfc, ptp, lfc_threshold, ptp_threshold)
    direction[~np.isfinite(lfc) | np.isnan(ptp)] = None
    text = "Direction of change beyond both thresholds"
    values: dict[Field, Any] = {
        Field(column, "obs", "direction", "direction_key", text): pd.Categorical(
            direction, DIRECTIONS, ordered=True
        ),
        Field(f"{column}_colors", "uns", "colors", "colors_key", "Colours of the directions"): [
            DIRECTION_COLORS[name] for name in DIRECTIONS
        ],
    }
    target = adata if inplace else adata.copy()
    stored = adata.uns.get(_HISTORY_KEY)
    entry = stored if isinstance(stored, Mapping) else {}
    entry = with_thresholds(entry, column, lfc_threshold, ptp_threshold)
    write_fields(target, values, {_HISTORY_KEY: entry})
    return None if inplace else target


def _refuse_replaced(number: int, runs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    """Refuse columns of a run that are now a later run's."""
    owners = field_owners(runs)
    for key in keys:
        name = runs[number].get(key)
        owner = owners.get(("obs", str(name)), number)
        if owner != number:
            msg = (
                f"The column {name!r} of run {number} was replaced by run {owner}; use "
                f"run_id={owner}, or repeat the run with another result_key."
            )
            raise ValueError(msg)


def _run_thresholds(run: Mapping[str, Any]) -> DAThresholdSettings:
    """Thresholds of a run, by kind or (older records) as arguments; the defaults if unknown."""
    parameters = run.get("params", {})
    by_kind = parameters.get("threshold") or {}
    found = {
        "lfc_threshold": by_kind.get("lfc_threshold", parameters.get("log_fold_change_threshold")),
        "ptp_threshold": by_kind.get("ptp_threshold", parameters.get("ptp_threshold")),
    }
    return DAThresholdSettings(**{name: v for name, v in found.items() if v is not None})


def _numbers(adata: AnnData, name: str | None, argument: str) -> NDArray[np.float64]:
    """A numeric column of ``obs``."""
    if name is None or name not in adata.obs:
        msg = (
            f"`{argument}`: {name!r} is no column of adata.obs. Name one, or run "
            "compute_differential_abundance."
        )
        raise ValueError(msg)
    column = as_frame(adata.obs)[name]
    if not pd.api.types.is_numeric_dtype(column):
        msg = f"`{argument}`: adata.obs[{name!r}] must hold numbers, got {column.dtype}."
        raise ValueError(msg)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)
