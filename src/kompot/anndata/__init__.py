"""The documented functions on AnnData."""

from kompot.anndata.differential_expression import compute_differential_expression

__all__ = ["compute_differential_expression"]
