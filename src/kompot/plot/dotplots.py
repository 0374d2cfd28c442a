"""Dots of genes in groups of cells: fold change as colour, share of expressing cells as size."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_figure, say_on
from kompot.plot.cells import cells_per_group, group_labels
from kompot.plot.group_means import chosen_genes, mean_by_group
from kompot.plot.stored_runs import ExpressionRun, column, group_table, read_expression_run
from kompot.plot.words import shortened
from kompot.records.layers import has_layer

__all__ = ["DotPlot", "dotplot"]

_SHARES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class DotPlot:
    """A dot plot and the numbers in it.

    Attributes
    ----------
    figure
        The figure.
    main, colorbar, size
        Axes of the dots, of the colour bar and of the explanation of sizes.
    fold_changes, shares
        Mean log fold change, and share of cells that express the gene, groups x genes.
    """

    figure: Figure | SubFigure
    main: Axes
    colorbar: Axes
    size: Axes
    fold_changes: pd.DataFrame
    shares: pd.DataFrame


def dotplot(
    adata: AnnData,
    genes: Sequence[str] | None,
    groupby: str,
    *,
    lfc_layer: str | None = None,
    expr_layer: str | None = None,
    score_key: str | None = None,
    filter_key: str | None = None,
    n_top: int = 15,
    categories_order: Sequence[str] | None = None,
    min_cells: int = 0,
    expr_threshold: float = 0.0,
    vabs_pct: float = 98.0,
    vabs_min: float = 0.0,
    vmax: float | None = None,
    cmap: str = "RdBu_r",
    size_exponent: float = 1.5,
    dot_max: float = 120.0,
    dot_edge_color: str = "0.5",
    dot_edge_lw: float = 0.3,
    axes: tuple[Axes, Axes, Axes] | None = None,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> DotPlot | Figure:
    """Draw genes in groups of cells as dots.

    Colour is the mean log fold change over the cells of the group, size the share of its cells in
    which the gene is expressed.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    genes
        Names of genes; None for the strongest of the run.
    groupby
        Column of ``adata.obs`` with the groups.
    lfc_layer
        Layer of fold changes; None for the run's, or its results of these groups.
    expr_layer
        Layer of expression; None for the one that was analysed.
    score_key
        Column of ``adata.var`` to choose genes by; None for the run's score.
    filter_key
        Column of truth values in ``adata.var``: only these genes are chosen.
    n_top
        How many genes, if they are not named.
    categories_order
        Groups to draw, from the top.
    min_cells
        Groups with fewer cells are left out.
    expr_threshold
        Cells with more than this express a gene.
    vabs_pct, vabs_min, vmax
        The colours end at ``vmax``, or at this percentile of the sizes of the fold changes, at
        least ``vabs_min``.
    cmap
        Colour map.
    size_exponent, dot_max
        The area of a dot is ``dot_max`` (1/72 inch)^2 times the share to this power.
    dot_edge_color, dot_edge_lw
        Edges of dots.
    axes
        Where to draw the dots, the colour bar and the explanation of sizes; a new figure if None.
    figsize
        Width and height in inches of a new figure; None to suit the number of dots.
    title
        None for none.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    return_fig
        Return the figure instead of a :class:`DotPlot`.
    save
        Where to save the figure; None does not.

    Returns
    -------
    A :class:`DotPlot`; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run, a gene, a column, a layer or a group does not exist.
    """
    run = read_expression_run(adata, run_id, condition1, condition2)
    if genes is None and filter_key is not None:
        kept = adata.var_names[pd.Series(column(adata, filter_key)).isin([True]).to_numpy()]
        ranked = chosen_genes(adata, run, None, adata.n_vars, score_key)
        genes = [gene for gene in ranked if gene in set(kept)][:n_top]
    names = chosen_genes(adata, run, genes, n_top, score_key)
    labels = _labels(adata, groupby, categories_order, min_cells)
    every = np.ones(adata.n_obs, dtype=bool)
    changes = _fold_changes(adata, run, names, labels, lfc_layer)
    layer = expr_layer if expr_layer is not None else run.layer
    shares = mean_by_group(adata, layer, names, labels, every, above=expr_threshold)

    is_new = axes is None
    if axes is None:
        axes = _new_axes(figsize, changes)
    main, bar, size = axes
    reach = _reach(changes.to_numpy(), vmax, vabs_pct, vabs_min)
    look = {"linewidths": dot_edge_lw, "edgecolors": dot_edge_color}
    rows, columns = np.indices(changes.shape)
    areas = dot_max * shares.fillna(0.0).to_numpy().ravel() ** size_exponent
    options: Any = {"cmap": cmap, "vmin": -reach, "vmax": reach, **look}
    dots = main.scatter(
        columns.ravel(), rows.ravel(), s=areas, c=changes.to_numpy().ravel(), **options
    )
    _label(main, changes, title)
    filled = main.figure.colorbar(dots, cax=bar)
    filled.outline.set_visible(False)
    if is_new:
        bar.set_box_aspect(7)
    bar.set_title("log fold\nchange", fontsize="small")
    _explain_sizes(size, dot_max, size_exponent)
    shown = DotPlot(main.figure, main, bar, size, changes, shares)
    return finished(shown, main.figure, save, return_fig)


def _labels(
    adata: AnnData, groupby: str, order: Sequence[str] | None, min_cells: int
) -> "pd.Series[Any]":
    """Group of each cell, groups in the order in which they are drawn."""
    labels = group_labels(adata, groupby)
    known = list(labels.cat.categories)
    if order is not None:
        unknown = [name for name in order if name not in known]
        if unknown:
            msg = f"{unknown} are no groups of {groupby!r}; there are {known}."
            raise ValueError(msg)
        known = list(order)
    counts = cells_per_group(labels, np.ones(len(labels), dtype=bool))
    enough = dict(zip(labels.cat.categories, counts >= min_cells, strict=True))
    return labels.cat.set_categories([name for name in known if enough[name]])


def _fold_changes(
    adata: AnnData,
    run: ExpressionRun,
    genes: list[str],
    labels: "pd.Series[Any]",
    layer: str | None,
) -> pd.DataFrame:
    """Mean fold changes, groups x genes: of a layer, else as the run stored them for groups."""
    layer = layer or run.fold_change
    if has_layer(adata, layer):
        return mean_by_group(adata, layer, genes, labels, np.ones(adata.n_obs, dtype=bool))
    groups = list(labels.cat.categories)
    if "mean_lfc" in run.groups:
        stored = group_table(adata, run, "mean_lfc").set_axis(adata.var_names, axis=0)
        if set(groups) <= set(stored.columns):
            return stored.loc[genes, groups].T
    msg = (
        "The run stored neither the layer of fold changes nor fold changes of these groups. Repeat "
        "compute_differential_expression with layers='dense' or 'factored', or name one as "
        "`lfc_layer`."
    )
    raise ValueError(msg)


def _new_axes(figsize: tuple[float, float] | None, table: pd.DataFrame) -> tuple[Axes, Axes, Axes]:
    """Axes of the dots and, to their right, of the colour bar and the sizes."""
    rows, columns = table.shape
    if figsize is None:
        longest = max((len(shortened(str(gene))) for gene in table.columns), default=0)
        below = 0.08 * max(longest - 10, 0)  # names stand upright under the dots
        figsize = (max(2.6 + 0.27 * columns, 4.0), max(1.3 + 0.27 * rows, 3.2) + below)
    figure = new_figure(figsize)
    ratio = max(0.24 * columns, 1.0) / 0.5
    grid = figure.add_gridspec(2, 2, width_ratios=[ratio, 1], height_ratios=[1, 1])
    main = figure.add_subplot(grid[:, 0])
    return main, figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])


def _reach(
    values: NDArray[np.float64], vmax: float | None, percentile: float, least: float
) -> float:
    """Fold change at which the colours end."""
    if vmax is not None:
        return vmax
    known = np.abs(values[np.isfinite(values)])
    reach = float(np.percentile(known, percentile)) if len(known) else 0.0
    return max(reach, least) or 1.0


def _label(ax: Axes, table: pd.DataFrame, title: str | None) -> None:
    """Names of groups and genes."""
    rows, columns = table.shape
    ax.set_xlim(-0.6, max(columns, 1) - 0.4)
    ax.set_ylim(max(rows, 1) - 0.4, -0.6)
    ax.set_xticks(np.arange(columns), [shortened(str(one)) for one in table.columns], rotation=90)
    ax.set_yticks(np.arange(rows), [shortened(str(one)) for one in table.index])
    ax.tick_params(length=0, labelsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title)
    if table.empty:
        say_on(ax, "no genes in groups to draw")


def _explain_sizes(ax: Axes, dot_max: float, exponent: float) -> None:
    """Dots of a few shares."""
    places = np.arange(len(_SHARES), dtype=float)
    areas = dot_max * np.array(_SHARES) ** exponent
    ax.scatter(np.zeros(len(_SHARES)), places, s=areas, c="0.5", linewidths=0)
    for place, share in zip(places, _SHARES, strict=True):
        ax.text(0.06, place, f"{share:.0%}", va="center", fontsize="small")
    ax.set(xlim=(-0.05, 0.16), ylim=(-0.7, len(_SHARES) - 0.3))
    ax.set_title("cells that\nexpress it", fontsize="small")
    ax.set_axis_off()
