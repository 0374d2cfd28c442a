"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kompot import anndata, datasets, gp, models, plot, stats
    from kompot import plot as pl
    from kompot.anndata import (
        check_underrepresentation,
        compute_differential_abundance,
        compute_differential_expression,
    )
    from kompot.models import (
        DensityEstimator,
        DifferentialAbundance,
        DifferentialExpression,
        FunctionEstimator,
    )
    from kompot.reporting import report

__version__ = "0.1.0"

_HOMES = {
    "DensityEstimator": "kompot.models",
    "DifferentialAbundance": "kompot.models",
    "DifferentialExpression": "kompot.models",
    "FunctionEstimator": "kompot.models",
    "check_underrepresentation": "kompot.anndata",
    "compute_differential_abundance": "kompot.anndata",
    "compute_differential_expression": "kompot.anndata",
    "report": "kompot.reporting",
}
_SUBPACKAGES = ("anndata", "datasets", "gp", "models", "plot", "stats")
_ALIASES = {"pl": "plot"}

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
    "pl",
    "plot",
    "report",
    "stats",
]


def __getattr__(name: str) -> Any:
    package = _ALIASES.get(name, name)
    if package in _SUBPACKAGES:
        return import_module(f"kompot.{package}")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    msg = f"module 'kompot' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
