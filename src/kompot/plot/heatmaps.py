"""Heatmaps of genes in groups of cells, with both conditions in each tile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kompot.plot.arguments import refuse_argument
from kompot.plot.canvas import finished, new_figure, say_on
from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.group_means import GroupMeans, chosen_genes, group_means
from kompot.plot.stored_runs import read_expression_run
from kompot.plot.tiles import cluster, draw_dendrogram, draw_tiles, explain_halves
from kompot.plot.words import between, shortened

__all__ = ["HeatmapResult", "heatmap"]

Array = NDArray[np.float64]

_LAYOUT = "give `figsize`, `tile_size`, `tile_aspect_ratio` or `colorbar_kwargs`."


class HeatmapResult(NamedTuple):
    """A heatmap and the numbers in it.

    Attributes
    ----------
    fig
        The figure.
    cond1_means, cond2_means
        Mean expression in each condition as drawn, genes x groups.
    fold_changes
        Mean log fold changes, genes x groups.
    """

    fig: Figure | SubFigure
    cond1_means: pd.DataFrame
    cond2_means: pd.DataFrame
    fold_changes: pd.DataFrame


def heatmap(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    var_names: Sequence[str] | None = None,
    groupby: str | None = None,
    n_top_genes: int = 20,
    genes: Sequence[str] | None = None,
    score_key: str | None = None,
    layer: str | None = None,
    standard_scale: str | None = "var",
    cmap: str | None = None,
    *,
    dendrogram: bool = False,
    cluster_rows: bool = True,
    cluster_cols: bool = True,
    dendrogram_color: str = "black",
    figsize: tuple[float, float] | None = None,
    tile_aspect_ratio: float = 1.0,
    tile_size: float = 0.3,
    show_gene_labels: bool = True,
    show_group_labels: bool = True,
    gene_labels_size: float = 9,
    group_labels_size: float = 9,
    colorbar_title: str | None = None,
    colorbar_kwargs: Mapping[str, Any] | None = None,
    n_colorbar_ticks: int = 3,
    layout_config: None = None,
    title: str | None = None,
    sort_genes: bool = True,
    vcenter: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    ax: Axes | None = None,
    draw_values: bool = False,
    return_fig: bool = False,
    return_data: bool = False,
    save: str | PathLike[str] | None = None,
    run_id: int = -1,
    condition_column: str | None = None,
    observed: bool = True,
    condition1: str | None = None,
    condition2: str | None = None,
    condition1_name: str | None = None,
    condition2_name: str | None = None,
    exclude_groups: Sequence[str] | None = None,
    fold_change_mode: bool = False,
    split_dot_mode: bool = False,
    max_cell_count: float | None = None,
) -> Axes | HeatmapResult | Figure:
    """Draw genes in groups of cells: both conditions in halves of each tile, or the fold change.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    var_names, genes
        Names of genes (either argument); None for the strongest.
    groupby
        Column of ``adata.obs`` with the groups; None for the groups of the run, or all cells.
    n_top_genes
        How many genes, if they are not named.
    score_key
        Column of ``adata.var`` to choose them by; None for the run's score.
    layer
        Layer with expression to average as measured; None for the smoothed functions if the run
        stored them, which compare the conditions at the same states.
    standard_scale
        ``"var"`` scales each gene, ``"group"`` each group from 0 to 1, over both conditions; None
        leaves expression as it is. Fold changes are never scaled.
    cmap
        Colour map; None for viridis, or red and blue around zero for fold changes.
    dendrogram
        Draw the trees by which rows and columns are ordered.
    cluster_rows, cluster_cols
        Put similar genes, and similar groups, side by side.
    dendrogram_color
        Colour of the trees.
    figsize
        Width and height in inches of a new figure; None to suit the number of tiles.
    tile_aspect_ratio
        Height of a tile by its width.
    tile_size
        Width of a tile in inches.
    show_gene_labels, show_group_labels, gene_labels_size, group_labels_size
        Names of rows and columns, and their sizes in 1/72 inch.
    colorbar_title, colorbar_kwargs, n_colorbar_ticks
        Text of the colour bar (None for what is drawn), further arguments of ``Figure.colorbar``,
        and its largest number of ticks.
    layout_config
        Must be None: ``figsize``, ``tile_size`` and ``colorbar_kwargs`` say how large things are.
    title
        None for none.
    sort_genes
        Order genes by fold change where they are not clustered.
    vcenter, vmin, vmax
        How numbers become colours; None to suit them.
    ax
        Where to draw; a new figure if None.
    draw_values
        Write fold changes on their tiles.
    return_fig
        Return the figure instead of the Axes.
    return_data
        Return a :class:`HeatmapResult` instead of the Axes.
    save
        Where to save the figure; None does not.
    run_id
        Number of the run from 0, or from the end if negative.
    condition_column
        Column of ``adata.obs`` with the conditions; None for the run's.
    observed
        Leave out groups without cells.
    condition1, condition2
        Conditions of the run; None for any.
    condition1_name, condition2_name
        What to call them.
    exclude_groups
        Groups to leave out.
    fold_change_mode
        Draw the fold change instead of both conditions.
    split_dot_mode
        Draw halves of dots, whose areas are the numbers of cells.
    max_cell_count
        Number of cells of a full dot; None for the largest.

    Returns
    -------
    The Axes; a :class:`HeatmapResult` or the figure if that is wanted.

    Raises
    ------
    ValueError
        If the run, a gene, a column or a group does not exist, or arguments contradict each other.
    """
    refuse_argument("layout_config", layout_config, _LAYOUT)
    _refuse(var_names, genes, standard_scale, is_both=fold_change_mode and split_dot_mode)
    run = read_expression_run(adata, run_id, condition1, condition2)
    if groupby is None and isinstance(run.record.parameter("groups"), str):
        groupby = run.record.parameter("groups")
    wanted = var_names if var_names is not None else genes
    names = chosen_genes(adata, run, wanted, n_top_genes, score_key)
    excluded = [exclude_groups] if isinstance(exclude_groups, str) else list(exclude_groups or [])
    found = group_means(
        adata, run, names, groupby, layer, condition_column, excluded, observed=observed
    )
    mode = "tile" if fold_change_mode else ("dots" if split_dot_mode else "halves")
    grid = _arranged(found, mode, standard_scale, (cluster_rows, cluster_cols, sort_genes))

    if ax is None:
        figure = new_figure(figsize or _size(grid.fold_changes, tile_size, tile_aspect_ratio))
        figure.set_layout_engine("compressed")  # tiles have a fixed shape
        ax = figure.subplots()
    sizes = (show_gene_labels * gene_labels_size, show_group_labels * group_labels_size)
    tiles = _draw(ax, grid, mode, (cmap, vmin, vcenter, vmax), max_cell_count)
    _label(ax, grid.fold_changes, *sizes)
    ax.set_aspect(tile_aspect_ratio)
    if draw_values:
        _write_values(ax, grid.fold_changes)
    trees = grid.trees if dendrogram else (None, None)
    for tree, is_vertical in zip(trees, (True, False), strict=True):
        if tree is not None:
            draw_dendrogram(ax, tree, dendrogram_color, is_vertical=is_vertical)
    if title:
        ax.set_title(title)
    what = f"log fold change, {between(run.condition1, run.condition2)}"
    if mode != "tile":
        what = found.what + (", scaled" if standard_scale else "")
        halves = [condition1_name or run.condition1, condition2_name or run.condition2]
        explain_halves(ax, halves, max_cell_count or grid.most_cells if mode == "dots" else None)
    pad = 0.03 if trees[0] is None else 0.14
    _explain_colors(tiles, colorbar_title or what, n_colorbar_ticks, pad, colorbar_kwargs or {})
    data = HeatmapResult(ax.figure, grid.condition1, grid.condition2, grid.fold_changes)
    shown: Any = data if return_data else ax
    return finished(shown, ax.figure, save, return_fig and not return_data)


@dataclass(frozen=True)
class _Grid:
    """What is drawn, in order, genes x groups, and the trees of genes and groups."""

    condition1: pd.DataFrame
    condition2: pd.DataFrame
    fold_changes: pd.DataFrame
    n_cells: tuple[Array, Array]
    trees: tuple[Array | None, Array | None]

    @property
    def most_cells(self) -> float:
        """Cells of the largest group in a condition."""
        return float(np.max(self.n_cells, initial=1))


def _refuse(
    var_names: Sequence[str] | None,
    genes: Sequence[str] | None,
    standard_scale: str | None,
    *,
    is_both: bool,
) -> None:
    """Refuse arguments that contradict each other."""
    if var_names is not None and genes is not None:
        msg = "'var_names' and 'genes' mean the same; give one of them."
        raise ValueError(msg)
    if standard_scale not in ("var", "group", None):
        msg = f"'standard_scale' must be 'var', 'group' or None, got {standard_scale!r}."
        raise ValueError(msg)
    if is_both:
        msg = "'fold_change_mode' and 'split_dot_mode' cannot both be True."
        raise ValueError(msg)


def _arranged(
    found: GroupMeans, mode: str, scale: str | None, orders: tuple[bool, bool, bool]
) -> _Grid:
    """Scale the means, and put genes and groups in order."""
    cluster_rows, cluster_cols, sort_genes = orders
    means = _scaled(found.condition1, found.condition2, scale)
    drawn = [found.fold_changes] if mode == "tile" else means
    rows, row_tree = np.arange(found.fold_changes.shape[1]), None
    columns, column_tree = np.arange(len(found.fold_changes)), None
    if cluster_rows:
        rows, row_tree = cluster(np.vstack([one.to_numpy() for one in drawn]).T)
    elif sort_genes:
        rows = np.argsort(-found.fold_changes.mean().fillna(0.0).to_numpy(), kind="stable")
    if cluster_cols:
        columns, column_tree = cluster(np.hstack([one.to_numpy() for one in drawn]))
    tables = [one.iloc[columns, rows].T for one in (*means, found.fold_changes)]
    counts = (found.n_cells1[columns], found.n_cells2[columns])
    return _Grid(tables[0], tables[1], tables[2], counts, (row_tree, column_tree))


def _scaled(first: pd.DataFrame, second: pd.DataFrame, scale: str | None) -> list[pd.DataFrame]:
    """Means from 0 to 1 over both conditions, for each gene or each group."""
    if scale is None or first.empty:
        return [first, second]
    both = np.stack([first.to_numpy(), second.to_numpy()])
    axis = (0, 1) if scale == "var" else (0, 2)
    low = np.min(both, axis=axis, keepdims=True, initial=np.inf, where=np.isfinite(both))
    high = np.max(both, axis=axis, keepdims=True, initial=-np.inf, where=np.isfinite(both))
    spread = np.where(high > low, high - low, 1.0)
    scaled = (both - np.where(np.isfinite(low), low, 0.0)) / spread
    return [pd.DataFrame(one, index=first.index, columns=first.columns) for one in scaled]


def _size(table: pd.DataFrame, tile_size: float, aspect: float) -> tuple[float, float]:
    """Width and height of a figure in inches, with room for names and colour bar."""
    rows, columns = table.shape
    longest = max([len(shortened(str(name))) for name in table.columns], default=0)
    width = tile_size * columns + 3.2
    return max(width, 4.0), max(tile_size * aspect * rows + 1.1 + 0.08 * longest, 3.2)


def _draw(
    ax: Axes,
    grid: _Grid,
    mode: str,
    scale: tuple[str | None, float | None, float | None, float | None],
    max_cell_count: float | None,
) -> PolyCollection:
    """Draw the tiles or dots; return those that the colour bar explains."""
    rows, columns = grid.fold_changes.shape
    ax.set(xlim=(-0.5, max(columns, 1) - 0.5), ylim=(max(rows, 1) - 0.5, -0.5))
    if mode == "tile":
        colors = _colors([grid.fold_changes], scale, is_change=True)
        return draw_tiles(ax, grid.fold_changes.to_numpy(), "tile", *colors)
    colors = _colors([grid.condition1, grid.condition2], scale, is_change=False)
    shapes = ("left", "right") if mode == "dots" else ("upper left", "lower right")
    most = max_cell_count or grid.most_cells
    for table, counts, shape in zip(
        (grid.condition1, grid.condition2), grid.n_cells, shapes, strict=True
    ):
        areas = np.broadcast_to(counts / most, table.shape) if mode == "dots" else None
        tiles = draw_tiles(ax, table.to_numpy(), shape, *colors, sizes=areas)
    return tiles


def _colors(
    tables: Sequence[pd.DataFrame],
    scale: tuple[str | None, float | None, float | None, float | None],
    *,
    is_change: bool,
) -> tuple[Colormap, Normalize]:
    """Colour map and range."""
    cmap, vmin, vcenter, vmax = scale
    values = np.concatenate([one.to_numpy().ravel() for one in tables])
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.array([0.0, 1.0])
    if is_change and vcenter is None:
        vcenter = 0.0
    if vcenter is not None:
        reach = max(float(np.abs(values - vcenter).max()), 1e-12)
        low = vcenter - reach if vmin is None else vmin
        high = vcenter + reach if vmax is None else vmax
    else:
        low = float(values.min()) if vmin is None else vmin
        high = float(values.max()) if vmax is None else vmax
    name = cmap or ("viridis" if vcenter is None else "RdBu_r")
    colors = mpl.colormaps[name].with_extremes(bad=KOMPOT_COLORS["missing"])
    if vcenter is not None and low < vcenter < high:
        return colors, TwoSlopeNorm(vcenter, low, high)
    return colors, Normalize(low, high if high > low else low + 1)


def _label(ax: Axes, table: pd.DataFrame, gene_size: float, group_size: float) -> None:
    """Names of genes beside the rows, and of groups below the columns."""
    rows, columns = table.shape
    ax.set_yticks(np.arange(rows) if gene_size else [])
    ax.set_xticks(np.arange(columns) if group_size else [])
    if gene_size:
        ax.set_yticklabels([shortened(str(name)) for name in table.index], fontsize=gene_size)
    if group_size:
        names = [shortened(str(name)) for name in table.columns]
        ax.set_xticklabels(names, rotation=90, fontsize=group_size)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if table.empty:
        say_on(ax, "no genes in groups to draw")


def _write_values(ax: Axes, changes: pd.DataFrame) -> None:
    """Write fold changes on their tiles."""
    for (row, column), value in np.ndenumerate(changes.to_numpy(np.float64)):
        if np.isfinite(value):
            text = ax.text(column, row, f"{value:+.1f}", ha="center", va="center", fontsize=6)
            text.set_path_effects([withStroke(linewidth=1.2, foreground="white")])


def _explain_colors(
    tiles: PolyCollection, title: str, n_ticks: int, pad: float, options: Mapping[str, Any]
) -> None:
    """Draw the colour bar."""
    ax: Any = tiles.axes
    shape = {"shrink": 0.6, "aspect": 20, "pad": pad, **options}
    bar = ax.figure.colorbar(tiles, ax=ax, **shape)
    bar.set_label(title)
    bar.outline.set_visible(False)
    bar.locator = MaxNLocator(max(n_ticks, 1), steps=[1, 2, 5, 10])
    bar.update_ticks()
