"""Shares of cells whose abundance goes up or down, by category."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kompot.plot.canvas import finished, new_axes, say_on
from kompot.plot.cells import group_labels
from kompot.plot.colors import category_colors
from kompot.plot.stored_abundance import cell_column, read_abundance_run
from kompot.plot.words import between, shortened

__all__ = ["direction_barplot"]

_NAMES = {
    "index": "share of the category's cells",
    "columns": "share of the direction's cells",
    "all": "share of all cells",
    False: "cells",
}
_ORDER = ("down", "neutral", "up")


def direction_barplot(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    category_column: str,
    direction_column: str | None = None,
    condition1: str | None = None,
    condition2: str | None = None,
    normalize: str | bool = "index",
    figsize: tuple[float, float] = (12, 6),
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    colors: Mapping[str, str] | None = None,
    rotation: float = 90,
    legend_title: str | None = "Direction",
    legend_loc: str = "best",
    stacked: bool = True,
    sort_by: str | None = None,
    ascending: bool = False,
    category_order: Sequence[str] | None = None,
    ax: Axes | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
    run_id: int = -1,
) -> Axes | Figure:
    """Draw how many cells of each category are in states that became more or less abundant.

    Cells without a category or a direction do not count.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_abundance`; not changed.
    category_column
        Column of ``adata.obs`` with the categories.
    direction_column
        Column of ``adata.obs`` with the direction; None for the run's.
    condition1, condition2
        Conditions of the run; None for any.
    normalize
        ``"index"`` for shares of each category's cells, ``"columns"`` of each direction's cells,
        ``"all"`` of all cells, False for numbers of cells.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    title, xlabel, ylabel
        Texts; None for the compared conditions, the column, and what is counted.
    colors
        Colours by direction; those that are not named keep theirs.
    rotation
        Angle of the categories' names in degrees.
    legend_title, legend_loc
        Of the legend, as matplotlib names places; ``"best"`` is beside the bars.
    stacked
        One bar for each category, else one for each direction.
    sort_by
        Direction to sort categories by; None leaves their order.
    ascending
        Smallest first.
    category_order
        Categories to draw, in order.
    ax
        Where to draw; a new figure if None.
    return_fig
        Return the figure instead of the Axes.
    save
        Where to save the figure; None does not.
    run_id
        Number of the run from 0, or from the end if negative.

    Returns
    -------
    The Axes; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run, a column, a category or ``normalize`` is unknown.
    """
    run = read_abundance_run(
        adata, run_id, condition1, condition2, is_needed=direction_column is None
    )
    key = direction_column or run.donor_direction or run.direction
    cell_column(adata, key, "direction of change")
    name = str(key)
    shares = _shares(adata, category_column, name, normalize)
    shares = _ordered(shares, sort_by, category_order, ascending=ascending)

    ax = new_axes(figsize) if ax is None else ax
    shades = category_colors(adata, name, list(shares.columns), colors)
    places, base = np.arange(len(shares)), np.zeros(len(shares))
    width = 0.8 if stacked else 0.8 / max(shares.shape[1], 1)
    for number, (direction, color) in enumerate(zip(shares.columns, shades, strict=True)):
        heights = shares[direction].to_numpy()
        offset = 0.0 if stacked else (number - (shares.shape[1] - 1) / 2) * width
        ax.bar(
            places + offset, heights, width, base if stacked else 0, color=color, label=direction
        )
        base = base + heights
    names = [shortened(one) for one in shares.index]
    ax.set_xticks(places, names, rotation=rotation, ha="right" if 0 < rotation < 90 else "center")
    pair = f"Differential abundance, {between(run.condition1, run.condition2)}"
    ax.set(
        xlabel=shortened(category_column) if xlabel is None else xlabel,
        ylabel=ylabel or _NAMES[normalize],
        title=pair if title is None and direction_column is None else (title or ""),
    )
    ax.spines[["top", "right"]].set_visible(False)
    place: dict[str, Any] = {"loc": legend_loc}
    if legend_loc == "best":
        place = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    if shares.to_numpy().sum() > 0:
        ax.legend(title=legend_title, frameon=False, reverse=True, **place)
    else:
        say_on(ax, "no cell has both a category and a direction")
    return finished(ax, ax.figure, save, return_fig)


def _shares(adata: AnnData, category: str, direction: str, normalize: str | bool) -> pd.DataFrame:
    """Numbers or shares of cells, categories x directions."""
    if normalize not in _NAMES or normalize is True:
        msg = f"'normalize' must be one of {list(_NAMES)}, got {normalize!r}."
        raise ValueError(msg)
    counts = pd.crosstab(
        group_labels(adata, category), group_labels(adata, direction), dropna=False
    )
    counts = counts.loc[counts.index.notna(), counts.columns.notna()]
    found = list(map(str, counts.columns))
    known = set(found) <= set(_ORDER)
    counts.columns = pd.Index(found)
    counts = counts.reindex(columns=list(_ORDER), fill_value=0) if known else counts
    counts = counts.astype(float)
    if normalize == "index":
        return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0).fillna(0.0)
    if normalize == "columns":
        return counts.div(counts.sum(axis=0).replace(0, np.nan), axis=1).fillna(0.0)
    return counts / max(counts.to_numpy().sum(), 1.0) if normalize == "all" else counts


def _ordered(
    shares: pd.DataFrame,
    sort_by: str | None,
    category_order: Sequence[str] | None,
    *,
    ascending: bool,
) -> pd.DataFrame:
    """Categories in the wanted order."""
    if category_order is not None:
        unknown = [one for one in category_order if one not in shares.index]
        if unknown:
            msg = f"{unknown} are no categories; there are {list(shares.index)}."
            raise ValueError(msg)
        return shares.loc[list(category_order)]
    if sort_by is None:
        return shares
    if sort_by not in shares.columns:
        msg = f"'sort_by' must be one of {list(shares.columns)}, got {sort_by!r}."
        raise ValueError(msg)
    return shares.sort_values(sort_by, ascending=ascending, kind="stable")
