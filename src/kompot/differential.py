"""The documented address of the models and of what is computed from their results."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.anndata.directions import update_direction_column
    from kompot.models import (
        DifferentialAbundance,
        DifferentialExpression,
        SampleVarianceEstimator,
    )
    from kompot.stats.fold_change import compute_weighted_mean_fold_change

_HOMES = {
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "SampleVarianceEstimator": "kompot.models",
    "compute_weighted_mean_fold_change": "kompot.stats.fold_change",
    "update_direction_column": "kompot.anndata.directions",
}

__all__ = [
    "DifferentialAbundance",
    "DifferentialExpression",
    "SampleVarianceEstimator",
    "compute_weighted_mean_fold_change",
    "update_direction_column",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
