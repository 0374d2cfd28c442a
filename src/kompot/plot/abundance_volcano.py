"""Volcano plots of differential abundance: each cell by fold change and tail probability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kompot.plot.arguments import given_options, refuse_argument, scatter_options
from kompot.plot.canvas import finished, new_axes, say_on, set_ticks
from kompot.plot.cell_colors import (
    Categories,
    Scale,
    Values,
    draw_colored,
    explain_colors,
    read_colors,
)
from kompot.plot.cells import cell_mask
from kompot.plot.stored_abundance import AbundanceRun, cell_column, read_abundance_run
from kompot.plot.words import between, shortened
from kompot.records.direction_thresholds import thresholds_of

__all__ = [
    "UPDATE_DIRECTION",
    "CellChanges",
    "draw_thresholds",
    "highlighted",
    "read_changes",
    "volcano_da",
]

Array = NDArray[np.float64]

UPDATE_DIRECTION = "a plot changes no data; call kompot.update_direction_column(adata, ...) before."
"""Why plots refuse to update directions."""


@dataclass(frozen=True)
class CellChanges:
    """How the abundance of each cell's state changes, and the colours to draw it in.

    Attributes
    ----------
    points
        Log fold change and what is drawn upwards, ``(n_cells, 2)``.
    colors
        Colours of the cells.
    run
        The run.
    limits
        Places along both axes beyond which a change counts; None for none.
    what
        What is drawn upwards, in words.
    """

    points: Array
    colors: Categories | Values
    run: AbundanceRun
    limits: tuple[float | None, float | None]
    what: str = "-log10 tail probability"


def volcano_da(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    lfc_key: str | None = None,
    ptp_key: str | None = None,
    group_key: str | None = None,
    log_transform_ptp: bool = True,
    lfc_threshold: float | None = None,
    ptp_threshold: float | None = None,
    color: str | None = None,
    alpha_background: float = 1.0,
    highlight_subset: Any = None,
    highlight_color: str = "#d73027",
    *,
    figsize: tuple[float, float] = (10, 8),
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    n_x_ticks: int | None = None,
    n_y_ticks: int | None = None,
    legend_loc: str | None = "right margin",
    legend_fontsize: float | str | None = None,
    legend_title_fontsize: float | str | None = None,
    show_legend: bool = True,
    grid: bool = False,
    grid_kwargs: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    legend_ncol: int | None = None,
    update_direction: bool = False,
    direction_column: str | None = None,
    show_thresholds: bool = True,
    show_colorbar: bool = True,
    cmap: str | None = None,
    vcenter: float | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    point_size: float = 6.0,
    **kwargs: Any,
) -> Axes | Figure:
    """Draw the cells of a recorded run by log fold change of abundance and tail probability.

    If the run compared samples, the change between donors and its p-value are drawn, unless columns
    are named.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_abundance`; not changed.
    lfc_key, ptp_key
        Columns of ``adata.obs``; None takes those of the run. Unless ``run_id`` is given, the run
        is the one that wrote ``lfc_key`` (or ``ptp_key`` if that is None). If none wrote it and
        both are given, no direction and no threshold is drawn.
    group_key
        Column of ``obs`` with the categories to colour cells by; the same as ``color``.
    log_transform_ptp
        Draw -log10 of the tail probability, unless it is stored so; else the probability itself.
    lfc_threshold, ptp_threshold
        Where to draw lines; None takes those of the run.
    color
        Column of ``obs``, or gene, to colour cells by; None for the direction of change.
    alpha_background
        Opacity of the cells, or of those that are not highlighted, 0 to 1.
    highlight_subset
        Cells to draw in ``highlight_color``, the others in grey: values by column of ``obs``, or a
        truth value for each cell.
    highlight_color
        Their colour.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    title, xlabel, ylabel
        Texts; None for no title, the compared conditions, and the tail probability.
    n_x_ticks, n_y_ticks
        Largest numbers of ticks; None for as many as are easy to read.
    legend_loc
        ``"right margin"``, or a place as matplotlib names it.
    legend_fontsize, legend_title_fontsize, legend_ncol
        Sizes of the legend's text and title, and its columns; None for what suits its place.
    show_legend
        Explain the colours.
    grid, grid_kwargs
        Draw thin lines at the ticks; and further arguments of ``Axes.grid``.
    ax
        Where to draw; a new figure if None.
    palette
        Colours of categories, by name or in order.
    save
        Where to save the figure; None does not.
    return_fig
        Return the figure instead of the Axes.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    update_direction
        Must be False: a plot changes nothing, :func:`kompot.update_direction_column` does.
    direction_column
        Column of ``obs`` with the direction; None for the run's.
    show_thresholds
        Draw lines at the thresholds.
    show_colorbar
        Explain colours of numbers by a colour bar.
    cmap, vcenter, vmin, vmax
        How numbers become colours.
    point_size
        Area of a point in (1/72 inch)^2.
    **kwargs
        Further arguments of ``Axes.scatter``: ``marker``, ``edgecolor``, ``zorder``, ...

    Returns
    -------
    The Axes; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run, a column or a value does not exist.
    TypeError
        If a further argument is none of ``Axes.scatter``.
    """
    refuse_argument("update_direction", update_direction, UPDATE_DIRECTION)
    further = scatter_options(volcano_da, kwargs)
    changes = read_changes(
        adata,
        (lfc_key, ptp_key, color or group_key or direction_column),
        read_abundance_run(
            adata,
            run_id,
            condition1,
            condition2,
            is_needed=lfc_key is None or ptp_key is None,
            named=lfc_key or ptp_key,
        ),
        (lfc_threshold, ptp_threshold),
        is_log=log_transform_ptp,
        palette=palette,
        scale=Scale(cmap, vmin, vmax, vcenter),
    )
    ax = new_axes(figsize) if ax is None else ax
    every = np.ones(adata.n_obs, dtype=bool)
    changes, look = highlighted(adata, changes, highlight_subset, highlight_color, alpha_background)
    options = look | further
    drawn = draw_colored(ax, changes.points, changes.colors, every, point_size, None, options)
    if show_legend and (show_colorbar or isinstance(changes.colors, Categories)):
        legend = given_options(
            fontsize=legend_fontsize, title_fontsize=legend_title_fontsize, ncols=legend_ncol
        )
        what = shortened(changes.colors.title) if color or group_key else None
        explain_colors(ax, changes.colors, drawn, legend_loc=legend_loc, title=what, options=legend)
    if show_thresholds:
        draw_thresholds(ax, changes.limits)
    if not np.isfinite(changes.points).all(axis=1).any():
        say_on(ax, "no cell has both a fold change and a tail probability")
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0.5)
    pair = between(changes.run.condition1, changes.run.condition2)
    ax.set(
        xlabel=xlabel or f"log fold change of abundance, {pair}",
        ylabel=ylabel or changes.what,
    )
    set_ticks(ax, n_x_ticks, n_y_ticks, grid=grid, grid_kwargs=grid_kwargs)
    ax.spines[["top", "right"]].set_visible(False)
    if title:
        ax.set_title(title)
    return finished(ax, ax.figure, save, return_fig)


def read_changes(
    adata: AnnData,
    keys: tuple[str | None, str | None, str | None],
    run: AbundanceRun,
    thresholds: tuple[float | None, float | None],
    *,
    is_log: bool = True,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    scale: Scale | None = None,
) -> CellChanges:
    """Changes of the cells, and their colours.

    Parameters
    ----------
    adata
        The data.
    keys
        Columns of the log fold change, of the tail probability and of the colours; None for those
        of the run.
    run
        The run.
    thresholds
        Of the log fold change and the tail probability; None for those of the directions that
        colour the cells, or else of the run.
    is_log
        Take -log10 of the tail probability, unless it is stored so.
    palette, scale
        Colours of categories, and of numbers.

    Raises
    ------
    ValueError
        If a column does not exist.
    """
    lfc_key, ptp_key, color = keys
    if (lfc_key, ptp_key) == (None, None) and run.donor_lfc and run.donor_pvalue:
        lfc_key, ptp_key = run.donor_lfc, run.donor_pvalue
    lfc = cell_column(adata, lfc_key or run.lfc, "log fold change").astype(float)
    ptp_key = ptp_key or run.ptp
    ptp = cell_column(adata, ptp_key, "tail probability").astype(float)
    is_donor_level = ptp_key is not None and ptp_key in (run.donor_pvalue, run.donor_fdr)
    if color is None:
        color = (is_donor_level and run.donor_direction) or run.direction
    if is_donor_level:  # thresholds are those of the change in these cells
        run = replace(run, lfc_threshold=None, ptp_threshold=None)
    elif (again := thresholds_of(adata, color)) is not None:
        run = replace(run, lfc_threshold=again[0], ptp_threshold=again[1])
    is_stored_log = "neg_log10" in str(ptp_key)
    if is_log and not is_stored_log:
        ptp = -np.log10(np.clip(ptp, np.nanmin(ptp[ptp > 0], initial=1.0), None))
    if color is None:
        colors: Any = Categories("", np.zeros(adata.n_obs, dtype=int), ["cells"], ["#4c4c4c"])
    else:
        colors = read_colors(adata, color, palette=palette, scale=scale)
    lfc_limit, ptp_limit = thresholds
    lfc_limit = run.lfc_threshold if lfc_limit is None else lfc_limit
    ptp_limit = run.ptp_threshold if ptp_limit is None else ptp_limit
    height = ptp_limit
    if ptp_limit is not None and (is_log or is_stored_log):
        height = -np.log10(ptp_limit)
    what = _words(run, str(ptp_key), is_log=is_log)
    return CellChanges(np.column_stack([lfc, ptp]), colors, run, (lfc_limit, height), what)


def _words(run: AbundanceRun, name: str, *, is_log: bool) -> str:
    """What a probability is called, by its meaning in the run or else by its name."""
    texts = {
        run.ptp: "tail probability",
        run.donor_pvalue: "p between donors",
        run.donor_fdr: "FDR between donors",
    }
    is_stored_log = "neg_log10" in name
    if name not in texts:
        return f"-log10 {shortened(name)}" if is_log and not is_stored_log else shortened(name)
    return f"-log10 {texts[name]}" if is_log or is_stored_log else texts[name]


def draw_thresholds(ax: Axes, limits: tuple[float | None, float | None]) -> None:
    """Dashed lines where changes begin to count."""
    style: dict[str, Any] = {"color": "0.4", "linewidth": 0.8, "linestyle": "--", "zorder": 0.5}
    lfc, height = limits
    if lfc:
        for place in (-lfc, lfc):
            ax.axvline(place, **style)
    if height is not None:
        ax.axhline(height, **style)


def highlighted(
    adata: AnnData, changes: CellChanges, subset: Any, color: str, alpha: float
) -> tuple[CellChanges, dict[str, Any]]:
    """The chosen cells in one colour over the others in grey, and options of the points.

    Parameters
    ----------
    adata
        The data.
    changes
        Changes of the cells.
    subset
        Which cells; None for none, which leaves the colours as they are.
    color
        Their colour.
    alpha
        Opacity of the other cells, or of all if none are chosen.
    """
    if subset is None:
        return changes, {"alpha": alpha}
    chosen = cell_mask(adata, subset).astype(int)
    shades = [to_hex(to_rgba("#c0c0c0", alpha), keep_alpha=True), color]
    colors = Categories("", chosen, ["other cells", "highlighted"], shades, is_layered=True)
    return replace(changes, colors=colors), {}
