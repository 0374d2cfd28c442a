"""What given functions say about each cell, ready to be written."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.inputs import read_states
from kompot.anndata.writing import spread_columns
from kompot.gp.linalg import row_slices
from kompot.models.given_expression import GivenExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

__all__ = ["given_cell_values", "refuse_factored"]


def given_cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> dict[Field, NDArray[Any]]:
    """Layers (float32), columns of ``obs`` and the covariance, for every cell of the data.

    Cells that were left out have none (NaN); the covariance is zero for these and for cells of
    other conditions.
    """
    names = {
        "condition1_imputed": fields.imputed1,
        "condition2_imputed": fields.imputed2,
        "fold_change": fields.fold_change,
        "fold_change_zscores": fields.zscores,
        "condition1_std": fields.std1,
        "condition2_std": fields.std2,
    }
    names = {part: field for part, field in names.items() if field in wanted}
    genes, n_genes = inputs.expression.genes, len(inputs.gene_names)
    arrays: dict[str, NDArray[Any]] = {
        part: np.empty((adata.n_obs, n_genes), dtype=np.float32)
        if field.location == "layers"
        else np.empty(adata.n_obs)
        for part, field in names.items()
    }
    if arrays:
        _fill(arrays, adata, model, inputs, settings)
    values = {
        field: spread_columns(adata, field.name, arrays[part], genes)
        if field.location == "layers"
        else arrays[part]
        for part, field in names.items()
    }
    if fields.covariance in wanted:
        rows = inputs.cells.rows
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(rows, rows)] = model.covariance(inputs.cells.states)
        values[fields.covariance] = covariance
    return values


def refuse_factored(settings: ExpressionSettings) -> None:
    """Refuse forms of layers that need features of the functions.

    Raises
    ------
    ValueError
        If layers are to be anything but dense, or none.
    """
    if settings.storage.layers not in ("dense", "none"):
        msg = (
            f"`layers={settings.storage.layers!r}` needs fitted features that both conditions "
            "share; give layers='dense' or 'none'."
        )
        raise ValueError(msg)


def _fill(
    arrays: dict[str, NDArray[Any]],
    adata: AnnData,
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> None:
    """Evaluate the functions, a batch of cells at a time."""
    states = read_states(adata, settings.comparison.obsm_key)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(states).all(axis=1))
    if inputs.choice.excluded is not None:
        known &= ~inputs.choice.excluded
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    wide = any(array.ndim == 2 for array in arrays.values())
    for rows in bar(slices, "predicting", "batch", shown=settings.output.progress):
        for array in arrays.values():
            array[rows] = np.nan
        cells = rows.start + np.flatnonzero(known[rows])
        if not len(cells):
            continue
        part = model.predict_chunk(states[cells], genes=wide)
        if "fold_change_zscores" in arrays:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, array in arrays.items():
            array[cells] = part[name]
