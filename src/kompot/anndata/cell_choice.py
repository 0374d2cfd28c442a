"""Which cells take part in an analysis, and in which groups."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.groups import parse_cell_filter, parse_groups
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
        Name to mask ``(n_obs,)``, in order; None if no groups were asked for.
    excluded
        Cells to leave out, ``(n_obs,)``; None if there was nothing to leave out by.
    underrepresented
        Conditions with few cells, for each group that has any.
    auto_filtered
        Whether cells were left out because their group has few of a condition.
    """

    groups: dict[str, Mask] | None = None
    excluded: Mask | None = None
    underrepresented: dict[str, list[str]] = field(default_factory=dict)
    auto_filtered: bool = False


def choose_cells(adata: AnnData, comparison: Comparison, choice: FilterSettings) -> CellChoice:
    """Read groups and filter, and check that both conditions have cells in every group.

    Cells that match ``cell_filter`` are left out first; groups are then judged by the cells that
    remain.

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
    excluded = None
    if choice.cell_filter is not None:
        excluded = parse_cell_filter(adata, choice.cell_filter, choice.groups)
    is_declined = choice.check_representation is not None and not choice.check_representation
    if groups is None or is_declined:
        _log_excluded(condition, excluded, comparison)
        return CellChoice(groups, excluded)

    minima = (choice.min_cells, choice.min_percentage)
    names = (str(comparison.condition1), str(comparison.condition2))
    conditions = {name: condition == number for number, name in enumerate(names)}
    remaining = _remaining(groups, excluded)
    found = underrepresented(remaining, conditions, *minima)
    auto_filtered = bool(found) and bool(choice.check_representation)
    if auto_filtered:
        few = np.logical_or.reduce([groups[name] for name in found])
        excluded = few if excluded is None else excluded | few
        log.info("Left out for few cells of a condition: the groups %s", list(found))
    elif found:
        text = describe_underrepresented(found, remaining, conditions, *minima)
        warn_user(text, UnderrepresentedWarning)
    _log_excluded(condition, excluded, comparison)
    return CellChoice(groups, excluded, found, auto_filtered)


def _remaining(groups: Mapping[str, Mask], excluded: Mask | None) -> dict[str, Mask]:
    """Cells of groups that are not left out; groups left out as a whole are no more."""
    if excluded is None:
        return dict(groups)
    kept = {name: mask & ~excluded for name, mask in groups.items()}
    return {name: mask for name, mask in kept.items() if mask.any() or not groups[name].any()}


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
