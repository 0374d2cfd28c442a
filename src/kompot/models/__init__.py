"""Models on arrays, in the style of scikit-learn."""

from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.differential_expression import DifferentialExpression, GeneScores
from kompot.models.function_estimator import FunctionEstimator
from kompot.models.sample_variance_estimator import SampleVarianceEstimator

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "FunctionEstimator",
    "GeneScores",
    "SampleVarianceEstimator",
]
