"""Recorded runs: found by number and conditions, asked for parameters and fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anndata import AnnData

from kompot.records.history import recorded_runs
from kompot.records.recorded import field_owners, warn_if_overwritten
from kompot.records.run_choice import find_run

__all__ = ["Record", "find_record"]

_SECTIONS = ("gp", "fdr", "filter", "storage", "output", "threshold")
_COLUMNS = {"de": "var", "da": "obs"}
"""Where runs of each kind have their columns."""


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
    named: str | None = None,
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
    named
        A column to draw: unless ``run_id`` says otherwise, the run that wrote it is meant. If none
        did, a run that is not needed is none, and any other the last.

    Raises
    ------
    ValueError
        If there is no such run, or the history cannot be read.
    """
    labels = {"condition1": condition1, "condition2": condition2}
    owner = None
    if named is not None and run_id == -1:
        owner = _owner(adata, kind, named)
        is_unknown = owner is None
    else:
        is_unknown = not recorded_runs(adata, kind)
    if is_unknown and not is_needed:
        given = {name: label for name, label in labels.items() if label is not None}
        return Record(None, given)
    wanted = run_id if owner is None else owner
    number, runs = find_run(
        adata, kind, wanted, otherwise=", or name the columns to draw", labels=labels
    )
    warn_if_overwritten(runs, number)
    return Record(number, runs[number])


def _owner(adata: AnnData, kind: str, name: str) -> int | None:
    """Number of the run that wrote a column last; None if none did."""
    runs = recorded_runs(adata, kind)
    unlisted = {str(run.get("lfc_key")): number for number, run in enumerate(runs)}
    return field_owners(runs).get((_COLUMNS[kind], name), unlisted.get(name))
