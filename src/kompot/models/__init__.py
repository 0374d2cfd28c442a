"""Models on arrays, in the style of scikit-learn."""

from kompot.models.differential_expression import DifferentialExpression, GeneScores
from kompot.models.function_estimator import FunctionEstimator

__all__ = ["DifferentialExpression", "FunctionEstimator", "GeneScores"]
