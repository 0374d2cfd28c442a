"""Differential abundance of groups of cells, a strip for each group."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from kompot.plot.abundance_volcano import CellChanges, draw_thresholds, read_changes
from kompot.plot.canvas import finished, new_figure, say_on
from kompot.plot.cell_colors import Categories, Scale, draw_colored, legend_handles
from kompot.plot.cells import group_labels
from kompot.plot.stored_abundance import read_abundance_run
from kompot.plot.words import between, shortened

__all__ = ["multi_volcano_da"]

_TALLEST = 30.0


def multi_volcano_da(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str,
    lfc_key: str | None = None,
    ptp_key: str | None = None,
    log_transform_ptp: bool = True,
    lfc_threshold: float | None = None,
    ptp_threshold: float | None = None,
    color: str | None = None,
    *,
    figsize: tuple[float, float] | None = None,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    n_x_ticks: int | None = None,
    n_y_ticks: int = 0,
    show_legend: bool = True,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    cmap: str | None = None,
    vcenter: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    alpha_background: float = 1.0,
    point_size: float = 4.0,
    share_y: bool = True,
    show_thresholds: bool = False,
    background_plot: str | None = None,
    background_alpha: float = 0.5,
    background_color: str = "#E6E6E6",
    background_edgecolor: str = "#808080",
    background_height_factor: float = 0.6,
    direction_column: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    figure: Figure | SubFigure | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
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
    figsize
        Width and height in inches of a new figure; None to suit the number of groups.
    title, xlabel, ylabel
        Texts; None for no title, the compared conditions, and the tail probability.
    n_x_ticks, n_y_ticks
        Largest numbers of ticks; by default as many as are easy to read, and none upwards.
    show_legend
        Explain the colours below the strips.
    palette
        Colours of categories, by name or in order.
    cmap, vcenter, vmin, vmax
        How numbers become colours.
    alpha_background
        Opacity of the cells, 0 to 1.
    point_size
        Area of a point in (1/72 inch)^2.
    share_y
        The same height for the same tail probability in all strips.
    show_thresholds
        Draw lines at the thresholds.
    background_plot
        ``"kde"`` or ``"hist"`` shows behind each strip how its fold changes are distributed; None
        shows nothing.
    background_alpha, background_color, background_edgecolor, background_height_factor
        How it looks, and its height as a share of the strip's.
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

    Returns
    -------
    The Axes of the strips, from the top; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run or a column does not exist, or ``background_plot`` is unknown.
    """
    if background_plot not in (None, "kde", "hist"):
        msg = f"'background_plot' must be None, 'kde' or 'hist', got {background_plot!r}."
        raise ValueError(msg)
    run = read_abundance_run(
        *(adata, run_id, condition1, condition2), is_needed=lfc_key is None or ptp_key is None
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
    labels = group_labels(adata, groupby)
    names = list(labels.cat.categories)
    if figure is None:
        height = min(1.3 + 0.75 * max(len(names), 1), _TALLEST)
        figure = new_figure(figsize or (8.5, height))
    grid = figure.subplots(max(len(names), 1), 1, sharex=True, sharey=share_y, squeeze=False)
    axes: list[Axes] = list(grid.ravel())
    behind = (background_plot, background_height_factor)
    look = {"color": background_color, "alpha": background_alpha, "ec": background_edgecolor}
    for code, (ax, name) in enumerate(zip(axes, names, strict=False)):
        members = (labels.cat.codes == code).to_numpy()
        _draw_strip(ax, changes, members, point_size, alpha_background)
        if show_thresholds:
            draw_thresholds(ax, changes.limits)
        _draw_behind(ax, changes.points[members, 0], behind, look)
        _label_strip(ax, name, int(members.sum()), n_y_ticks)
    _finish(axes, changes, xlabel, n_x_ticks)
    if not np.isfinite(changes.points).all(axis=1).any():
        say_on(axes[len(axes) // 2], "no cell has both a fold change and a tail probability")
    figure.supylabel(ylabel or f"-log10 {changes.what}", fontsize="medium")
    if title:
        figure.suptitle(title)
    if show_legend:
        _explain(figure, axes, changes)
    return finished(axes, figure, save, return_fig)


def _draw_strip(
    ax: Axes, changes: CellChanges, members: NDArray[np.bool_], area: float, alpha: float
) -> None:
    """The cells of a group."""
    draw_colored(ax, changes.points, changes.colors, members, area, None, {"alpha": alpha})
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
    options = {"facecolor": look["color"], "alpha": look["alpha"], "edgecolor": look["ec"]}
    counts, edges = np.histogram(lfc, bins=40 if kind == "hist" else 400)
    if kind == "hist":
        twin.stairs(counts, edges, fill=True, **options)
    else:
        width = np.std(lfc) * len(lfc) ** -0.2 / (edges[1] - edges[0])  # Scott's rule, in bins
        kernel = np.exp(-0.5 * (np.arange(-399, 400) / width) ** 2)
        counts = np.convolve(counts, kernel / kernel.sum(), mode="full")[399:-399]
        twin.fill_between((edges[:-1] + edges[1:]) / 2, counts, **options)
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
    if n_ticks:
        ax.yaxis.set_major_locator(MaxNLocator(n_ticks))
    else:
        ax.set_yticks([])


def _finish(
    axes: Sequence[Axes], changes: CellChanges, xlabel: str | None, n_ticks: int | None
) -> None:
    """Limits and texts of the common axis."""
    heights = changes.points[:, 1]
    if np.isfinite(heights).any() and np.nanmin(heights) >= 0:
        for ax in axes:
            ax.set_ylim(bottom=0)
    pair = between(changes.run.condition1, changes.run.condition2)
    axes[-1].set_xlabel(xlabel or f"log fold change of abundance, {pair}")
    if n_ticks is not None:
        axes[-1].xaxis.set_major_locator(MaxNLocator(max(n_ticks, 1)))


def _explain(figure: Figure | SubFigure, axes: Sequence[Axes], changes: CellChanges) -> None:
    """A legend below the strips, or a colour bar beside them."""
    colors = changes.colors
    if isinstance(colors, Categories):
        handles = legend_handles(colors)
        figure.legend(
            handles=handles,
            loc="outside lower center",
            ncols=min(6, max(len(handles), 1)),
            frameon=False,
            fontsize="small",
        )
        return
    points: Any = axes[0].collections[0]
    bar = figure.colorbar(points, ax=list(axes), shrink=0.5, aspect=25, pad=0.02, location="bottom")
    bar.set_label(shortened(colors.title))
    bar.outline.set_visible(False)
