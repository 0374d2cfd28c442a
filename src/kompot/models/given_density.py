"""Densities, and variances between samples, that were fitted elsewhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot.models.given_function import values_of

__all__ = ["check_given", "given_sample_variance", "predict_given"]

Array = NDArray[np.float64]


def check_given(density_predictor1: Any, density_predictor2: Any, sample: Any) -> None:
    """Refuse one predictor without the other, and samples beside predictors."""
    given = (density_predictor1 is not None, density_predictor2 is not None)
    if given[0] != given[1]:
        missing = "density_predictor1" if given[1] else "density_predictor2"
        msg = f"Give both density predictors or none: `{missing}` is None."
        raise ValueError(msg)
    if given[0] and sample is not None:
        msg = (
            "The variance between samples needs their densities, but densities were given: leave "
            "the samples out, or give `variance_predictor1` and `variance_predictor2`."
        )
        raise ValueError(msg)


def predict_given(predictors: tuple[Any, Any], states: Array) -> tuple[Array, Array, Array]:
    """Normalised log densities of both predictors and the variance of their difference.

    Raises
    ------
    TypeError
        If a predictor cannot be called, or has no method for its variance.
    ValueError
        If it gives anything but a finite number for each cell, or a negative variance.
    """
    names = ("density_predictor1", "density_predictor2")
    spreads = [_variance_of(predictor) for predictor in predictors]
    first, second = (
        _numbers(predictor, states, name, normalize=True)
        for predictor, name in zip(predictors, names, strict=True)
    )
    variance1, variance2 = (
        _variances(spread, states, f"{name}.variance")
        for spread, name in zip(spreads, names, strict=True)
    )
    return first, second, variance1 + variance2


def given_sample_variance(predictor: Any, states: Array, name: str) -> Array:
    """Variance between samples of a predictor, ``(n_cells,)``; zero if there is none.

    Parameters
    ----------
    predictor
        Called with states, and with ``diag=True`` if it takes that.
    states
        Cell states, ``(n_cells, n_dims)``.
    name
        Argument that it was, for errors.
    """
    if predictor is None:
        return np.zeros(len(states))
    return _variances(predictor, states, name, diag=True)


def _numbers(predictor: Any, states: Array, name: str, **options: Any) -> Array:
    """One number for each cell, ``(n_cells,)``."""
    values = values_of(predictor, states, name, **options)
    if values.shape != (len(states), 1):
        msg = (
            f"`{name}` must give one number for each of {len(states)} cells; it gave shape "
            f"{values.shape}."
        )
        raise ValueError(msg)
    return values[:, 0]


def _variances(predictor: Any, states: Array, name: str, **options: Any) -> Array:
    """One variance for each cell, ``(n_cells,)``."""
    variance = _numbers(predictor, states, name, **options)
    if (variance < 0).any():
        msg = f"`{name}` must give variances, not negative; the smallest is {variance.min():g}."
        raise ValueError(msg)
    return variance


def _variance_of(predictor: Any) -> Any:
    """The method of a predictor that gives the posterior variance of its log density."""
    for name in ("variance", "uncertainty"):
        if hasattr(predictor, name):
            return getattr(predictor, name)
    msg = (
        f"The density predictor of type {type(predictor).__name__} has no method `variance` or "
        "`uncertainty`, which the z-score needs."
    )
    raise TypeError(msg)
