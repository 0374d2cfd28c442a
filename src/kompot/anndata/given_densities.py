"""Densities that were fitted elsewhere, in a differential-abundance run."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot.models.differential_abundance import DifferentialAbundance
from kompot.settings import AbundanceSettings, ModelSettings

__all__ = ["given_landmarks", "predictors", "refuse_models"]


def refuse_models(settings: AbundanceSettings) -> None:
    """Refuse models of expression, and what given densities cannot answer.

    Raises
    ------
    ValueError
        Naming what was given and what to do.
    """
    models = settings.model
    models.refuse(
        *("model", "function_predictor", "obs_variance_predictor"),
        reason="it is of expression; see `kompot.de`.",
    )
    if models.names and settings.filter.groups is not None:
        msg = (
            f"`groups` need fitted densities, whose covariance between cells is known, but "
            f"{models.names} were given: leave out `groups`, or the predictors."
        )
        raise ValueError(msg)
    if models.density_predictor1 is not None and settings.comparison.sample_col is not None:
        msg = (
            "`sample_col` needs the densities of samples, but densities were given: leave it out, "
            "and give `variance_predictor1` and `variance_predictor2` for the variance between "
            "samples."
        )
        raise ValueError(msg)


def predictors(models: ModelSettings) -> dict[str, Any]:
    """What the model of abundance takes."""
    return {name: getattr(models, name) for name in models.names}


def given_landmarks(model: DifferentialAbundance, n_dims: int) -> NDArray[np.float64]:
    """Landmarks of the densities, ``(rank, n_dims)``; none if they were given."""
    if not hasattr(model, "density1_"):
        return np.empty((0, n_dims))
    return model.features_.landmarks
