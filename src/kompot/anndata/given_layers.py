"""What given functions say about each cell, ready to be written."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_layers import (
    Outputs,
    add_zscores,
    cell_covariance,
    filled,
    prediction_parts,
    valued_cells,
)
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.given_expression import GivenExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings

__all__ = ["given_cell_values"]


def given_cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    store: ArrayStore | None = None,
) -> dict[Field, NDArray[Any]]:
    """Layers (float32), columns of ``obs`` and the covariance, for every cell of the data.

    Cells that were left out have none (NaN); the covariance is zero for these and for cells of
    other conditions. Dense layers are made in ``store``; None for memory.
    """
    parts = prediction_parts(fields, wanted)
    wide = {name for name, field in parts.items() if field.location == "layers"}

    def fill(outputs: Outputs) -> None:
        _predict(adata, model, outputs, inputs, settings, wide=wide)

    values = filled(adata, parts, inputs.expression.genes, store, fill)
    if fields.covariance in wanted:
        values[fields.covariance] = cell_covariance(adata, inputs.cells, model)
    return values


def _predict(
    adata: AnnData,
    model: GivenExpression,
    outputs: Outputs,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    *,
    wide: set[str],
) -> None:
    """Evaluate the functions where cells get values, a batch of cells at a time."""
    if not outputs:
        return
    states, valued = valued_cells(adata, inputs, settings)
    n_genes = len(inputs.gene_names)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    for rows in bar(slices, "predicting", "batch", shown=settings.output.progress):
        inside = valued[rows]
        part = model.predict_chunk(states[rows][inside], genes=bool(wide)) if inside.any() else {}
        if part:
            add_zscores(part, outputs)
        for name, write in outputs.items():
            shape = (len(inside), n_genes) if name in wide else (len(inside),)
            values = np.full(shape, np.nan)
            if part:
                values[inside] = part[name]
            write(rows, values)
