"""What a fitted comparison says about each cell, ready to be written."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import threads
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.inputs import read_states
from kompot.anndata.writing import spread_columns
from kompot.gp.linalg import row_slices
from kompot.models.differential_expression import DifferentialExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

__all__ = ["cell_values"]


def cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    model: DifferentialExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> dict[Field, NDArray[Any]]:
    """Layers (float32), columns of ``obs`` and the covariance, for every cell of the data.

    The functions are known everywhere, so cells of other conditions have values too. Cells that
    were left out have none (NaN): whatever they are, they are not what was compared. The
    covariance is zero for both.
    """
    cells, excluded = inputs.cells, inputs.choice.excluded
    genes, n_genes = inputs.expression.genes, inputs.expression.shape[1]
    names = {
        "condition1_imputed": fields.imputed1,
        "condition2_imputed": fields.imputed2,
        "fold_change": fields.fold_change,
        "fold_change_zscores": fields.zscores,
    }
    std = {"condition1_std": fields.std1, "condition2_std": fields.std2}
    names |= std
    layers = {
        name: np.empty((adata.n_obs, n_genes), dtype=np.float32)
        for name, field in names.items()
        if field in wanted and field.location == "layers"
    }
    columns = {
        name: np.empty(adata.n_obs) for name, field in std.items() if field.location == "obs"
    }
    states = read_states(adata, settings.comparison.obsm_key)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))

    def predict(rows: slice) -> None:
        part = model.predict_chunk(states[rows], genes=bool(layers))
        if "fold_change_zscores" in layers:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, array in (layers | columns).items():
            array[rows] = part[name]
            if excluded is not None:
                array[rows][excluded[rows]] = np.nan

    done = threads.map_batches(predict, slices)
    for _ in bar(done, "predicting", "batch", len(slices), shown=settings.output.progress):
        pass
    values: dict[Field, NDArray[Any]] = {
        names[name]: spread_columns(adata, names[name].name, layer, genes)
        for name, layer in layers.items()
    }
    values |= {names[name]: column for name, column in columns.items()}
    if fields.covariance in wanted:
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(cells.rows, cells.rows)] = model.covariance(cells.states)
        values[fields.covariance] = covariance
    return values
