"""Which cells take part in an analysis, and in which groups."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.groups import excluded_cells, parse_groups
from kompot.anndata.inputs import read_condition
from kompot.anndata.representation import (
    UnderrepresentedWarning,
    describe_underrepresented,
    underrepresented,
)
from kompot.settings import Comparison, FilterSettings
from kompot.user_warnings import warn_user

__all__ = ["CellChoice", "choose_cells"]

Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellChoice:
    """Cells left out, and groups of cells.

    Attributes
    ----------
    groups
        Name to mask ``(n_obs,)``, in order, of those that are not left out as such; None if none
        were asked for or none is left.
    excluded
        Cells to leave out, ``(n_obs,)``; None if there was nothing to leave out by.
    underrepresented
        Conditions with few cells, for each group that has any; None if that was not checked.
    auto_filtered
        Whether cells were left out because their group has few of a condition.
    """

    groups: dict[str, Mask] | None = None
    excluded: Mask | None = None
    underrepresented: dict[str, list[str]] | None = None
    auto_filtered: bool = False


def choose_cells(adata: AnnData, comparison: Comparison, choice: FilterSettings) -> CellChoice:
    """Read groups and filter, and check that both conditions have cells in every group.

    Cells that match ``cell_filter`` are left out first; groups are then judged by the cells that
    remain. Groups that the filter names, or that are left out for few cells, are groups no more.

    Parameters
    ----------
    adata
        The data.
    comparison
        The conditions.
    choice
        Groups, filter and minima.

    Raises
    ------
    ValueError, TypeError
        If the conditions, groups or filter cannot be read.
    """
    condition = read_condition(adata, comparison)
    groups = None if choice.groups is None else parse_groups(adata, choice.groups)
    excluded, named = None, set[str]()
    if choice.cell_filter is not None:
        excluded, named = excluded_cells(adata, choice.cell_filter, groups)
    found: dict[str, list[str]] | None = None
    if groups is not None:
        groups = {name: mask for name, mask in groups.items() if name not in named}
    if groups is not None and choice.check_representation in (None, True):
        found = _few_cells(condition, groups, excluded, comparison, choice)
    auto_filtered = bool(found) and bool(choice.check_representation)
    if groups is not None and found and auto_filtered:
        few = np.logical_or.reduce([groups[name] for name in found])
        excluded = few if excluded is None else excluded | few
        groups = {name: mask for name, mask in groups.items() if name not in found}
        log.info("Left out for few cells of a condition: the groups %s", list(found))
    _log_excluded(condition, excluded, comparison)
    if groups is not None:
        kept = condition >= 0 if excluded is None else (condition >= 0) & ~excluded
        _log_groups(groups, kept)
    return CellChoice(groups or None, excluded, found, auto_filtered)


def _few_cells(
    condition: NDArray[np.intp],
    groups: Mapping[str, Mask],
    excluded: Mask | None,
    comparison: Comparison,
    choice: FilterSettings,
) -> dict[str, list[str]]:
    """Conditions with few cells, for each group that has any; a warning unless they are to go."""
    minima = (choice.min_cells, choice.min_percentage)
    conditions = {str(name): condition == c for c, name in enumerate(comparison.conditions)}
    remaining = _remaining(groups, excluded)
    found = underrepresented(remaining, conditions, *minima)
    if found and not choice.check_representation:
        text = describe_underrepresented(found, remaining, conditions, *minima)
        warn_user(text, UnderrepresentedWarning)
    return found


def _remaining(groups: Mapping[str, Mask], excluded: Mask | None) -> dict[str, Mask]:
    """Cells of groups that are not left out; groups left out as a whole are no more."""
    if excluded is None:
        return dict(groups)
    kept = {name: mask & ~excluded for name, mask in groups.items()}
    return {name: mask for name, mask in kept.items() if mask.any() or not groups[name].any()}


def _log_groups(groups: Mapping[str, Mask], kept: Mask) -> None:
    """How the cells compared that are kept are in groups."""
    if not groups:
        log.warning("No group is left; all cells compared are scored together only")
        return
    count = np.sum([mask[kept] for mask in groups.values()], axis=0, dtype=np.intp)
    log.info(
        "%d groups; of %d cells compared %d are in several, %d in none; without cells: %s",
        len(groups),
        int(kept.sum()),
        int((count > 1).sum()),
        int((count == 0).sum()),
        [name for name, mask in groups.items() if not mask[kept].any()],
    )


def _log_excluded(
    condition: NDArray[np.intp], excluded: Mask | None, comparison: Comparison
) -> None:
    """How many cells of each condition were left out and kept."""
    if excluded is None:
        return
    for number, name in enumerate(comparison.conditions):
        members = condition == number
        n_out = int((members & excluded).sum())
        log.info("%d cells of %r are left out, %d are kept", n_out, name, members.sum() - n_out)
