"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    "update_direction_column": "kompot.anndata",
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
    "gp",
    "models",
    "plot",
    "stats",
    "update_direction_column",
]


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"kompot.{name}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module 'kompot' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
