"""Arguments that plots hand on to matplotlib, and those of the original that they refuse."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from inspect import signature
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cbook import normalize_kwargs
from matplotlib.collections import PathCollection

__all__ = ["given_options", "refuse_argument", "scatter_options"]

_OWN = {
    *("array", "c", "cmap", "color", "data", "facecolor", "kwargs", "label", "norm", "offsets"),
    *("paths", "self", "sizes", "vmax", "vmin", "x", "y"),
}
"""Arguments of ``Axes.scatter`` that the data decide."""


def given_options(**options: Any) -> dict[str, Any]:
    """The options that are not None, over those that a plot has by itself.

    >>> given_options(fontsize=None, ncols=2)
    {'ncols': 2}
    """
    return {name: value for name, value in options.items() if value is not None}


def scatter_options(plot: Callable[..., Any], further: Mapping[str, Any]) -> dict[str, Any]:
    """Further arguments of a plot as ``Axes.scatter`` takes them, by their full names.

    Parameters
    ----------
    plot
        The plot, for the message.
    further
        Its further arguments.

    Raises
    ------
    TypeError
        If one is no argument of ``Axes.scatter``, or one that the data decide.
    """
    options = normalize_kwargs(dict(further), PathCollection)
    known = set(signature(Axes.scatter).parameters)
    for name in options:
        if name in _OWN or not (name in known or hasattr(PathCollection, f"set_{name}")):
            near = get_close_matches(name, signature(plot).parameters, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            msg = (
                f"{plot.__name__}() got an unexpected keyword argument {name!r}.{hint} Further "
                "arguments are those of Axes.scatter, such as 'marker', 'edgecolor' and 'zorder'."
            )
            raise TypeError(msg)
    return options


def refuse_argument(name: str, value: object, reason: str) -> None:
    """Refuse an argument of the original, unless it has its default of None or False.

    Raises
    ------
    ValueError
        With the reason, which says what to do instead.
    """
    if value is not None and value is not False:
        msg = f"'{name}' must be left out, got {value!r}: {reason}"
        raise ValueError(msg)
