"""Functions of cell state that were fitted elsewhere."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["callable_of", "covariance_of", "values_of"]

Array = NDArray[np.float64]


def callable_of(predictor: Any, name: str) -> Any:
    """What to call of a predictor: its method ``predict``, or itself.

    Raises
    ------
    TypeError
        If it can be neither, naming the argument.
    """
    found = predictor.predict if hasattr(predictor, "predict") else predictor
    if not callable(found):
        msg = f"`{name}` must be callable or have a method `predict`, got {type(found).__name__}."
        raise TypeError(msg)
    return found


def values_of(predictor: Any, states: Array, name: str, *, diag: bool | None = None) -> Array:
    """Values of a predictor at cell states, ``(n_cells, n_genes)``.

    Parameters
    ----------
    predictor
        Called with states ``(n_cells, n_dims)``, and with ``diag`` if it takes that.
    states
        Cell states.
    name
        Argument that it was, for errors.
    diag
        What it gets as ``diag``; None for nothing.

    Raises
    ------
    ValueError, TypeError
        If it gives anything but finite numbers, one row for each cell.
    """
    function = callable_of(predictor, name)
    takes = diag is not None and _takes_diag(function)
    values = np.asarray(function(states, diag=diag) if takes else function(states), np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if len(values) != len(states) or not np.isfinite(values).all():
        msg = (
            f"`{name}` must give finite numbers, one row for each of {len(states)} cells; it gave "
            f"shape {values.shape}."
        )
        raise ValueError(msg)
    return values


def covariance_of(predictor: Any, states: Array, *, diag: bool) -> Array:
    """Posterior covariance that a predictor knows, ``(n_cells,)`` or ``(n_cells, n_cells)``.

    Raises
    ------
    TypeError
        If it has no method ``covariance``.
    """
    if not hasattr(predictor, "covariance"):
        msg = (
            f"The function predictor of type {type(predictor).__name__} has no method "
            "`covariance`, so that the variance of its function is unknown."
        )
        raise TypeError(msg)
    return np.asarray(predictor.covariance(states, diag=diag), dtype=np.float64)


def _takes_diag(function: Any) -> bool:
    try:
        return "diag" in inspect.signature(function).parameters
    except ValueError:  # built in another language, without a signature
        return False
