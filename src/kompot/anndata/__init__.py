"""The documented functions on AnnData, each loaded when it is first used."""

from typing import TYPE_CHECKING

from kompot.lazy import attach

if TYPE_CHECKING:
    from kompot.anndata.differential_abundance import compute_differential_abundance
    from kompot.anndata.differential_expression import compute_differential_expression
    from kompot.anndata.diffusion import diffusion_maps
    from kompot.anndata.directions import update_direction_column
    from kompot.anndata.representation import check_underrepresentation

_HOMES = {
    "check_underrepresentation": "kompot.anndata.representation",
    "compute_differential_abundance": "kompot.anndata.differential_abundance",
    "compute_differential_expression": "kompot.anndata.differential_expression",
    "diffusion_maps": "kompot.anndata.diffusion",
    "update_direction_column": "kompot.anndata.directions",
}

__all__ = [
    "check_underrepresentation",
    "compute_differential_abundance",
    "compute_differential_expression",
    "diffusion_maps",
    "update_direction_column",
]

__getattr__, __dir__ = attach(__name__, _HOMES)
