"""What given functions say about each cell, ready to be written."""

from contextlib import ExitStack
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_layers import Outputs, prediction_parts
from kompot.anndata.layer_store import DenseLayer
from kompot.anndata.states import read_states
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.given_expression import GivenExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

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
    names, genes = prediction_parts(fields, wanted), inputs.expression.genes
    columns = {name: np.empty(adata.n_obs) for name, f in names.items() if f.location == "obs"}
    outputs: Outputs = {name: column.__setitem__ for name, column in columns.items()}
    with ExitStack() as stack:
        layers = {
            name: stack.enter_context(DenseLayer(adata, field.name, genes, store))
            for name, field in names.items()
            if field.location == "layers"
        }
        outputs |= {name: layer.write for name, layer in layers.items()}
        if outputs:
            _fill(outputs, adata, model, inputs, settings, wide=set(layers))
        values = {names[name]: layer.finished() for name, layer in layers.items()}
    values |= {names[name]: column for name, column in columns.items()}
    if fields.covariance in wanted:
        rows = inputs.cells.rows
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(rows, rows)] = model.covariance(inputs.cells.states)
        values[fields.covariance] = covariance
    return values


def _fill(
    outputs: Outputs,
    adata: AnnData,
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    *,
    wide: set[str],
) -> None:
    """Evaluate the functions, a batch of cells at a time."""
    states = read_states(adata, settings.comparison.obsm_key)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(states).all(axis=1))
    if inputs.choice.excluded is not None:
        known &= ~inputs.choice.excluded
    n_genes = len(inputs.gene_names)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    for rows in bar(slices, "predicting", "batch", shown=settings.output.progress):
        inside = known[rows]
        part = model.predict_chunk(states[rows][inside], genes=bool(wide)) if inside.any() else {}
        if part and "fold_change_zscores" in outputs:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, write in outputs.items():
            shape = (len(inside), n_genes) if name in wide else (len(inside),)
            values = np.full(shape, np.nan)
            if part:
                values[inside] = part[name]
            write(rows, values)
