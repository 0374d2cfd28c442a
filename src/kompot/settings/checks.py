"""Checks of options, whose errors name the argument, what was found and what is allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "PARAM_SCHEMES",
    "RATIOS",
    "SEPARATE",
    "choice",
    "flags",
    "kind",
    "null_genes",
    "number",
]

RATIOS = ("densities", "labels")
"""Where the log fold change of an abundance may come from."""
PARAM_SCHEMES = ("condition1", "condition2", "symmetric", "pooled")
"""From which cells the smoothness that two conditions share is estimated."""
SEPARATE = "separate"
"""Each condition has a length scale of its own; only for expression."""


def number(
    name: str,
    value: Any,
    argument: str | None = None,
    *,
    above: float = -np.inf,
    least: float = -np.inf,
    below: float = np.inf,
    most: float = np.inf,
    whole: bool = False,
    optional: bool = False,
    where: str = "",
) -> None:
    """Refuse what is no number or outside its range, naming option and argument.

    Parameters
    ----------
    name
        The option.
    value
        Its value.
    argument
        The argument of the documented functions, if it is called something else.
    above, least, below, most
        Its range.
    whole
        Whether it must be a whole number.
    optional
        Whether it may be None.
    where
        Where its range comes from, in words, such as ``"with 90 cells"``.
    """
    if value is None and optional:
        return
    quoted = f"'{name}'" + (f" (argument '{argument}')" if argument else "")
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool | np.bool_) or not isinstance(value, kinds):
        wanted = "a whole number" if whole else "a number"
        msg = f"{quoted} must be {wanted}{' or None' if optional else ''}, got {value!r}."
        raise TypeError(msg)
    if not (value > above and least <= value < below and value <= most and np.isfinite(value)):
        limits = [
            f"{word} {limit:g}"
            for word, limit in (
                ("greater than", above),
                ("at least", least),
                ("less than", below),
                ("at most", most),
            )
            if np.isfinite(limit)
        ]
        words = " and ".join(["finite", *limits]) + f" {where}" * bool(where)
        msg = f"{quoted} must be {words}, got {value!r}."
        raise ValueError(msg)


def choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a name that is not among the allowed ones."""
    if value not in allowed:
        msg = f"'{name}' must be one of {list(allowed)}, got {value!r}."
        raise ValueError(msg)


def flags(*, optional: bool = False, **values: Any) -> None:
    """Refuse what is neither True nor False, nor None if that is ``optional``."""
    for name, value in values.items():
        if not (isinstance(value, bool | np.bool_) or (optional and value is None)):
            allowed = "True, False or None" if optional else "True or False"
            msg = f"'{name}' must be {allowed}, got {value!r}."
            raise TypeError(msg)


def kind(name: str, value: Any, kinds: type | tuple[type, ...], wanted: str) -> None:
    """Refuse what is neither None nor of some types."""
    if value is not None and not isinstance(value, kinds):
        msg = f"'{name}' must be {wanted} or None, got {value!r}."
        raise TypeError(msg)


def null_genes(name: str, value: Any) -> None:
    """Refuse what cannot say which genes to shuffle."""
    if value is None or (isinstance(value, str) and value == "auto"):
        return
    what = "a number of genes, a list of column numbers, 'auto' or None"
    if isinstance(value, str):
        msg = f"'{name}' must be {what}, got {value!r}."
        raise ValueError(msg)
    if np.ndim(value) == 0:
        number(name, value, least=0, whole=True)
        return
    columns = np.asarray(value)
    if columns.ndim != 1 or (columns.size and columns.dtype.kind not in "iu"):
        msg = f"'{name}' must be {what}, got {value!r}."
        raise ValueError(msg)
    if (columns < 0).any():
        msg = f"'{name}' holds negative column numbers: {columns[columns < 0][:5].tolist()}."
        raise ValueError(msg)
