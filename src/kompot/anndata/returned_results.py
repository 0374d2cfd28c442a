"""What a run of expression returns, if asked for."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_groups import full_group_results
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_record import fdr_results
from kompot.anndata.expression_results import ExpressionResult
from kompot.anndata.shuffled_genes import picked_null_genes
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings

__all__ = ["full_results", "null_data"]


def full_results(
    adata: AnnData,
    result: ExpressionResult,
    inputs: ExpressionInputs,
    wanted: list[Field],
    settings: ExpressionSettings,
    *,
    landmarks: NDArray[np.float64] | None = None,
) -> dict[str, Any]:
    """The dictionary that is returned; empty for none.

    Parameters
    ----------
    adata, result, inputs, wanted, settings
        The run.
    landmarks
        Landmarks of its features; None if it has none.
    """
    full: dict[str, Any] = {}
    if settings.output.return_full_results:
        full = {
            "table": result.table,
            "model": result.model,
            "field_names": {field.role: field.name for field in wanted},
            "fdr_summary": fdr_results(result.table, settings.fdr.threshold) or {},
            "underrepresentation": inputs.choice.underrepresented,
        }
        if landmarks is not None:
            full["landmarks"] = landmarks
        if result.donors is not None:
            full["donor_test"] = result.donors
        if result.groups is not None:
            full |= full_group_results(result.groups)
    if settings.output.return_null_data:
        full["null"] = null_data(adata, result, inputs, settings)
    return full


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
    With given functions they are of columns that are known not to differ.
    """
    null, listed = inputs.null, settings.fdr.null_genes
    columns = np.empty(0, dtype=np.intp)
    is_given = null.expression is not None or len(null.distances) > 0
    if settings.model.names:
        columns = np.unique(np.asarray(listed if np.ndim(listed) else [], dtype=np.intp))
        source, seed = "given" if len(columns) else "none", None
    else:
        if null.choice is not None:
            columns, _ = picked_null_genes(inputs.expression, null.choice, settings)
        internal = "internal" if len(columns) else "none"
        source = ("both" if len(columns) else "given") if is_given else internal
        seed = settings.fdr.null_seed
    return {
        "mahalanobis": result.null,
        "gene_indices": columns,
        "gene_names": list(adata.var_names[columns]),
        "seed": seed,
        "n_null": len(result.null),
        "source": source,
    }
