"""The documented functions on AnnData, each loaded when it is first used."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.anndata.dense_layers import densify
    from kompot.anndata.differential_abundance import compute_differential_abundance
    from kompot.anndata.differential_expression import compute_differential_expression
    from kompot.anndata.diffusion import diffusion_maps
    from kompot.anndata.directions import update_direction_column
    from kompot.anndata.distance_nulls import (
        compute_fdr,
        extract_null_distribution,
        recompute_fdr,
    )
    from kompot.anndata.donor_splits import NullCheck, null_check
    from kompot.anndata.representation import check_underrepresentation
    from kompot.anndata.smoothing import compute_smoothed_expression, smooth_expression
    from kompot.anndata.stored_data import write_results

_HOMES = {
    "NullCheck": "kompot.anndata.donor_splits",
    "check_underrepresentation": "kompot.anndata.representation",
    "compute_differential_abundance": "kompot.anndata.differential_abundance",
    "compute_differential_expression": "kompot.anndata.differential_expression",
    "compute_fdr": "kompot.anndata.distance_nulls",
    "densify": "kompot.anndata.dense_layers",
    "compute_smoothed_expression": "kompot.anndata.smoothing",
    "diffusion_maps": "kompot.anndata.diffusion",
    "update_direction_column": "kompot.anndata.directions",
    "extract_null_distribution": "kompot.anndata.distance_nulls",
    "null_check": "kompot.anndata.donor_splits",
    "recompute_fdr": "kompot.anndata.distance_nulls",
    "smooth_expression": "kompot.anndata.smoothing",
    "write_results": "kompot.anndata.stored_data",
}
_MODULES = {
    "differential_abundance": "kompot.anndata.differential_abundance",
    "differential_expression": "kompot.anndata.differential_expression",
    "utils": "kompot.anndata.utils",
}

__all__ = [
    "NullCheck",
    "check_underrepresentation",
    "compute_differential_abundance",
    "compute_differential_expression",
    "compute_fdr",
    "compute_smoothed_expression",
    "densify",
    "diffusion_maps",
    "extract_null_distribution",
    "null_check",
    "recompute_fdr",
    "smooth_expression",
    "update_direction_column",
    "write_results",
]

__getattr__, __dir__ = attach(__name__, _HOMES, _MODULES)
