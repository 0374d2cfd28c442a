"""The documented functions on AnnData."""

from kompot.anndata.differential_abundance import compute_differential_abundance
from kompot.anndata.differential_expression import compute_differential_expression
from kompot.anndata.directions import update_direction_column
from kompot.anndata.representation import check_underrepresentation

__all__ = [
    "check_underrepresentation",
    "compute_differential_abundance",
    "compute_differential_expression",
    "update_direction_column",
]
