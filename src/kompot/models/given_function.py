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


def values_of(predictor: Any, states: Array, name: str, **options: Any) -> Array:
    """Values of a predictor at cell states, ``(n_cells, n_genes)``.

    Parameters
    ----------
    predictor
        Called with states ``(n_cells, n_dims)``.
    states
        Cell states.
    name
        Argument that it was, for errors.
    **options
        What else it gets, of those arguments that it takes.

    Raises
    ------
    ValueError, TypeError
        If it gives anything but finite numbers, one row for each cell.
    """
    function = callable_of(predictor, name)
    values = np.asarray(function(states, **_taken(function, options)), np.float64)
    if values.ndim == 1:
        values = values[:, None]
    if values.shape[:1] != (len(states),) or not np.isfinite(values).all():
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


def _taken(function: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Those of some arguments that a function takes."""
    try:
        known = inspect.signature(function).parameters if options else {}
    except ValueError:  # built in another language, without a signature
        return {}
    return {name: value for name, value in options.items() if name in known}
