"""Cells on an embedding, in the colours of a column or a gene."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from kompot.plot.arguments import scatter_options
from kompot.plot.canvas import finished, new_axes, new_figure
from kompot.plot.cell_colors import (
    Categories,
    Scale,
    draw_colored,
    explain_colors,
    legend_columns,
    read_colors,
)
from kompot.plot.cells import cell_mask, embedding_positions, listed, obs_column, point_area
from kompot.plot.words import shortened

__all__ = ["embedding"]


def embedding(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    basis: str = "X_umap",
    groups: Any = None,
    background_color: str | None = "lightgrey",
    matplotlib_scatter_kwargs: Mapping[str, Any] | None = None,
    mgroups: Any = None,
    ncols: int | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
    *,
    color: str | Sequence[str] | None = None,
    layer: str | None = None,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    cmap: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    vcenter: float | None = None,
    size: float | None = None,
    title: str | None = None,
    legend_loc: str | None = "right margin",
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
    **kwargs: Any,
) -> Axes | list[Axes] | Figure:
    """Draw cells on an embedding, those that are not meant in the background.

    Parameters
    ----------
    adata
        The data; not changed.
    basis
        Key of ``adata.obsm``, of which the first two columns are drawn; ``X_`` may be left out.
    groups
        Which cells to draw in colour: values by column of ``obs`` (all must hold), a list of such
        mappings (one must hold), values of the column ``color``, or a truth value for each cell.
        None for all.
    background_color
        Colour of the other cells; None to leave them out.
    matplotlib_scatter_kwargs
        Further arguments of ``Axes.scatter``; the same as ``**kwargs``.
    mgroups
        Several such choices, a panel for each: by title, or in a list; or the name of a column of
        ``obs``, for a panel for each of its values.
    ncols
        Panels in a row; None for up to four.
    save
        Where to save the figure; None does not.
    return_fig
        Return the figure instead of the Axes.
    color
        Column of ``adata.obs``, or gene; several for a panel each. None for one colour.
    layer
        Layer for genes; None for ``X``.
    palette
        Colours of categories, by name or in order; None for those in ``adata.uns`` or ten that
        colour-blind eyes tell apart.
    cmap, vmin, vmax, vcenter
        Colours of numbers; None for red and blue around zero for changes, else viridis.
    size
        Area of a point in (1/72 inch)^2; None to suit the number of cells.
    title
        None for the name of the column, gene or choice.
    legend_loc
        ``"right margin"``, ``"on data"``, a place as matplotlib names it, or None for no
        explanation of the colours.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    ax
        Where to draw a single panel; a new figure if None.
    **kwargs
        Further arguments of ``Axes.scatter``: ``marker``, ``edgecolor``, ``zorder``, ...

    Returns
    -------
    The Axes, several in a list; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the embedding, a column, a gene or a value does not exist, or several panels are to be
        drawn in one Axes.
    TypeError
        If a further argument is none of ``Axes.scatter``.
    """
    further = scatter_options(embedding, {**(matplotlib_scatter_kwargs or {}), **kwargs})
    xy, key = embedding_positions(adata, basis)
    name = shortened(key)
    names: list[str | None] = [color] if isinstance(color, str) or color is None else list(color)
    choices = _choices(adata, groups, mgroups)
    panels = [(one, text, choice) for one in names for text, choice in choices]
    scale = Scale(cmap, vmin, vmax, vcenter)
    colors_of = {one: _colors(adata, one, layer, palette, scale) for one in names}
    wide = max(legend_columns(colors) for colors in colors_of.values())
    axes = _axes(ax, len(panels), ncols, figsize, wide)
    for panel, (one, text, choice) in zip(axes, panels, strict=True):
        members = cell_mask(adata, choice, one)
        colors = colors_of[one]
        area = size if size is not None else point_area(panel, len(xy))
        points = draw_colored(panel, xy, colors, members, area, background_color, further)
        if one is not None:
            explain_colors(panel, colors, points, legend_loc=legend_loc, xy=xy, members=members)
        panel.set(xticks=[], yticks=[], xlabel=f"{name} 1", ylabel=f"{name} 2")
        panel.spines[["top", "right"]].set_visible(False)
        known = [one if len(names) > 1 or text is None else None, text]
        described = shortened(", ".join(part for part in known if part), 60)
        panel.set_title(described if title is None else title)
    return finished(axes[0] if len(axes) == 1 else axes, axes[0].figure, save, return_fig)


def _choices(adata: AnnData, groups: Any, mgroups: Any) -> list[tuple[str | None, Any]]:
    """Titles of panels and the cells that they are about."""
    if mgroups is None:
        return [(None, groups)]
    if isinstance(mgroups, str):
        values = obs_column(adata, mgroups).dropna().unique()
        return [(f"{value}", {mgroups: [value]}) for value in sorted(values, key=str)]
    if isinstance(mgroups, Mapping):
        is_filter = all(name in adata.obs for name in mgroups)
        if is_filter and not any(isinstance(one, Mapping) for one in mgroups.values()):
            return [
                (f"{value}", {name: [value]})
                for name, values in mgroups.items()
                for value in listed(values)
            ]
        return [(str(text), choice) for text, choice in mgroups.items()]
    return [(_described(choice), choice) for choice in mgroups]


def _described(choice: Any) -> str | None:
    """A choice of cells in a few words."""
    if isinstance(choice, Mapping):
        parts = [
            one if isinstance(one, str) else ", ".join(map(str, np.atleast_1d(one)))
            for one in choice.values()
        ]
        return "; ".join(parts)
    return choice if isinstance(choice, str) else None


def _axes(
    ax: Axes | None,
    n_panels: int,
    ncols: int | None,
    figsize: tuple[float, float] | None,
    n_legend: int,
) -> list[Axes]:
    """Axes of the panels, wider for legends of several columns."""
    if ax is not None:
        if n_panels != 1:
            msg = f"{n_panels} panels cannot be drawn in one Axes; leave out `ax`."
            raise ValueError(msg)
        return [ax]
    if n_panels == 1:
        return [new_axes(figsize or (7, 5.5))]
    columns = min(ncols or 4, n_panels)
    rows = -(-n_panels // columns)
    width = 4.2 + 1.25 * max(n_legend - 1, 0)
    figure = new_figure(figsize or (width * columns, 3.5 * rows))
    figure.set_layout_engine("constrained", w_pad=0.1)  # inches, between a legend and a panel
    grid = np.asarray(figure.subplots(rows, columns)).ravel()
    for unused in grid[n_panels:]:
        unused.remove()
    return list(grid[:n_panels])


def _colors(
    adata: AnnData,
    name: str | None,
    layer: str | None,
    palette: Mapping[str, str] | Sequence[str] | None,
    scale: Scale,
) -> Any:
    """Colours by a column or gene, or one colour."""
    if name is not None:
        return read_colors(adata, name, layer=layer, palette=palette, scale=scale)
    return Categories("", np.zeros(adata.n_obs, dtype=int), [""], ["#4c4c4c"])
