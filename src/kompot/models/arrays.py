"""Checks of arrays at the door of a model."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

__all__ = ["as_expression", "as_states", "check_positive", "require_fitted"]

Array = NDArray[np.float64]


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
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        first = np.flatnonzero(bad)[:5].tolist()
        msg = (
            f"`{name}` holds NaN or infinite values in {int(bad.sum())} of {len(array)} rows "
            f"(first: {first}); leave these cells out."
        )
        raise ValueError(msg)
    return array


def as_expression(values: Any, name: str, n_cells: int) -> Any:
    """Expression as a matrix whose rows can be sliced, sparse kept sparse.

    Raises
    ------
    ValueError
        If the number of cells is another or values are not finite.
    """
    if sparse.issparse(values):
        values = values.tocsr()
        finite = np.isfinite(values.data).all()
    else:
        values = np.asarray(values)
        if values.ndim == 1:
            values = values[:, None]
        if values.dtype.kind not in "fiub":
            msg = f"`{name}` must hold numbers, got type {values.dtype}."
            raise ValueError(msg)
        finite = np.isfinite(values).all()
    if values.shape[0] != n_cells:
        msg = f"`{name}` has {values.shape[0]} rows but there are {n_cells} cells."
        raise ValueError(msg)
    if not finite:
        msg = f"`{name}` holds NaN or infinite values; leave these genes or cells out."
        raise ValueError(msg)
    return values


def check_positive(**numbers: float) -> None:
    """Refuse numbers that are not finite and positive, by their argument's name."""
    for name, value in numbers.items():
        if not (np.isfinite(value) and value > 0):
            msg = f"`{name}` must be a positive finite number, got {value!r}."
            raise ValueError(msg)


def require_fitted(model: Any, attribute: str) -> None:
    """Refuse to predict with a model that was not fitted."""
    if not hasattr(model, attribute):
        msg = "Model not fitted. Call fit() first."
        raise ValueError(msg)
