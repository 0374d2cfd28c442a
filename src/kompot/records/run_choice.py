"""A recorded run by its number, the key of its results and its conditions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData

from kompot.records.history import HISTORY_KEYS, recorded_runs, refuse_newer

__all__ = ["find_run", "run_number"]

_ANALYSES = {
    "de": ("DE", "differential expression", "compute_differential_expression"),
    "da": ("DA", "differential abundance", "compute_differential_abundance"),
    "smooth": ("smoothing", "smoothed expression", "compute_smoothed_expression"),
}
"""What an analysis is called, in short and in words, and its function."""
_LISTED = 20
"""Recorded runs that an error lists, the newest."""


def find_run(
    adata: AnnData,
    analysis_type: str,
    run_id: int = -1,
    *,
    result_key: str | None = None,
    labels: Mapping[str, str | None] | None = None,
    otherwise: str = "",
) -> tuple[int, list[dict[str, Any]]]:
    """Number from 0 of a run, and all recorded runs of its analysis.

    Parameters
    ----------
    adata
        Data with recorded runs.
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``.
    run_id, result_key, labels
        As for :func:`run_number`.
    otherwise
        What else may be done if no run is recorded, in words.

    Raises
    ------
    ValueError
        If there is no such run, or its record is of a newer version.
    TypeError
        If ``run_id`` is no whole number.
    """
    runs = recorded_runs(adata, analysis_type)
    short, kind, function = _ANALYSES[analysis_type]
    number = run_number(runs, run_id, result_key=result_key, labels=labels)
    if number is not None:
        refuse_newer(runs[number], f"Run {number} of {analysis_type}")
        return number, runs
    if not runs:
        place = f"adata.uns[{HISTORY_KEYS[analysis_type]!r}]"
        msg = f"No run of {kind} is recorded in {place}; run {function} first{otherwise}."
        raise ValueError(msg)
    wanted = {"result_key": result_key, **(labels or {})}
    of = [f" and {name}={value!r}" for name, value in wanted.items() if value is not None]
    known = [f"{number} ({_in_words(run)})" for number, run in enumerate(runs)]
    listed = f"{'..., ' * (len(known) > _LISTED)}{', '.join(known[-_LISTED:])}"
    msg = f"No {short} run found with run_id={run_id}{''.join(of)}. Recorded runs: {listed}."
    raise ValueError(msg)


def run_number(
    runs: Sequence[Mapping[str, Any]],
    run_id: int,
    *,
    result_key: str | None = None,
    labels: Mapping[str, str | None] | None = None,
    argument: str = "run_id",
) -> int | None:
    """Number from 0 of a run among all of its analysis; None if there is no such run.

    Parameters
    ----------
    runs
        Records of all runs, oldest first.
    run_id
        Its number from 0 among all runs, or from the end if negative: then only runs with the key
        and the labels count.
    result_key
        Key of its results; None for any.
    labels
        Its ``condition1``, ``condition2`` or ``condition``; None for any.
    argument
        What the number is called where it was given.

    Raises
    ------
    TypeError
        If ``run_id`` is no whole number.
    """
    if isinstance(run_id, bool) or not isinstance(run_id, int | np.integer):
        msg = f"`{argument}` must be a whole number, got {run_id!r}."
        raise TypeError(msg)
    wanted = {name: str(label) for name, label in (labels or {}).items() if label is not None}
    fitting = [
        number
        for number, run in enumerate(runs)
        if result_key in (None, run.get("result_key")) and wanted.items() <= _labels(run).items()
    ]
    if run_id >= 0:
        return int(run_id) if run_id in fitting else None
    return fitting[run_id] if -run_id <= len(fitting) else None


def _labels(run: Mapping[str, Any]) -> dict[str, str]:
    """Labels of the conditions of a run."""
    parameters = run.get("params", run)
    if not isinstance(parameters, Mapping):
        return {}
    names = ("condition1", "condition2", "condition")
    return {name: str(parameters[name]) for name in names if parameters.get(name) is not None}


def _in_words(run: Mapping[str, Any]) -> str:
    """What a run is told by."""
    labels = _labels(run)
    compared = " to ".join(labels.values()) or "all cells"
    return ", ".join(str(part) for part in (run.get("result_key"), compared) if part is not None)
