"""Names beside points, placed where they cover little."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import normalize_kwargs
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Annotation, Text
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from kompot.plot.words import shortened

__all__ = ["label_points"]

Array = NDArray[np.float64]

# Places to try around a point: 16 directions, gaps in 1/72 inch.
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_GAPS = np.array([4.0, 9.0, 16.0, 23.0, 31.0, 41.0, 52.0])
_LINE = {"arrowstyle": "-", "color": "0.45", "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
_LINE_FROM = 9.0
_RADIUS = 2.0


def label_points(  # noqa: PLR0917
    ax: Axes,
    names: Sequence[str],
    points: Array,
    obstacles: Array,
    font_size: float,
    offset: tuple[float, float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Annotation]:
    """Write a name beside each point, with a thin line if it stands further away.

    Names are placed one after the other, each where it covers the fewest names and points and
    stays inside the Axes; ties go to the nearest place. Limits and size should be final.

    Parameters
    ----------
    ax
        Where to draw.
    names
        Texts.
    points
        Their points, ``(n_names, 2)``, in data coordinates.
    obstacles
        Points better not covered, ``(n_points, 2)``.
    font_size
        In 1/72 inch.
    offset
        Write every name so far from its point, in 1/72 inch, instead of looking for a place.
    options
        Further arguments of the texts.

    Returns
    -------
    The names as drawn, in order.
    """
    style = {"fontsize": font_size, **normalize_kwargs(dict(options or {}), Text)}
    font_size = FontProperties(size=style["fontsize"]).get_size_in_points()
    _lay_out(ax)
    scale = 72 / ax.figure.dpi
    inside = ax.get_window_extent().get_points().ravel() * scale
    places, covered = (ax.transData.transform(xy) * scale for xy in (points, obstacles))
    taken, notes = np.empty((0, 4)), []
    for name, point, place in zip(map(shortened, names), points, places, strict=True):
        size = _text_size(name, font_size)
        offsets, gaps = _offsets(size)
        if offset is not None:
            offsets, gaps = np.array([offset + np.copysign(size, offset) / 2]), np.zeros(1)
        boxes = np.hstack([place + offsets - size / 2, place + offsets + size / 2])
        best = int(np.argmin(_cost(boxes, gaps, taken, covered, inside)))
        taken = np.vstack([taken, boxes[best]])
        line = {"arrowprops": _LINE if gaps[best] >= _LINE_FROM else None}
        note = ax.annotate(
            name,
            (point[0], point[1]),
            (offsets[best, 0], offsets[best, 1]),
            textcoords="offset points",
            **{"horizontalalignment": "center", "verticalalignment": "center", **line, **style},
        )
        note.set_in_layout(False)
        notes.append(note)
    return notes


def _lay_out(ax: Axes) -> None:
    """Give the Axes the size that it will be drawn with."""
    if isinstance(ax.figure, Figure):
        engine = ax.figure.get_layout_engine()
        if engine is not None:
            engine.execute(ax.figure)


def _text_size(text: str, font_size: float) -> Array:
    """Width and height of a line of text with a little air, in 1/72 inch."""
    width = TextPath((0, 0), text, size=font_size).get_extents().width if text.strip() else 0
    return np.array([width + 2.0, 1.1 * font_size])


def _offsets(size: Array) -> tuple[Array, Array]:
    """Centres of a text around its point, ``(n_places, 2)``, and the gap of each."""
    gaps, angles = (grid.ravel() for grid in np.meshgrid(_GAPS, _ANGLES))
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    return directions * (gaps[:, None] + size / 2), gaps


def _cost(boxes: Array, gaps: Array, taken: Array, covered: Array, inside: Array) -> Array:
    """How bad each box is, ``(n_boxes,)``: leaving the Axes, covering names, covering points."""
    outside = np.maximum(inside[:2] - boxes[:, :2], 0) + np.maximum(boxes[:, 2:] - inside[2:], 0)
    low = np.maximum(boxes[:, None, :2], taken[:, :2])
    high = np.minimum(boxes[:, None, 2:], taken[:, 2:])
    overlap = np.prod(np.maximum(high - low, 0), axis=2).sum(axis=1)
    first, last = boxes[:, :2].min(axis=0) - _RADIUS, boxes[:, 2:].max(axis=0) + _RADIUS
    covered = covered[((first < covered) & (covered < last)).all(axis=1)]  # of many, few are near
    is_hit = (boxes[:, None, :2] - _RADIUS < covered) & (covered < boxes[:, None, 2:] + _RADIUS)
    n_hit = is_hit.all(axis=2).sum(axis=1)
    return 100 * outside.sum(axis=1) + 10 * overlap + 12 * n_hit + gaps
