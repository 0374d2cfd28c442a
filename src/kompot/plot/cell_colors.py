"""What the colours of cells mean: categories or numbers, and how they are drawn and explained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize, TwoSlopeNorm, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from kompot.plot.cells import group_labels
from kompot.plot.colors import KOMPOT_COLORS, category_colors
from kompot.plot.labels import label_points
from kompot.plot.stored_runs import gene_layer
from kompot.plot.words import shortened

__all__ = [
    "Categories",
    "Scale",
    "Values",
    "draw_colored",
    "explain_colors",
    "legend_columns",
    "legend_handles",
    "read_colors",
    "scaled_values",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NAME_SIZE = 9.0
_LEGEND_ROWS = 18
_SIGNED = ("lfc", "lfc_zscore", "zscore", "lfc_zscore_sample_var", "fold_change")


@dataclass(frozen=True)
class Categories:
    """Colours by category.

    Attributes
    ----------
    title
        What the categories are.
    codes
        Number of each cell's category, ``(n_cells,)``; -1 for none.
    names, colors
        Of the categories.
    is_layered
        Draw later categories over earlier ones, instead of mixing them.
    """

    title: str
    codes: NDArray[Any]
    names: list[str]
    colors: list[str]
    is_layered: bool = False


@dataclass(frozen=True)
class Values:
    """Colours by number.

    Attributes
    ----------
    title
        What the numbers are.
    values
        ``(n_cells,)``, NaN for none.
    cmap
        Name of the colour map.
    norm
        From numbers to places in the colour map.
    """

    title: str
    values: Array
    cmap: str
    norm: Normalize


@dataclass(frozen=True)
class Scale:
    """How numbers become colours.

    Parameters
    ----------
    cmap
        Colour map; None for red and blue around zero for changes, else viridis.
    vmin, vmax
        Ends; None leaves out the most extreme value in 200.
    vcenter
        Value in the middle of the colour map; None for zero for changes, else none.
    """

    cmap: str | None = None
    vmin: float | None = None
    vmax: float | None = None
    vcenter: float | None = None


def read_colors(
    adata: AnnData,
    name: str,
    *,
    layer: str | None = None,
    palette: Mapping[str, str] | Sequence[str] | None = None,
    scale: Scale | None = None,
) -> Categories | Values:
    """Colours of the cells by a column of ``obs`` or a gene.

    Raises
    ------
    ValueError
        If there is neither a column nor a gene of that name.
    """
    if name in adata.obs:
        known = adata.obs[name]
        is_bool = pd.api.types.is_bool_dtype(known)
        if pd.api.types.is_numeric_dtype(known) and not is_bool:
            return scaled_values(name, known.to_numpy(np.float64, na_value=np.nan), scale)
        labels = group_labels(adata, name)
        names = list(labels.cat.categories)
        colors = category_colors(adata, name, names, palette)
        return Categories(name, labels.cat.codes.to_numpy(), names, colors)
    if name not in adata.var_names:
        msg = f"{name!r} is neither a column of adata.obs nor a gene of adata.var_names."
        raise ValueError(msg)
    title = name if layer is None else f"{name}\n{layer}"
    signed = layer is not None and layer.endswith(_SIGNED)
    return scaled_values(title, gene_layer(adata, name, layer), scale, is_signed=signed)


def draw_colored(  # noqa: PLR0917
    ax: Axes,
    xy: Array,
    colors: Categories | Values,
    members: Mask,
    area: float,
    background: str | None = KOMPOT_COLORS["missing"],
    options: Mapping[str, Any] | None = None,
) -> PathCollection:
    """Draw cells in their colours over those that have none.

    The largest absolute numbers lie on top; categories are mixed, so that none hides another,
    unless they are layers.

    Parameters
    ----------
    ax
        Where to draw.
    xy
        Positions, ``(n_cells, 2)``.
    colors
        Colours of all cells.
    members
        Which cells to draw in colour.
    area
        Area of a point in (1/72 inch)^2.
    background
        Colour of the other cells; None to leave them out.
    options
        Further arguments of ``Axes.scatter``.
    """
    options = {"s": area, "linewidth": 0, "rasterized": True, **(options or {})}
    placed = np.isfinite(xy).all(axis=1)
    if isinstance(colors, Categories):
        known = np.flatnonzero(members & placed & (colors.codes >= 0))
        order = np.random.default_rng(0).permutation(known)
        if colors.is_layered:
            order = order[np.argsort(colors.codes[order], kind="stable")]
        rgba = to_rgba_array(colors.colors)[colors.codes[order]]
        shades: dict[str, Any] = {"c": rgba if len(rgba) else None}
    else:
        known = np.flatnonzero(members & placed & np.isfinite(colors.values))
        order = known[np.argsort(np.abs(colors.values[known]), kind="stable")]
        shades = {"c": colors.values[order], "cmap": colors.cmap, "norm": colors.norm}
    if background is not None:
        rest: Mask = np.array(placed)
        rest[known] = False
        below = {"c": background, "zorder": options.get("zorder", 1) - 0.1}
        ax.scatter(*xy[rest].T, **{**options, **below})
    return ax.scatter(*xy[order].T, **{**options, **shades})


def explain_colors(
    ax: Axes,
    colors: Categories | Values,
    points: PathCollection,
    *,
    legend_loc: str | None = "right margin",
    xy: Array | None = None,
    members: Mask | None = None,
    title: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write what the colours mean: a colour bar, a legend, or names on the cells.

    Parameters
    ----------
    ax
        Where the cells are.
    colors
        Their colours.
    points
        What :func:`draw_colored` returned.
    legend_loc
        ``"right margin"``, ``"on data"``, a place inside as matplotlib names it, or None.
    xy, members
        Positions and choice of the cells, for names on them.
    title
        What the colours are about; None where it is clear.
    options
        Further arguments of the legend.
    """
    if legend_loc is None:
        return
    if isinstance(colors, Values):
        # Of the Axes itself, so that it stays beside it where another panel has a wide legend.
        bar = ax.figure.colorbar(points, cax=ax.inset_axes((1.02, 0.2, 0.024, 0.6)))
        bar.outline.set_visible(False)
        bar.set_label(title or "")
        return
    if legend_loc == "on data" and xy is not None:
        chosen = members if members is not None else np.ones(len(xy), dtype=bool)
        _write_names(ax, colors, xy, chosen)
        return
    style: dict[str, Any] = {"loc": legend_loc}
    if legend_loc == "right margin":
        style = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    style |= {"frameon": False, "fontsize": "small", "handletextpad": 0.2, "title": title}
    style |= {"ncols": legend_columns(colors), **(options or {})}
    ax.legend(handles=legend_handles(colors), **style)


