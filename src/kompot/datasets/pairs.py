"""Arguments of two values, one for each condition or end."""

from collections.abc import Sequence

import numpy as np

__all__ = ["as_pair"]


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
