"""Models on arrays, in the style of scikit-learn, each loaded when it is first used."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.models.density_estimator import DensityEstimator
    from kompot.models.differential_abundance import DifferentialAbundance
    from kompot.models.differential_expression import DifferentialExpression, GeneScores
    from kompot.models.expression_model import ExpressionModel
    from kompot.models.function_estimator import FunctionEstimator
    from kompot.models.group_scores import GroupScores, score_groups
    from kompot.models.sample_variance_estimator import SampleVarianceEstimator
    from kompot.models.saved import load_model, save_model

_HOMES = {
    "DensityEstimator": "kompot.models.density_estimator",
    "DifferentialAbundance": "kompot.models.differential_abundance",
    "DifferentialExpression": "kompot.models.differential_expression",
    "ExpressionModel": "kompot.models.expression_model",
    "FunctionEstimator": "kompot.models.function_estimator",
    "GeneScores": "kompot.models.differential_expression",
    "GroupScores": "kompot.models.group_scores",
    "SampleVarianceEstimator": "kompot.models.sample_variance_estimator",
    "load_model": "kompot.models.saved",
    "save_model": "kompot.models.saved",
    "score_groups": "kompot.models.group_scores",
}

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "ExpressionModel",
    "FunctionEstimator",
    "GeneScores",
    "GroupScores",
    "SampleVarianceEstimator",
    "load_model",
    "save_model",
    "score_groups",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
