"""Checks of arrays at the door of a model."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from kompot.gp.coordinates import FARTHEST, usable_states
from kompot.gp.linalg import without_duplicates

__all__ = [
    "LARGEST",
    "as_expression",
    "as_states",
    "check_positive",
    "is_usable",
    "require_fitted",
    "unusable",
    "usable_states",
]

Array = NDArray[np.float64]

LARGEST = 1e30
"""Expression beyond is refused: squares add up, and layers of float32 end at 3e38."""


def is_usable(values: NDArray[Any]) -> bool:
    """Whether all numbers are finite and at most :data:`LARGEST`, without an array more."""
    if not values.size or values.dtype.kind != "f":
        return True
    return bool(float(values.min()) >= -LARGEST and float(values.max()) <= LARGEST)


def unusable(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where numbers are NaN, infinite or larger than :data:`LARGEST`."""
    return ~(np.abs(np.asarray(values, dtype=np.float64)) <= LARGEST)


def as_states(states: ArrayLike, name: str, n_dims: int | None = None) -> Array:
    """Cell states as a finite float64 matrix ``(n_cells, n_dims)``.

    Raises
    ------
    ValueError
        If it is not a matrix of numbers, is empty, not finite, or of another width.
    """
    array = np.asarray(states)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "fiub":
        msg = (
            f"`{name}` must be a non-empty matrix of numbers (n_cells, n_dims), "
            f"got shape {array.shape} of type {array.dtype}."
        )
        raise ValueError(msg)
    if n_dims is not None and array.shape[1] != n_dims:
        msg = f"`{name}` has {array.shape[1]} dimensions but the model was made with {n_dims}."
        raise ValueError(msg)
    array = np.ascontiguousarray(array, dtype=np.float64)
    bad = ~usable_states(array)
    if bad.any():
        first = np.flatnonzero(bad)[:5].tolist()
        msg = (
            f"`{name}` holds NaN, infinite or huge (> {FARTHEST:g}) values in "
            f"{int(bad.sum())} of {len(array)} rows (first: {first}); leave these cells out."
        )
        raise ValueError(msg)
    return array


def as_expression(values: Any, name: str, n_cells: int) -> Any:
    """Expression as a matrix whose rows can be sliced, sparse kept sparse.

    Raises
    ------
    ValueError
        If the number of cells is another, there are no genes or values are not finite.
    """
    if sparse.issparse(values):
        values = without_duplicates(values.tocsr())
    else:
        values = np.asarray(values)
        if values.ndim == 1:
            values = values[:, None]
    if values.dtype.kind not in "fiub":
        msg = f"`{name}` must hold numbers, got type {values.dtype}."
        raise ValueError(msg)
    if values.shape[0] != n_cells:
        msg = f"`{name}` has {values.shape[0]} rows but there are {n_cells} cells."
        raise ValueError(msg)
    if values.shape[1] == 0:
        msg = f"`{name}` has no columns; give at least one gene."
        raise ValueError(msg)
    if not is_usable(values.data if sparse.issparse(values) else values):
        msg = (
            f"`{name}` holds NaN, infinite or huge (> {LARGEST:g}) values; leave these genes or "
            "cells out."
        )
        raise ValueError(msg)
    return values


def check_positive(**numbers: float) -> None:
    """Refuse numbers that are not finite and positive, by their argument's name."""
    for name, value in numbers.items():
        if not (np.isfinite(value) and value > 0):
            msg = f"`{name}` must be a positive finite number, got {value!r}."
            raise ValueError(msg)


class NotFittedError(ValueError, AttributeError):
    """A model was asked for what it only has when fitted: it has no such attribute yet."""


def require_fitted(model: Any, attribute: str) -> None:
    """Refuse to predict with a model that was not fitted.

    Raises
    ------
    NotFittedError
        If it has not the attribute that fitting gives it.
    """
    if not hasattr(model, attribute):
        msg = "Model not fitted. Call fit() first."
        raise NotFittedError(msg)
