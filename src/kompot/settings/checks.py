"""Checks of options, whose errors name the argument, what was found and what is allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["choice", "flags", "number"]


def number(
    name: str,
    value: Any,
    *,
    above: float = -np.inf,
    least: float = -np.inf,
    below: float = np.inf,
    most: float = np.inf,
    whole: bool = False,
    optional: bool = False,
) -> None:
    """Refuse what is no number or outside its range, naming the argument."""
    if value is None and optional:
        return
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if isinstance(value, bool | np.bool_) or not isinstance(value, kinds):
        kind = "a whole number" if whole else "a number"
        msg = f"'{name}' must be {kind}{' or None' if optional else ''}, got {value!r}."
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
        msg = (
            f"'{name}' must be finite{' and ' * bool(limits)}{' and '.join(limits)}, got {value!r}."
        )
        raise ValueError(msg)


def choice(name: str, value: Any, allowed: Sequence[str]) -> None:
    """Refuse a name that is not among the allowed ones."""
    if value not in allowed:
        msg = f"'{name}' must be one of {list(allowed)}, got {value!r}."
        raise ValueError(msg)


def flags(**values: Any) -> None:
    """Refuse what is neither True nor False."""
    for name, value in values.items():
        if not isinstance(value, bool | np.bool_):
            msg = f"'{name}' must be True or False, got {value!r}."
            raise TypeError(msg)
