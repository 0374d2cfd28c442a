"""Differential abundance of groups of cells, a strip for each group."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.abundance_volcano import (
    UPDATE_DIRECTION,
    CellChanges,
    draw_thresholds,
    highlighted,
    read_changes,
)
from kompot.plot.arguments import given_options, refuse_argument, scatter_options
from kompot.plot.canvas import finished, new_figure, say_on, set_ticks
from kompot.plot.cell_colors import Categories, Scale, draw_colored, legend_handles
from kompot.plot.cells import group_labels
from kompot.plot.stored_abundance import read_abundance_run
from kompot.plot.words import between, shortened

__all__ = ["multi_volcano_da"]

_TALLEST = 30.0
_HEIGHT = 0.75
"""Height of a strip in inches."""
_LAYOUT = "give `figsize`, or `plot_width_factor` for the width of the strips."


def multi_volcano_da(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str,
    lfc_key: str | None = None,
    ptp_key: str | None = None,
    log_transform_ptp: bool = True,
    lfc_threshold: float | None = None,
    ptp_threshold: float | None = None,
    color: str | None = None,
    alpha_background: float = 1.0,
    highlight_subset: Any = None,
    highlight_color: str = "#d73027",
    *,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    n_x_ticks: int | None = None,
    n_y_ticks: int = 0,
    legend_loc: str | None = "bottom",
    legend_fontsize: float | str | None = None,
    legend_title_fontsize: float | str | None = None,
    legend_ncol: int | None = None,
    show_legend: bool = True,
    show_colorbar: bool = True,
    grid: bool = False,
    grid_kwargs: Mapping[str, Any] | None = None,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    cmap: str | None = None,
    vcenter: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    point_size: float = 4.0,
    show_thresholds: bool = False,
    plot_width_factor: float = 10.0,
    share_y: bool = True,
    layout_config: None = None,
    background_plot: str | None = None,
    background_alpha: float = 0.5,
    background_color: str = "#E6E6E6",
    background_edgecolor: str = "#808080",
    background_height_factor: float = 0.6,
    background_kwargs: Mapping[str, Any] | None = None,
    update_direction: bool = False,
    direction_column: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    figure: Figure | SubFigure | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
    **kwargs: Any,
) -> list[Axes] | Figure:
    """Draw the cells of each group by log fold change of abundance, a strip for each group.

    If the run compared samples, the change between donors and its p-value are drawn, unless columns
    are named.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_abundance`; not changed.
    groupby
        Column of ``adata.obs`` with the groups.
    lfc_key, ptp_key
        Columns of ``adata.obs``; None takes those of the run.
    log_transform_ptp
        Draw -log10 of the tail probability, unless it is stored so.
    lfc_threshold, ptp_threshold
        Where to draw lines; None takes those of the run.
    color
        Column of ``obs``, or gene, to colour cells by; None for the direction of change.
    alpha_background
        Opacity of the cells, or of those that are not highlighted, 0 to 1.
    highlight_subset, highlight_color
        Cells to draw in this colour, the others in grey: values by column of ``obs``, or a truth
        value for each cell.
    figsize
        Width and height in inches of a new figure; None to suit the number of groups.
    title, xlabel, ylabel
        Texts; None for no title, the compared conditions, and the tail probability.
    n_x_ticks, n_y_ticks
        Largest numbers of ticks; by default as many as are easy to read, and none upwards.
    legend_loc
        ``"bottom"``, or a place as ``Figure.legend`` names it; None for no explanation.
    legend_fontsize, legend_title_fontsize, legend_ncol
        Sizes of the legend's text and title, and its columns; None for what suits its place.
    show_legend, show_colorbar
        Explain the colours; those of numbers by a colour bar below the strips.
    grid, grid_kwargs
        Draw thin lines at the ticks; and further arguments of ``Axes.grid``.
    palette
        Colours of categories, by name or in order.
    cmap, vcenter, vmin, vmax
        How numbers become colours.
    point_size
        Area of a point in (1/72 inch)^2.
    show_thresholds
        Draw lines at the thresholds.
    plot_width_factor
        Width of a strip by its height in a new figure, if ``figsize`` is None.
    share_y
        The same height for the same tail probability in all strips.
    layout_config
        Must be None: ``figsize`` and ``plot_width_factor`` say how large the strips are.
    background_plot
        ``"kde"`` or ``"hist"`` shows behind each strip how its fold changes are distributed; None
        shows nothing.
    background_alpha, background_color, background_edgecolor, background_height_factor
        How it looks, and its height as a share of the strip's.
    background_kwargs
        Further arguments of ``Axes.fill_between``, or of ``Axes.stairs`` for ``"hist"``.
    update_direction
        Must be False: a plot changes nothing, :func:`kompot.update_direction_column` does.
    direction_column
        Column of ``obs`` with the direction; None for the run's.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    figure
        Where to draw; a new figure if None.
    save
        Where to save the figure; None does not.
    return_fig
        Return the figure instead of the Axes.
    **kwargs
        Further arguments of ``Axes.scatter``: ``marker``, ``edgecolor``, ``zorder``, ...

    Returns
    -------
    The Axes of the strips, from the top; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run or a column does not exist, or ``background_plot`` is unknown.
    TypeError
        If a further argument is none of ``Axes.scatter``.
    """
    refuse_argument("update_direction", update_direction, UPDATE_DIRECTION)
    refuse_argument("layout_config", layout_config, _LAYOUT)
    further = scatter_options(multi_volcano_da, kwargs)
    if background_plot not in (None, "kde", "hist"):
        msg = f"'background_plot' must be None, 'kde' or 'hist', got {background_plot!r}."
        raise ValueError(msg)
    run = read_abundance_run(
        *(adata, run_id, condition1, condition2),
        is_needed=lfc_key is None or ptp_key is None,
        named=lfc_key or ptp_key,
    )
    changes = read_changes(
        adata,
        (lfc_key, ptp_key, color or direction_column),
        run,
        (lfc_threshold, ptp_threshold),
        is_log=log_transform_ptp,
        palette=palette,
        scale=Scale(cmap, vmin, vmax, vcenter),
    )
    changes, own = highlighted(adata, changes, highlight_subset, highlight_color, alpha_background)
    labels = group_labels(adata, groupby)
    names = list(labels.cat.categories)
    if figure is None:
        height = min(1.3 + _HEIGHT * max(len(names), 1), _TALLEST)
        figure = new_figure(figsize or (1.0 + _HEIGHT * plot_width_factor, height))
    rows = max(len(names), 1)
    strips = figure.subplots(rows, 1, sharex=True, sharey=share_y, squeeze=False)
    axes: list[Axes] = list(strips.ravel())
    behind = (background_plot, background_height_factor)
    look = {"facecolor": background_color, "alpha": background_alpha}
    look |= {"edgecolor": background_edgecolor, **(background_kwargs or {})}
    for code, (ax, name) in enumerate(zip(axes, names, strict=False)):
        members = (labels.cat.codes == code).to_numpy()
        _draw_strip(ax, changes, members, point_size, own | further)
        if show_thresholds:
            draw_thresholds(ax, changes.limits)
        _draw_behind(ax, changes.points[members, 0], behind, look)
        _label_strip(ax, name, int(members.sum()), n_y_ticks)
        set_ticks(ax, n_x_ticks, n_y_ticks or None, grid=grid, grid_kwargs=grid_kwargs)
    _finish(axes, changes, xlabel)
    figure.supylabel(ylabel or changes.what, fontsize="medium")
    if title:
        figure.suptitle(title)
    if show_legend and (show_colorbar or isinstance(changes.colors, Categories)):
        style = given_options(
            fontsize=legend_fontsize, title_fontsize=legend_title_fontsize, ncols=legend_ncol
        )
        what = shortened(changes.colors.title) if color else None
        _explain(figure, axes, changes, legend_loc, {"title": what, **style})
    return finished(axes, figure, save, return_fig)


def _draw_strip(
    ax: Axes,
    changes: CellChanges,
    members: NDArray[np.bool_],
    area: float,
    options: Mapping[str, Any],
) -> None:
    """The cells of a group."""
    draw_colored(ax, changes.points, changes.colors, members, area, None, options)
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0.5)


def _draw_behind(
    ax: Axes,
    lfc: NDArray[np.float64],
    behind: tuple[str | None, float],
    look: Mapping[str, Any],
) -> None:
    """How the fold changes of a group are distributed, behind its cells."""
    kind, height = behind
    lfc = lfc[np.isfinite(lfc)]
    if kind is None or len(lfc) < 3 or np.ptp(lfc) == 0:
        return
    twin = ax.twinx()
    twin.set_zorder(ax.get_zorder() - 1)
    ax.patch.set_visible(False)
    counts, edges = np.histogram(lfc, bins=40 if kind == "hist" else 400)
    if kind == "hist":
        twin.stairs(counts, edges, fill=True, **look)
    else:
        width = np.std(lfc) * len(lfc) ** -0.2 / (edges[1] - edges[0])  # Scott's rule, in bins
        kernel = np.exp(-0.5 * (np.arange(-399, 400) / width) ** 2)
        counts = np.convolve(counts, kernel / kernel.sum(), mode="full")[399:-399]
        twin.fill_between((edges[:-1] + edges[1:]) / 2, counts, **look)
    top = counts.max()
    twin.set_ylim(0, top / height)
    twin.set_axis_off()


def _label_strip(ax: Axes, name: str, n_cells: int, n_ticks: int) -> None:
    """The group and its number of cells, to the right of its strip."""
    ax.text(
        *(1.01, 0.5, f"{shortened(name)}\n{n_cells} cells"),
        transform=ax.transAxes,
        va="center",
        fontsize="small",
    )
    ax.spines[["top", "right"]].set_visible(False)
    if not n_ticks:
        ax.set_yticks([])


def _finish(axes: Sequence[Axes], changes: CellChanges, xlabel: str | None) -> None:
    """Limits and texts of the common axis; why there is nothing, if no cell can be drawn."""
    heights = changes.points[:, 1]
    if np.isfinite(heights).any() and np.nanmin(heights) >= 0:
        for ax in axes:
            ax.set_ylim(bottom=-0.05 * ax.get_ylim()[1])  # whole points at zero
    pair = between(changes.run.condition1, changes.run.condition2)
    axes[-1].set_xlabel(xlabel or f"log fold change of abundance, {pair}")
    if not np.isfinite(changes.points).all(axis=1).any():
        say_on(axes[len(axes) // 2], "no cell has both a fold change and a tail probability")


def _explain(
    figure: Figure | SubFigure,
    axes: Sequence[Axes],
    changes: CellChanges,
    place: str | None,
    style: Mapping[str, Any],
) -> None:
    """A legend or a colour bar below the strips."""
    if place is None:
        return
    colors = changes.colors
    if isinstance(colors, Categories):
        handles = legend_handles(colors)
        loc = "outside lower center" if place == "bottom" else place
        own = {"loc": loc, "ncols": min(6, max(len(handles), 1)), "frameon": False}
        figure.legend(handles=handles, **{**own, "fontsize": "small", **style})
        return
    points: Any = axes[0].collections[0]
    bar = figure.colorbar(points, ax=list(axes), shrink=0.5, aspect=25, pad=0.02, location="bottom")
    bar.set_label(shortened(colors.title))
    bar.outline.set_visible(False)
