"""Recorded runs: found by number and conditions, asked for parameters and fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anndata import AnnData

from kompot.records.history import recorded_runs

__all__ = ["Record", "find_record"]

_FUNCTIONS = {
    "de": "compute_differential_expression",
    "da": "compute_differential_abundance",
    "smooth": "compute_smoothed_expression",
}
_KINDS = {
    "de": "differential expression",
    "da": "differential abundance",
    "smooth": "smoothed expression",
}
_SECTIONS = ("gp", "fdr", "filter", "storage", "output", "threshold")


@dataclass(frozen=True)
class Record:
    """What a run wrote down about itself.

    Attributes
    ----------
    number
        Number of the run, from 0; None if there is none.
    entries
        The record; empty if there is none.
    """

    number: int | None
    entries: Mapping[str, Any]

    def label(self, number: int) -> str:
        """Label of condition 1 or 2."""
        return str(self.parameter(f"condition{number}", f"condition {number}"))

    def parameter(self, name: str, default: Any = None) -> Any:
        """A parameter by the name of the argument, wherever the record keeps it."""
        parameters = self.entries.get("params", self.entries)
        if name in parameters:
            return parameters[name]
        short = {"fdr_threshold": "threshold", "log_fold_change_threshold": "lfc_threshold"}
        for section in (parameters.get(key) for key in _SECTIONS):
            for key in (name, short.get(name)):
                if isinstance(section, Mapping) and key in section:
                    return section[key]
        return default

    def field(self, location: str, ending: str, *types: str) -> str | None:
        """Name of a field by its place and the end of its name, or its type; None if not stored."""
        mapping = self.entries.get("field_mapping") or {}
        here = {
            name: entry
            for name, entry in mapping.items()
            if isinstance(entry, Mapping) and entry.get("location") == location
        }
        named = [name for name in here if name.endswith(ending)]
        typed = [name for name, entry in here.items() if entry.get("type") in types]
        return next(iter([*named, *typed]), None)


def find_record(
    adata: AnnData,
    kind: str,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    *,
    is_needed: bool = True,
) -> Record:
    """The record of a run.

    Parameters
    ----------
    adata
        Data with results.
    kind
        ``"de"`` or ``"da"``.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Labels to find the run by: only runs of these conditions count from the end.
    is_needed
        Otherwise data without a recorded run give a record without fields.

    Raises
    ------
    ValueError
        If there is no such run, or the history cannot be read.
    """
    runs = {number: Record(number, run) for number, run in enumerate(recorded_runs(adata, kind))}
    given = {"condition1": condition1, "condition2": condition2}
    wanted = {name: label for name, label in given.items() if label is not None}
    fitting = [number for number, run in runs.items() if wanted.items() <= _labels(run).items()]
    numbers = fitting if run_id < 0 else [number for number in fitting if number == run_id]
    position = run_id if run_id < 0 else 0
    if not -len(numbers) <= position < len(numbers):
        if not runs and not is_needed:
            return Record(None, wanted)
        raise ValueError(_no_run(runs, kind, run_id, wanted))
    return runs[numbers[position]]


def _labels(run: Record) -> dict[str, str]:
    """Labels of the conditions of a run."""
    return {f"condition{number}": run.label(number) for number in (1, 2)}


def _no_run(runs: Mapping[int, Record], kind: str, run_id: int, wanted: Mapping[str, str]) -> str:
    """Why there is no such run, and what to do."""
    if not runs:
        return (
            f"No run of {_KINDS[kind]} is recorded in adata.uns['kompot_{kind}']. Run "
            f"{_FUNCTIONS[kind]} first, or name the columns to draw."
        )
    known = ", ".join(
        "{} ({condition1} to {condition2})".format(number, **_labels(run))
        for number, run in runs.items()
    )
    condition = f" with {', '.join(f'{k}={v!r}' for k, v in wanted.items())}" if wanted else ""
    return f"There is no run {run_id}{condition}. Recorded runs: {known}."
