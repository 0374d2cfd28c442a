"""Simulated data sets with known truth."""

from kompot.datasets.simulation import simulate
from kompot.datasets.truth import true_fold_change

__all__ = ["simulate", "true_fold_change"]
