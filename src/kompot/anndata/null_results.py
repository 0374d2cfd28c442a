"""What a run returns of the distances that it judged genes against."""

from typing import Any

import numpy as np
from anndata import AnnData

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_results import ExpressionResult
from kompot.anndata.shuffled_genes import picked_null_genes
from kompot.settings import ExpressionSettings

__all__ = ["null_data"]


def null_data(
    adata: AnnData,
    result: ExpressionResult,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> dict[str, Any]:
    """Distances where nothing differs, and the shuffled genes that some of them are of.

    Returns
    -------
    ``mahalanobis``, ``(n_null,)``, shuffled genes first; ``gene_indices`` and ``gene_names`` of
    these; ``seed``; ``n_null``; ``source``: ``"internal"``, ``"given"``, ``"both"`` or ``"none"``.
    """
    null = inputs.null
    columns = np.empty(0, dtype=np.intp)
    if null.choice is not None:
        columns, _ = picked_null_genes(inputs.expression, null.choice, settings)
    given = null.expression is not None or len(null.distances) > 0
    internal = "internal" if len(columns) else "none"
    return {
        "mahalanobis": result.null,
        "gene_indices": columns,
        "gene_names": list(adata.var_names[columns]),
        "seed": settings.fdr.null_seed,
        "n_null": len(result.null),
        "source": ("both" if len(columns) else "given") if given else internal,
    }
