"""Whether every condition has enough cells in every group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pandas.api.types import infer_dtype, is_list_like

from kompot.anndata.groups import REPRESENTATION_KEY, labelled_groups
from kompot.anndata.labels import cells_with, label_masks
from kompot.anndata.on_disk import with_frames
from kompot.records.annotation import obs_column, require_anndata
from kompot.settings.checks import number
from kompot.user_warnings import warn_user

__all__ = [
    "UnderrepresentedWarning",
    "check_underrepresentation",
    "describe_underrepresented",
    "underrepresented",
]

Masks = Mapping[str, NDArray[np.bool_]]


class UnderrepresentedWarning(UserWarning):
    """Conditions have few cells in some groups."""


def check_underrepresentation(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str,
    groups: Any,
    conditions: Sequence[str] | None = None,
    min_cells: int = 30,
    min_percentage: float | None = None,
    warn: bool = True,
    print_summary: bool = False,
) -> dict[str, Any]:
    """Find groups in which a condition has few cells.

    Parameters
    ----------
    adata
        The data.
    groupby
        Column of ``obs`` with the conditions.
    groups
        Groups of cells, in any form of :func:`compute_differential_expression`: a column of
        ``obs``, a dict of names to boolean masks or positions, a mask, ...
    conditions
        Conditions to check; all of the column if None.
    min_cells
        Least number of cells of each condition in each group.
    min_percentage
        Least share of each condition in percent of all cells of the group, those of other
        conditions included; not checked if None.
    warn
        Whether to warn of what is found.
    print_summary
        Whether to print the number of cells of each condition in each group.

    Returns
    -------
    ``"__underrepresentation_data"`` holds, for groups with any, the conditions that have few cells.
    All group names are listed under the column's name if ``groups`` is one, under the first key if
    it is a dict, under ``"selection"`` if it is one vector or matrix; not if it is a list of
    groups. As `cell_filter` of an analysis this leaves out the cells of the groups found; unless
    ``groups`` was the name of a column, give the same ``groups`` to the analysis, too.

    Raises
    ------
    ValueError
        If a column, condition or cell does not exist, or a number is outside its range.
    TypeError
        If an argument is of another type.
    """
    require_anndata(adata)
    adata = with_frames(adata)
    number("min_cells", min_cells, least=0)
    number("min_percentage", min_percentage, least=0, most=100, optional=True)
    condition_masks = _condition_masks(adata, groupby, conditions)
    masks = labelled_groups(adata, groups)
    found = underrepresented(masks, condition_masks, min_cells, min_percentage)
    if found and warn:
        text = describe_underrepresented(found, masks, condition_masks, min_cells, min_percentage)
        warn_user(text, UnderrepresentedWarning)
    if print_summary:
        print(_summary(found, masks, condition_masks))
    key = _group_key(groups)
    return {REPRESENTATION_KEY: found} | ({} if key is None else {key: list(masks)})


def underrepresented(
    masks: Masks, condition_masks: Masks, min_cells: int, min_percentage: float | None = None
) -> dict[str, list[str]]:
    """Conditions with few cells, for each group that has any.

    Parameters
    ----------
    masks, condition_masks
        Cells of the groups and of the conditions, ``(n_obs,)`` each.
    min_cells
        Least number of cells of a condition in a group.
    min_percentage
        Least share in percent of all cells of the group; None for no such check.
    """
    found: dict[str, list[str]] = {}
    for name, mask in masks.items():
        least = max(min_cells, (min_percentage or 0.0) * int(mask.sum()) / 100)
        few = [c for c, cells in condition_masks.items() if int((mask & cells).sum()) < least]
        if few:
            found[name] = few
    return found


def describe_underrepresented(
    found: Mapping[str, list[str]],
    masks: Masks,
    condition_masks: Masks,
    min_cells: int,
    min_percentage: float | None = None,
) -> str:
    """What :func:`underrepresented` found, in numbers, and what to do."""
    least = f"{min_cells} cells" + ("" if min_percentage is None else f" or {min_percentage:g} %")
    listed = []
    for name, few in list(found.items())[:5]:
        counts = [f"{int((masks[name] & condition_masks[c]).sum())} of {c!r}" for c in few]
        listed.append(f"{name!r} ({', '.join(counts)}, {int(masks[name].sum())} in all)")
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return (
        f"{len(found)} of {len(masks)} groups have fewer than {least} of a condition: "
        f"{', '.join(listed)}{more}. Leave them out with `check_representation=True` or "
        "`cell_filter`, merge small groups, or lower `min_cells` or `min_percentage`."
    )


def _condition_masks(
    adata: AnnData, groupby: str, conditions: Sequence[str] | None
) -> dict[str, NDArray[np.bool_]]:
    """Cells of each condition."""
    labels = obs_column(adata.obs, groupby, "groupby")
    if conditions is not None:
        if isinstance(conditions, str) or not is_list_like(conditions) or not len(conditions):
            msg = f"`conditions` must be a list of values of {groupby!r}, got {conditions!r}."
            raise TypeError(msg)
        return {str(c): cells_with(labels, [c], "conditions") for c in conditions}
    masks = {} if infer_dtype(labels) == "floating" else dict(label_masks(labels))
    if not masks:
        msg = (
            f"Column {groupby!r} of adata.obs ({labels.dtype}) has no labels that could be "
            "conditions; choose another `groupby`, or name some of its values as `conditions`."
        )
        raise ValueError(msg)
    return masks


def _group_key(groups: Any) -> str | None:
    """Under which key the names of all groups are returned."""
    if isinstance(groups, str):
        return groups
    if isinstance(groups, Mapping):
        return str(next(iter(groups)))
    is_several = isinstance(groups, list | tuple) and is_list_like(groups[0])
    return None if is_several else "selection"


def _summary(found: Mapping[str, list[str]], masks: Masks, condition_masks: Masks) -> str:
    """A table of the cells of each condition in each group, ``*`` where there are few."""
    table = pd.DataFrame(index=list(masks), columns=[*condition_masks, "all cells"], dtype=object)
    for name, mask in masks.items():
        n_cells = int(mask.sum())
        for condition, cells in condition_masks.items():
            count = int((mask & cells).sum())
            star = "*" if condition in found.get(name, []) else ""
            table.loc[name, condition] = f"{count} ({100 * count / max(n_cells, 1):.1f} %){star}"
        table.loc[name, "all cells"] = n_cells
    return f"{table.to_string()}\n* few cells: {len(found)} of {len(masks)} groups"
