"""Densities that were fitted elsewhere."""

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["given_log_density", "given_variance"]

Array = NDArray[np.float64]


def given_log_density(predictor: Any, states: Array) -> Array:
    """Normalised log density of a predictor."""
    predict = predictor.predict if hasattr(predictor, "predict") else predictor
    if not callable(predict):
        msg = f"Density predictors must be callable, got {type(predictor).__name__}."
        raise TypeError(msg)
    try:
        normalizes = "normalize" in inspect.signature(predict).parameters
    except ValueError:  # built in another language, without a signature
        normalizes = False
    values = predict(states, normalize=True) if normalizes else predict(states)
    return np.asarray(values, dtype=np.float64)


def given_variance(predictor: Any, states: Array) -> Array:
    """Posterior variance of a predictor's log density."""
    for name in ("variance", "uncertainty"):
        if hasattr(predictor, name):
            return np.asarray(getattr(predictor, name)(states), dtype=np.float64)
    msg = (
        f"The density predictor of type {type(predictor).__name__} has no method `variance` or "
        "`uncertainty`, which the z-score needs."
    )
    raise TypeError(msg)