def legend_columns(colors: Any) -> int:
    """Columns of the legend of categories; 0 for numbers, which have a colour bar."""
    return -(-len(colors.names) // _LEGEND_ROWS) if isinstance(colors, Categories) else 0


def legend_handles(colors: Categories) -> list[Line2D]:
    """A dot with its name for each category; the more there are, the shorter the names."""
    longest = 36 // max(legend_columns(colors), 1)
    return [
        Line2D([], [], marker="o", linestyle="", color=color, label=shortened(name, longest))
        for name, color in zip(colors.names, colors.colors, strict=True)
    ]


def scaled_values(
    title: str, values: Array, scale: Scale | None = None, *, is_signed: bool | None = None
) -> Values:
    """Numbers with the colours that suit them.

    Parameters
    ----------
    title
        What the numbers are.
    values
        The numbers, NaN for none.
    scale
        How they become colours.
    is_signed
        Whether zero is the middle; None to tell from the title.
    """
    scale = scale or Scale()
    signed = title.endswith(_SIGNED) if is_signed is None else is_signed
    center = 0.0 if signed and scale.vcenter is None else scale.vcenter
    cmap = scale.cmap or ("viridis" if center is None else "RdBu_r")
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.005, 0.995]) if len(finite) else (0.0, 1.0)
    if center is None:
        low = float(finite.min()) if len(finite) else 0.0
        high = high if high > low else low + 1
        ends = (low, high)
    else:
        reach = max(abs(low - center), abs(high - center)) or 1.0
        ends = (center - reach, center + reach)
    low = ends[0] if scale.vmin is None else scale.vmin
    high = ends[1] if scale.vmax is None else scale.vmax
    if center is not None and low < center < high:
        return Values(title, values, cmap, TwoSlopeNorm(center, low, high))
    return Values(title, values, cmap, Normalize(low, high))


def _write_names(ax: Axes, colors: Categories, xy: Array, members: Mask) -> None:
    """Write each category where most of its cells are."""
    names, places = [], []
    for code, name in enumerate(colors.names):
        here = xy[members & (colors.codes == code)]
        here = here[np.isfinite(here).all(axis=1)]
        if len(here):
            names.append(name)
            places.append(_densest(here))
    notes = label_points(ax, names, np.reshape(places, (-1, 2)), np.empty((0, 2)), _NAME_SIZE)
    for note in notes:
        note.set(fontweight="bold", path_effects=[withStroke(linewidth=2, foreground="white")])


def _densest(xy: Array) -> Array:
    """The point in the middle of the fullest of 15 x 15 fields and those around it."""
    spread = np.ptp(xy, axis=0)
    fields = np.floor(14.999 * (xy - xy.min(axis=0)) / np.where(spread > 0, spread, 1)).astype(int)
    counts = np.zeros((17, 17))
    for row in range(3):
        for column in range(3):
            np.add.at(counts, (fields[:, 0] + row, fields[:, 1] + column), 1)
    best = np.array(np.unravel_index(np.argmax(counts), counts.shape)) - 1
    near = xy[(np.abs(fields - best) <= 1).all(axis=1)]
    return near[np.argmin(np.linalg.norm(near - np.median(near, axis=0), axis=1))]
