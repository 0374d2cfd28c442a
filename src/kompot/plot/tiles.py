"""Tiles and dots of a heatmap, and the order of its rows and columns."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.lines import Line2D
from matplotlib.path import Path
from numpy.typing import NDArray

from kompot.plot.words import shortened

__all__ = ["cluster", "draw_dendrogram", "draw_tiles", "explain_halves"]

Array = NDArray[np.float64]

_ARC = np.linspace(np.pi / 2, 3 * np.pi / 2, 25)
_SHAPES = {
    "tile": np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]]),
    "upper left": np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, -0.5]]),
    "lower right": np.array([[0.5, 0.5], [-0.5, 0.5], [0.5, -0.5]]),
    "left": 0.48 * np.column_stack([np.cos(_ARC), np.sin(_ARC)]),
    "right": 0.48 * np.column_stack([-np.cos(_ARC), np.sin(_ARC)]),
}


def draw_tiles(  # noqa: PLR0917
    ax: Axes,
    values: Array,
    shape: str,
    cmap: Colormap,
    norm: Normalize,
    sizes: Array | None = None,
) -> PolyCollection:
    """Draw a value in each row and column.

    Parameters
    ----------
    ax
        Where to draw; rows count downwards.
    values
        ``(n_rows, n_columns)``; NaN has the colour for bad values.
    shape
        ``"tile"``, its halves ``"upper left"`` and ``"lower right"``, or the halves ``"left"`` and
        ``"right"`` of a dot.
    cmap, norm
        Colours.
    sizes
        Areas relative to the largest, ``(n_rows, n_columns)``; None for full size.
    """
    rows, columns = np.indices(values.shape)
    centers = np.column_stack([columns.ravel(), rows.ravel()]).astype(float)
    scale = np.ones(values.size) if sizes is None else np.sqrt(np.clip(sizes.ravel(), 0, 1))
    vertices = centers[:, None] + scale[:, None, None] * _SHAPES[shape]
    tiles = PolyCollection(list(vertices), cmap=cmap, norm=norm, linewidths=0)
    tiles.set_array(np.ma.masked_invalid(values.ravel()))
    ax.add_collection(tiles)
    return tiles


def _half_handles(names: Sequence[str], *, is_dot: bool) -> list[Line2D]:
    """What the halves of tiles or dots are, for a legend."""
    places = ("left", "right") if is_dot else ("upper left", "lower right")
    handles = []
    for name, place in zip(names, places, strict=True):
        outline = np.vstack([_SHAPES[place] * [1, -1], _SHAPES[place][:1] * [1, -1]])
        handles.append(
            Line2D(
                *([], []),
                marker=Path(outline),
                linestyle="",
                color="0.35",
                markersize=9,
                label=f"{name} ({place})",
            )
        )
    return handles


def explain_halves(ax: Axes, names: Sequence[str], most_cells: float | None) -> None:
    """Say which half is which condition, and how many cells the largest dots are."""
    handles = _half_handles([shortened(one, 24) for one in names], is_dot=most_cells is not None)
    if most_cells is not None:
        text = f"{most_cells:.0f} cells (by area)"
        handles.append(Line2D([], [], marker="o", ls="", color="0.35", markersize=9, label=text))
    ax.legend(
        handles=handles,
        loc="lower right",
        bbox_to_anchor=(0, 1),
        frameon=False,
        fontsize="small",
        handletextpad=0.1,
    )


def cluster(values: Array) -> tuple[NDArray[np.intp], Array | None]:
    """Order rows so that similar ones are neighbours, by average linkage.

    Parameters
    ----------
    values
        ``(n_rows, n_columns)``; missing ones count as the mean of their column.

    Returns
    -------
    The order and, if there are at least two rows, their linkage.
    """
    if len(values) < 2:
        return np.arange(len(values)), None
    from scipy.cluster import hierarchy

    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0.0).sum(axis=0) / counts
    linkage = hierarchy.linkage(
        np.where(known, values, mean), method="average", optimal_ordering=len(values) <= 500
    )
    return hierarchy.leaves_list(linkage), linkage


def draw_dendrogram(ax: Axes, linkage: Array, color: str, *, is_vertical: bool) -> Axes:
    """Draw a tree beside the rows, or above the columns, of a heatmap.

    Parameters
    ----------
    ax
        The heatmap.
    linkage
        Of its rows or columns.
    color
        Colour of the lines.
    is_vertical
        Whether the tree is that of the rows.
    """
    from scipy.cluster import hierarchy

    tree = hierarchy.dendrogram(linkage, no_plot=True)
    # Leaves of scipy's trees stand at 5, 15, 25, ...
    places = (np.array(tree["icoord"]) - 5) / 10
    heights = np.array(tree["dcoord"])
    top = 1.04 * heights.max() or 1  # above the line of the last joint
    if is_vertical:
        side = ax.inset_axes((1.01, 0, 0.1, 1))
        side.set(ylim=ax.get_ylim(), xlim=(0, top))
        lines = zip(heights, places, strict=True)
    else:
        side = ax.inset_axes((0, 1.01, 1, 0.1))
        side.set(xlim=ax.get_xlim(), ylim=(0, top))
        lines = zip(places, heights, strict=True)
    for x, y in lines:
        side.plot(x, y, color=color, linewidth=0.8)
    side.set_axis_off()
    return side
