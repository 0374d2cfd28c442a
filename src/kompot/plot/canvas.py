"""Figures and Axes to draw in, and what becomes of them."""

from collections.abc import Mapping
from os import PathLike
from typing import Any, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

__all__ = ["current_axes", "finished", "new_axes", "new_figure", "say_on", "set_ticks"]

T = TypeVar("T")

# Text stays text that can be searched and edited.
_VECTOR_TEXT: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42}


def current_axes() -> Axes:
    """The Axes that a notebook draws in."""
    import matplotlib.pyplot as plt

    return plt.gca()


def new_figure(figsize: tuple[float, float]) -> Figure:
    """A figure that a notebook shows."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figsize, layout="constrained")


def new_axes(figsize: tuple[float, float]) -> Axes:
    """Axes in a figure of their own, which a notebook shows."""
    return new_figure(figsize).subplots()


def finished(
    shown: T,
    figure: Figure | SubFigure,
    save: str | PathLike[str] | None,
    return_fig: bool,
) -> T | Figure:
    """Save a figure if a path is given; return what was drawn, or the figure if that is wanted.

    Parameters
    ----------
    shown
        The Axes, or the object that holds them.
    figure
        The figure that they are in.
    save
        Where to save; the ending is the format.
    return_fig
        Return the figure itself.
    """
    whole: Any = figure
    while isinstance(whole, SubFigure):
        whole = whole.figure
    if save is not None:
        with mpl.rc_context(_VECTOR_TEXT):
            whole.savefig(save, dpi=200, bbox_inches="tight")
    return whole if return_fig else shown


def set_ticks(
    ax: Axes,
    n_x_ticks: int | None,
    n_y_ticks: int | None,
    *,
    grid: bool,
    grid_kwargs: Mapping[str, Any] | None = None,
) -> None:
    """Largest numbers of ticks, if they are given, and thin lines at the ticks, if wanted."""
    for axis, number in ((ax.xaxis, n_x_ticks), (ax.yaxis, n_y_ticks)):
        if number is not None:
            axis.set_major_locator(MaxNLocator(max(number, 1)))
    if grid:
        ax.grid(**{"color": "0.92", "linewidth": 0.6, **(grid_kwargs or {})})
        ax.set_axisbelow(True)


def say_on(ax: Axes, text: str) -> None:
    """Say in the middle of empty Axes why there is nothing."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.text(
        *(0.5, 0.5, text),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color="0.35",
        wrap=True,
    )
