"""Genes that groups share: intersections of their sets, and overlaps of pairs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from kompot.plot.canvas import finished, new_axes, new_figure, say_on
from kompot.plot.stored_runs import group_table, read_expression_run
from kompot.plot.words import shortened

__all__ = ["UpsetPlot", "called_sets", "overlap", "upset"]

_DARK, _LIGHT = "#333333", "#dddddd"


@dataclass(frozen=True)
class UpsetPlot:
    """Intersections of sets.

    Attributes
    ----------
    figure
        The figure.
    sizes, matrix, totals
        Axes of the sizes of the intersections, of which sets they are of, and of the sizes of the
        sets.
    intersections
        Genes of each intersection, by the names of its sets: in these and in no other.
    """

    figure: Figure | SubFigure
    sizes: Axes
    matrix: Axes
    totals: Axes
    intersections: Mapping[tuple[str, ...], tuple[str, ...]]


def called_sets(
    adata: AnnData,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    *,
    direction: str | None = None,
    threshold: float | None = None,
) -> dict[str, set[str]]:
    """The genes that a run called in each group.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression` with ``groups``.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    direction
        ``"up"`` or ``"down"`` for genes of that sign only: of the change between donors for which
        they are called if samples were compared (``donor_lfc``), else of the mean.
    threshold
        Call genes below this local (or donor-level) false discovery rate instead.

    Raises
    ------
    ValueError
        If the run stored no calls of groups, or ``direction`` is unknown.
    """
    if direction not in (None, "up", "down"):
        msg = f"'direction' must be 'up', 'down' or None, got {direction!r}."
        raise ValueError(msg)
    run = read_expression_run(adata, run_id, condition1, condition2)
    if threshold is None:
        called = group_table(adata, run, "is_de").isin([True])
    else:
        rate = "donor_fdr" if "donor_fdr" in run.groups else "local_fdr"
        called = group_table(adata, run, rate) < threshold
    if direction is not None:
        lfc = group_table(adata, run, "donor_lfc" if "donor_lfc" in run.groups else "mean_lfc")
        called &= (lfc > 0) if direction == "up" else (lfc < 0)
    genes = np.asarray(adata.var_names)
    return {str(name): set(genes[called[name].to_numpy(bool)]) for name in called}


def upset(
    sets: AnnData | Mapping[str, Collection[str]],
    *,
    n_intersections: int = 20,
    min_size: int = 1,
    direction: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    figure: Figure | SubFigure | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> UpsetPlot | Figure:
    """Draw how many genes are in which sets and in no others, most first.

    The plot is after Lex, Gehlenborg, Strobelt, Vuillemot & Pfister, "UpSet", 2014.

    Parameters
    ----------
    sets
        Genes by name of the set; or data with the results of
        :func:`kompot.compute_differential_expression` with ``groups``, for the genes called in each
        group.
    n_intersections
        How many intersections to draw.
    min_size
        Smallest intersection to draw.
    direction
        ``"up"`` or ``"down"`` for called genes of that sign only.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    title
        None for none.
    figsize
        Width and height in inches of a new figure; None to suit what is drawn.
    figure
        Where to draw; a new figure if None.
    return_fig
        Return the figure instead of an :class:`UpsetPlot`.
    save
        Where to save the figure; None does not.

    Returns
    -------
    An :class:`UpsetPlot`; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run stored no calls of groups.
    """
    known = _sets(sets, run_id, condition1, condition2, direction)
    order = sorted(known, key=lambda name: len(known[name]), reverse=True)
    found = _intersections(known, order)
    shown = [one for one in found if len(found[one]) >= min_size][:n_intersections]
    rows = len(order)
    if figure is None:
        width = 3.2 + 0.32 * max(len(shown), 4)
        figure = new_figure(figsize or (width, 2.6 + 0.26 * max(rows, 2)))
    ratios = [max(0.26 * rows, 0.6), 2.0]
    grid = figure.add_gridspec(
        *(2, 2), height_ratios=ratios[::-1], width_ratios=[1.2, max(0.32 * len(shown), 1.5)]
    )
    bars = figure.add_subplot(grid[0, 1])
    matrix = figure.add_subplot(grid[1, 1], sharex=bars)
    totals = figure.add_subplot(grid[1, 0])
    _draw_sizes(bars, [len(found[one]) for one in shown])
    _draw_matrix(matrix, shown, order)
    _draw_totals(totals, [len(known[name]) for name in order], order)
    if title:
        figure.suptitle(title)
    result = UpsetPlot(figure, bars, matrix, totals, {one: found[one] for one in shown})
    return finished(result, figure, save, return_fig)


def overlap(
    sets: AnnData | Mapping[str, Collection[str]],
    *,
    direction: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    cmap: str = "Blues",
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> Axes | Figure:
    r"""Draw the overlap of each pair of sets: shared genes, coloured by Jaccard index.

    The index of two sets is :math:`|A \cap B| / |A \cup B|`. It suits more sets than
    :func:`kompot.plot.upset`.

    Parameters
    ----------
    sets
        Genes by name of the set; or data with the results of
        :func:`kompot.compute_differential_expression` with ``groups``, for the genes called in each
        group.
    direction
        ``"up"`` or ``"down"`` for called genes of that sign only.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    cmap
        Colour map.
    title
        None for none.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    ax
        Where to draw; a new figure if None.
    return_fig
        Return the figure instead of the Axes.
    save
        Where to save the figure; None does not.

    Returns
    -------
    The Axes; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run stored no calls of groups.
    """
    known = _sets(sets, run_id, condition1, condition2, direction)
    names = list(known)
    shared = np.array([[len(known[a] & known[b]) for b in names] for a in names], dtype=float)
    joint = np.array([[len(known[a] | known[b]) for b in names] for a in names], dtype=float)
    index = np.divide(shared, joint, np.zeros_like(shared), where=joint > 0)
    side = max(3.4, 0.42 * len(names) + 2.2)
    ax = new_axes(figsize or (side + 0.8, side)) if ax is None else ax
    if not names:
        say_on(ax, "there are no sets")
        return finished(ax, ax.figure, save, return_fig)
    image = ax.imshow(index, cmap=cmap, vmin=0, vmax=1)
    texts = [shortened(name) for name in names]
    ax.set_xticks(np.arange(len(names)), texts, rotation=90)
    ax.set_yticks(np.arange(len(names)), texts)
    ax.tick_params(length=0, labelsize="small")
    ax.spines[:].set_visible(False)
    if len(names) <= 25:
        for (row, column), count in np.ndenumerate(shared):
            color = "white" if index[row, column] > 0.6 else "black"
            ax.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=color)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, aspect=20, pad=0.03)
    bar.set_label("Jaccard index")
    bar.outline.set_visible(False)
    if title:
        ax.set_title(title)
    return finished(ax, ax.figure, save, return_fig)


def _sets(
    sets: AnnData | Mapping[str, Collection[str]],
    run_id: int,
    condition1: str | None,
    condition2: str | None,
    direction: str | None,
) -> dict[str, set[str]]:
    """Sets of genes by name."""
    if isinstance(sets, AnnData):
        return called_sets(sets, run_id, condition1, condition2, direction=direction)
    return {str(name): set(genes) for name, genes in sets.items()}


def _intersections(
    sets: Mapping[str, set[str]], order: Sequence[str]
) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Genes by the sets that they are in, the most frequent first."""
    genes = sorted(set().union(*sets.values()))
    inside = pd.DataFrame({name: [gene in sets[name] for gene in genes] for name in order})
    found: dict[tuple[str, ...], list[str]] = {}
    for gene, row in zip(genes, inside.to_numpy(), strict=True):
        key = tuple(name for name, is_in in zip(order, row, strict=True) if is_in)
        found.setdefault(key, []).append(gene)
    ranked = sorted(found, key=lambda key: (-len(found[key]), len(key)))
    return {key: tuple(found[key]) for key in ranked}


def _draw_sizes(ax: Axes, sizes: Sequence[int]) -> None:
    """A bar for each intersection."""
    places = np.arange(len(sizes))
    ax.bar(places, sizes, 0.6, color=_DARK)
    for place, size in zip(places, sizes, strict=True):
        ax.annotate(
            *(f"{size}", (float(place), size), (0, 1)),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    ax.set(ylabel="genes", xlim=(-0.7, max(len(sizes), 1) - 0.3))
    ax.margins(y=0.12)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    if not sizes:
        say_on(ax, "no gene is in any set")


def _draw_matrix(ax: Axes, shown: Sequence[tuple[str, ...]], order: Sequence[str]) -> None:
    """Which sets each intersection is of."""
    rows = {name: row for row, name in enumerate(order)}
    for row in range(0, len(order), 2):
        ax.axhspan(row - 0.5, row + 0.5, color="0.96", linewidth=0, zorder=0)
    grid = np.array([(x, y) for x in range(len(shown)) for y in range(len(order))], dtype=float)
    inside = [(x, rows[name]) for x, key in enumerate(shown) for name in key]
    for points, color in ((grid, _LIGHT), (np.array(inside, dtype=float), _DARK)):
        points = points.reshape(-1, 2)
        ax.scatter(points[:, 0], points[:, 1], s=28, c=color, linewidths=0, zorder=2)
    for x, key in enumerate(shown):
        heights = [rows[name] for name in key]
        ax.plot([x, x], [min(heights), max(heights)], color=_DARK, linewidth=1.2, zorder=1)
    ax.set_ylim(max(len(order), 1) - 0.5, -0.5)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.tick_params(axis="x", length=0, labelbottom=False)


def _draw_totals(ax: Axes, sizes: Sequence[int], order: Sequence[str]) -> None:
    """A bar for each set, to the left of its name."""
    places = np.arange(len(order))
    ax.barh(places, sizes, 0.6, color="0.6")
    ax.set_yticks(places, [shortened(name) for name in order], fontsize="small")
    ax.yaxis.tick_right()
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(max(len(order), 1) - 0.5, -0.5), xlabel="genes in set")
    ax.invert_xaxis()
    ax.spines[["top", "left", "right"]].set_visible(False)
