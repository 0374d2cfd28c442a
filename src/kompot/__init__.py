"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot import anndata, datasets, gp, models, plot, records, resource_estimation, stats
    from kompot import plot as pl
    from kompot.anndata import (
        NullCheck,
        check_underrepresentation,
        compute_differential_abundance,
        compute_differential_expression,
        compute_fdr,
        compute_smoothed_expression,
        densify,
        diffusion_maps,
        extract_null_distribution,
        null_check,
        recompute_fdr,
        smooth_expression,
        update_direction_column,
        write_results,
    )
    from kompot.batches import apply_batched, batch_process
    from kompot.gp.landmark_cells import find_landmarks
    from kompot.log_output import configure_logging
    from kompot.models import (
        DensityEstimator,
        DifferentialAbundance,
        DifferentialExpression,
        ExpressionModel,
        FunctionEstimator,
        SampleVarianceEstimator,
        load_model,
        save_model,
    )
    from kompot.models.predictor import Predictor
    from kompot.records import (
        RunComparison,
        RunInfo,
        cleanup,
        get_field_status,
        get_layer,
        get_table,
        runs,
    )
    from kompot.reporting import report
    from kompot.resource_estimation import (
        ResourcePlan,
        dry_run_differential_abundance,
        dry_run_differential_expression,
    )
    from kompot.settings import (
        DAThresholdSettings,
        DensitySettings,
        DonorAbundanceOptions,
        FDRSettings,
        FilterSettings,
        GPSettings,
        ModelSettings,
        OutputSettings,
        SampleSettings,
        StorageSettings,
    )
    from kompot.short_forms import da, de
    from kompot.stats.fold_change import compute_weighted_mean_fold_change
    from kompot.stats.vector_distances import compute_mahalanobis_distance

__version__ = "0.1.0"

_HOMES = {
    "DAThresholdSettings": "kompot.settings",
    "DensityEstimator": "kompot.models",
    "DensitySettings": "kompot.settings",
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "DonorAbundanceOptions": "kompot.settings",
    "ExpressionModel": "kompot.models",
    "FDRSettings": "kompot.settings",
    "FilterSettings": "kompot.settings",
    "FunctionEstimator": "kompot.models",
    "GPSettings": "kompot.settings",
    "ModelSettings": "kompot.settings",
    "NullCheck": "kompot.anndata",
    "OutputSettings": "kompot.settings",
    "Predictor": "kompot.models.predictor",
    "ResourcePlan": "kompot.resource_estimation",
    "RunComparison": "kompot.records",
    "RunInfo": "kompot.records",
    "SampleSettings": "kompot.settings",
    "SampleVarianceEstimator": "kompot.models",
    "StorageSettings": "kompot.settings",
    "apply_batched": "kompot.batches",
    "batch_process": "kompot.batches",
    "check_underrepresentation": "kompot.anndata",
    "cleanup": "kompot.records",
    "compute_differential_abundance": "kompot.anndata",
    "compute_differential_expression": "kompot.anndata",
    "compute_fdr": "kompot.anndata",
    "compute_mahalanobis_distance": "kompot.stats.vector_distances",
    "compute_smoothed_expression": "kompot.anndata",
    "compute_weighted_mean_fold_change": "kompot.stats.fold_change",
    "densify": "kompot.anndata",
    "configure_logging": "kompot.log_output",
    "da": "kompot.short_forms",
    "de": "kompot.short_forms",
    "diffusion_maps": "kompot.anndata",
    "dry_run_differential_abundance": "kompot.resource_estimation",
    "dry_run_differential_expression": "kompot.resource_estimation",
    "extract_null_distribution": "kompot.anndata",
    "find_landmarks": "kompot.gp.landmark_cells",
    "get_field_status": "kompot.records",
    "get_layer": "kompot.records",
    "get_table": "kompot.records",
    "load_model": "kompot.models",
    "null_check": "kompot.anndata",
    "recompute_fdr": "kompot.anndata",
    "report": "kompot.reporting",
    "runs": "kompot.records",
    "save_model": "kompot.models",
    "smooth_expression": "kompot.anndata",
    "update_direction_column": "kompot.anndata",
    "write_results": "kompot.anndata",
}
_SUBPACKAGES = {
    "anndata": "kompot.anndata",
    "batch_utils": "kompot.batch_utils",
    "datasets": "kompot.datasets",
    "differential": "kompot.differential",
    "gp": "kompot.gp",
    "models": "kompot.models",
    "pl": "kompot.plot",
    "plot": "kompot.plot",
    "records": "kompot.records",
    "resource_estimation": "kompot.resource_estimation",
    "settings": "kompot.settings",
    "stats": "kompot.stats",
    "utils": "kompot.utils",
}

__all__ = [
    "DAThresholdSettings",
    "DensityEstimator",
    "DensitySettings",
    "DifferentialAbundance",
    "DifferentialExpression",
    "DonorAbundanceOptions",
    "ExpressionModel",
    "FDRSettings",
    "FilterSettings",
    "FunctionEstimator",
    "GPSettings",
    "ModelSettings",
    "NullCheck",
    "OutputSettings",
    "Predictor",
    "ResourcePlan",
    "RunComparison",
    "RunInfo",
    "SampleSettings",
    "SampleVarianceEstimator",
    "StorageSettings",
    "anndata",
    "apply_batched",
    "batch_process",
    "check_underrepresentation",
    "cleanup",
    "compute_differential_abundance",
    "compute_differential_expression",
    "compute_fdr",
    "compute_mahalanobis_distance",
    "compute_smoothed_expression",
    "compute_weighted_mean_fold_change",
    "configure_logging",
    "da",
    "datasets",
    "de",
    "densify",
    "diffusion_maps",
    "dry_run_differential_abundance",
    "dry_run_differential_expression",
    "extract_null_distribution",
    "find_landmarks",
    "get_field_status",
    "get_layer",
    "get_table",
    "gp",
    "load_model",
    "models",
    "null_check",
    "pl",
    "plot",
    "recompute_fdr",
    "records",
    "report",
    "resource_estimation",
    "runs",
    "save_model",
    "smooth_expression",
    "stats",
    "update_direction_column",
    "write_results",
]

__getattr__, __dir__ = attach(__name__, _HOMES, _SUBPACKAGES)
