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
        diffusion_maps,
    )
    from kompot.models import (
        DensityEstimator,
        DifferentialAbundance,
        DifferentialExpression,
        FunctionEstimator,
    )

__version__ = "0.1.0"

_HOMES = {
    "DensityEstimator": "kompot.models",
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "FunctionEstimator": "kompot.models",
    "check_underrepresentation": "kompot.anndata",
    "compute_differential_abundance": "kompot.anndata",
    "compute_differential_expression": "kompot.anndata",
    "diffusion_maps": "kompot.anndata",
}
_SUBPACKAGES = ("anndata", "datasets", "gp", "models", "plot", "stats")

__all__ = [
    "DensityEstimator",
    "DifferentialAbundance",
    "DifferentialExpression",
    "FunctionEstimator",
    "anndata",
    "check_underrepresentation",
    "compute_differential_abundance",
    "compute_differential_expression",
    "datasets",
    "diffusion_maps",
    "gp",
    "models",
    "plot",
    "stats",
]

__getattr__, __dir__ = attach(__name__, _HOMES, _SUBPACKAGES)
