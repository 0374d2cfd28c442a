"""Checks of arguments, which name the argument, what was found and what is allowed."""

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np


def check_integer(name: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Raise unless `value` is an integer from `minimum` to `maximum` (None: no upper limit)."""
    allowed = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        msg = f"`{name}` must be an integer, {allowed}; found {value!r}."
        raise TypeError(msg)
    number = int(value)
    if number < minimum or (maximum is not None and number > maximum):
        msg = f"`{name}` must be {allowed}; found {value!r}."
        raise ValueError(msg)


def check_number(
    name: str,
    value: object,
    minimum: float = -np.inf,
    maximum: float = np.inf,
    *,
    above_minimum: bool = False,
) -> None:
    """Raise unless `value` is a finite real number from `minimum` to `maximum`.

    With `above_minimum` the number `minimum` itself is not allowed.
    """
    left = "(" if above_minimum or np.isinf(minimum) else "["
    right = ")" if np.isinf(maximum) else "]"
    allowed = f"in {left}{minimum:g}, {maximum:g}{right}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        msg = f"`{name}` must be a number {allowed}; found {value!r}."
        raise TypeError(msg)
    number = float(value)
    too_small = number <= minimum if above_minimum else number < minimum
    if not np.isfinite(number) or too_small or number > maximum:
        msg = f"`{name}` must be {allowed}; found {value!r}."
        raise ValueError(msg)


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Raise unless `value` is one of the strings in `choices`."""
    if not isinstance(value, str):
        msg = f"`{name}` must be one of {list(choices)}; found {value!r}."
        raise TypeError(msg)
    if value not in choices:
        msg = f"`{name}` must be one of {list(choices)}; found {value!r}."
        raise ValueError(msg)


def as_pair(name: str, value: object) -> tuple[object, object]:
    """Turn a list, tuple or array of two elements into a tuple."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str) or not isinstance(value, Sequence):
        msg = f"`{name}` must be a pair; found {value!r}."
        raise TypeError(msg)
    if len(value) != 2:
        msg = f"`{name}` must have 2 elements; found {len(value)} in {value!r}."
        raise ValueError(msg)
    return value[0], value[1]
