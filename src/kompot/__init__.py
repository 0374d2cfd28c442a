"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot import anndata, datasets, gp, models, plot, records, stats
    from kompot import plot as pl
    from kompot.anndata import (
        NullCheck,
        check_underrepresentation,
        compute_differential_abundance,
        compute_differential_expression,
        compute_fdr,
        diffusion_maps,
        extract_null_distribution,
        null_check,
        recompute_fdr,
        update_direction_column,
        write_results,
    )
    from kompot.models import (
        DensityEstimator,
        DifferentialAbundance,
        DifferentialExpression,
        FunctionEstimator,
        SampleVarianceEstimator,
    )
    from kompot.records import (
        RunComparison,
        RunInfo,
        cleanup,
        get_field_status,
        get_table,
        runs,
    )
    from kompot.reporting import report
    from kompot.stats.fold_change import compute_weighted_mean_fold_change

__version__ = "0.1.0"

_HOMES = {
    "DensityEstimator": "kompot.models",
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "FunctionEstimator": "kompot.models",
    "NullCheck": "kompot.anndata",
    "RunComparison": "kompot.records",
    "RunInfo": "kompot.records",
    "SampleVarianceEstimator": "kompot.models",
    "check_underrepresentation": "kompot.anndata",
    "cleanup": "kompot.records",
    "compute_differential_abundance": "kompot.anndata",
    "compute_differential_expression": "kompot.anndata",
    "compute_fdr": "kompot.anndata",
    "compute_weighted_mean_fold_change": "kompot.stats.fold_change",
    "diffusion_maps": "kompot.anndata",
    "extract_null_distribution": "kompot.anndata",
    "get_field_status": "kompot.records",
    "get_table": "kompot.records",
    "null_check": "kompot.anndata",
    "recompute_fdr": "kompot.anndata",
    "report": "kompot.reporting",
    "runs": "kompot.records",
    "update_direction_column": "kompot.anndata",
    "write_results": "kompot.anndata",
}
_SUBPACKAGES = {
    "anndata": "kompot.anndata",
    "datasets": "kompot.datasets",
    "gp": "kompot.gp",
    "models": "kompot.models",
    "pl": "kompot.plot",
    "plot": "kompot.plot",
    "records": "kompot.records",
    "stats": "kompot.stats",
}

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "FunctionEstimator",
    "NullCheck",
    "RunComparison",
    "RunInfo",
    "SampleVarianceEstimator",
    "anndata",
    "check_underrepresentation",
    "cleanup",
    "compute_differential_abundance",
    "compute_differential_expression",
    "compute_fdr",
    "compute_weighted_mean_fold_change",
    "datasets",
    "diffusion_maps",
    "extract_null_distribution",
    "get_field_status",
    "get_table",
    "gp",
    "models",
    "null_check",
    "pl",
    "plot",
    "recompute_fdr",
    "records",
    "report",
    "runs",
    "stats",
    "update_direction_column",
    "write_results",
]

__getattr__, __dir__ = attach(__name__, _HOMES, _SUBPACKAGES)
