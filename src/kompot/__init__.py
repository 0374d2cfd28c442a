"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot import anndata, datasets, gp, models, plot, stats
    from kompot.anndata import (
        check_underrepresentation,
        compute_differential_abundance,
        compute_differential_expression,
        update_direction_column,
    )
    from kompot.models import (
        DensityEstimator,
        DifferentialAbundance,
        DifferentialExpression,
        FunctionEstimator,
        SampleVarianceEstimator,
    )
    from kompot.records.tables import get_table
    from kompot.stats.fold_change import compute_weighted_mean_fold_change

__version__ = "0.1.0"

_HOMES = {
    "DensityEstimator": "kompot.models",
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "FunctionEstimator": "kompot.models",
    "SampleVarianceEstimator": "kompot.models",
    "check_underrepresentation": "kompot.anndata",
    "compute_differential_abundance": "kompot.anndata",
    "compute_differential_expression": "kompot.anndata",
    "compute_weighted_mean_fold_change": "kompot.stats.fold_change",
    "get_table": "kompot.records.tables",
    "update_direction_column": "kompot.anndata",
}
_SUBPACKAGES = ("anndata", "datasets", "gp", "models", "plot", "stats")

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "FunctionEstimator",
    "SampleVarianceEstimator",
    "anndata",
    "check_underrepresentation",
    "compute_differential_abundance",
    "compute_differential_expression",
    "compute_weighted_mean_fold_change",
    "datasets",
    "get_table",
    "gp",
    "models",
    "plot",
    "stats",
    "update_direction_column",
]

__getattr__, __dir__ = attach(__name__, _HOMES, _SUBPACKAGES)
