"""Densities, and variances between samples, that were fitted elsewhere."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """Normalised log densities of both predictors and the variance of their difference."""
    first, second = predictors
    variance = _variance(first, states) + _variance(second, states)
    return _log_density(first, states), _log_density(second, states), variance


def given_sample_variance(predictor: Any, states: Array) -> Array:
    """Variance between samples of a predictor, ``(n_cells,)``; zero if there is none."""
    if predictor is None:
        return np.zeros(len(states))
    predict = predictor.predict if hasattr(predictor, "predict") else predictor
    if not callable(predict):
        msg = f"Variance predictors must be callable, got {type(predictor).__name__}."
        raise TypeError(msg)
    values = predict(states, diag=True) if _takes(predict, "diag") else predict(states)
    variance = np.asarray(values, dtype=np.float64)
    if variance.size != len(states) or not (variance >= 0).all():
        msg = (
            "Variance predictors must give one variance per cell, not negative: for "
            f"{len(states)} cells the {type(predictor).__name__} gave shape {variance.shape}."
        )
        raise ValueError(msg)
    return variance.ravel()


def _takes(function: Any, parameter: str) -> bool:
    """Whether a function has a parameter of that name."""
    try:
        return parameter in inspect.signature(function).parameters
    except ValueError:  # built in another language, without a signature
        return False


def _log_density(predictor: Any, states: Array) -> Array:
    """Normalised log density of a predictor."""
    predict = predictor.predict if hasattr(predictor, "predict") else predictor
    if not callable(predict):
        msg = f"Density predictors must be callable, got {type(predictor).__name__}."
        raise TypeError(msg)
    values = predict(states, normalize=True) if _takes(predict, "normalize") else predict(states)
    return np.asarray(values, dtype=np.float64)


def _variance(predictor: Any, states: Array) -> Array:
    """Posterior variance of a predictor's log density."""
    for name in ("variance", "uncertainty"):
        if hasattr(predictor, name):
            return np.asarray(getattr(predictor, name)(states), dtype=np.float64)
    msg = (
        f"The density predictor of type {type(predictor).__name__} has no method `variance` or "
        "`uncertainty`, which the z-score needs."
    )
    raise TypeError(msg)
