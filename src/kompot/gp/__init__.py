"""Gaussian processes over cell states: kernels, features of low rank, regression."""

from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import (
    KERNELS,
    Exponential,
    Kernel,
    Matern32,
    Matern52,
    RationalQuadratic,
    SquaredExponential,
    make_kernel,
)
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.neighbors import nearest_distinct_distances
from kompot.gp.regression import Posterior, SufficientStatistics, fit_posterior

__all__ = [
    "KERNELS",
    "Exponential",
    "FeatureMap",
    "Kernel",
    "Matern32",
    "Matern52",
    "Posterior",
    "RationalQuadratic",
    "SquaredExponential",
    "SufficientStatistics",
    "estimate_length_scale",
    "fit_features",
    "fit_posterior",
    "make_kernel",
    "nearest_distinct_distances",
]
