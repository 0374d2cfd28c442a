"""Models on arrays, in the style of scikit-learn, each loaded when it is first used."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.models.density_estimator import DensityEstimator
    from kompot.models.differential_abundance import DifferentialAbundance
    from kompot.models.differential_expression import DifferentialExpression, GeneScores
    from kompot.models.function_estimator import FunctionEstimator

_HOMES = {
    "DensityEstimator": "kompot.models.density_estimator",
    "DifferentialAbundance": "kompot.models.differential_abundance",
    "DifferentialExpression": "kompot.models.differential_expression",
    "FunctionEstimator": "kompot.models.function_estimator",
    "GeneScores": "kompot.models.differential_expression",
}

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "FunctionEstimator",
    "GeneScores",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
