"""Masks of the cells that a filter leaves, for scripts that prepare their data themselves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.groups import REPRESENTATION_KEY, parse_cell_filter, parse_groups
from kompot.anndata.representation import check_underrepresentation

__all__ = ["apply_cell_filter", "refine_filter_for_underrepresentation"]

Mask = NDArray[np.bool_]


def apply_cell_filter(
    adata: AnnData,
    cell_filter: Any,
    *,
    check_representation: bool | None = None,
    groupby: str | None = None,
    groups: Any = None,
    conditions: Sequence[str] | None = None,
    min_cells: int = 30,
    min_percentage: float | None = None,
) -> tuple[Mask, dict[str, Any]]:
    """Cells that remain when those that match a filter are left out.

    Parameters
    ----------
    adata
        The data.
    cell_filter
        Cells to leave out, in any form of :func:`kompot.anndata.groups.parse_cell_filter`; None
        for none.
    check_representation
        True also leaves out groups in which a condition has few cells; needs ``groupby`` and
        ``groups``.
    groupby, groups, conditions, min_cells, min_percentage
        As in :func:`refine_filter_for_underrepresentation`.

    Returns
    -------
    mask
        True for cells that remain, ``(n_obs,)``.
    info
        ``total_cells``, ``filtered_cells`` (that remain), ``filter_percentage`` (of these),
        ``filter_type``, ``auto_filtered`` and ``underrepresentation``.

    Raises
    ------
    ValueError, TypeError
        If the filter or groups cannot be read.
    """
    kept = np.ones(adata.n_obs, dtype=bool)
    if cell_filter is not None:
        kept = ~parse_cell_filter(adata, cell_filter, groups)
    found: dict[str, list[str]] | None = None
    n_removed = 0
    if check_representation:
        if groupby is None or groups is None:
            msg = "`check_representation=True` needs `groupby` and `groups`."
            raise ValueError(msg)
        kept, found, n_removed = refine_filter_for_underrepresentation(
            adata, kept, groupby, groups, conditions, min_cells, min_percentage
        )
    return kept, {
        "total_cells": adata.n_obs,
        "filtered_cells": int(kept.sum()),
        "filter_percentage": 100.0 * float(kept.mean()),
        "filter_type": None if cell_filter is None else type(cell_filter).__name__,
        "auto_filtered": n_removed > 0,
        "underrepresentation": found,
    }


def refine_filter_for_underrepresentation(  # noqa: PLR0917 the order of arguments that users know
    adata: AnnData,
    filter_mask: Mask | None = None,
    groupby: str | None = None,
    groups: Any = None,
    conditions: Sequence[str] | None = None,
    min_cells: int = 30,
    min_percentage: float | None = None,
) -> tuple[Mask, dict[str, list[str]], int]:
    """Leave out groups in which a condition has few cells.

    Parameters
    ----------
    adata
        The data.
    filter_mask
        Cells that remain so far, ``(n_obs,)``; None for all.
    groupby
        Column of ``obs`` with the conditions.
    groups
        Groups of cells; None leaves the mask as it is.
    conditions, min_cells, min_percentage
        As in :func:`kompot.check_underrepresentation`, of the cells that remain.

    Returns
    -------
    Cells that remain, ``(n_obs,)``; the conditions with few cells by group; and how many cells
    were left out.

    Raises
    ------
    ValueError, TypeError
        If the mask, a column or the groups cannot be read.
    """
    kept = np.ones(adata.n_obs, bool) if filter_mask is None else np.array(filter_mask, copy=True)
    if kept.shape != (adata.n_obs,) or kept.dtype != bool:
        msg = f"`filter_mask` must be a boolean vector of {adata.n_obs} cells, got {kept.shape}."
        raise ValueError(msg)
    if groups is None or groupby is None:
        return kept, {}, 0
    masks = {name: mask & kept for name, mask in parse_groups(adata, groups).items()}
    checked = check_underrepresentation(
        adata, groupby, masks, conditions, min_cells, min_percentage, warn=False
    )
    found: dict[str, list[str]] = checked[REPRESENTATION_KEY]
    before = int(kept.sum())
    for name in found:
        kept &= ~masks[name]
    return kept, found, before - int(kept.sum())
