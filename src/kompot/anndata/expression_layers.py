"""What a fitted comparison says about each cell, ready to be written."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import threads
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.factored_layers import factor_values, stacked_deviations
from kompot.anndata.layer_store import DenseLayer
from kompot.anndata.states import read_states
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.expression_prediction import predict_states
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.records.history import HISTORY_KEYS
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

__all__ = ["Outputs", "cell_values", "prediction_parts"]

Outputs = dict[str, Callable[[slice, NDArray[Any]], None]]


def cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    model: DifferentialExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    store: ArrayStore | None = None,
) -> dict[Field, NDArray[Any]]:
    """Layers or their factors, columns of ``obs`` and the covariance, for every cell of the data.

    The functions are known everywhere, so cells of other conditions have values too. Cells that
    were left out have none (NaN): whatever they are, they are not what was compared. The
    covariance is zero for both.

    Parameters
    ----------
    adata, fields, wanted, model, inputs, settings
        The run.
    store
        Where dense layers (float32) are made; None for memory.
    """
    genes = inputs.expression.genes
    names = prediction_parts(fields, wanted)
    columns = {name: np.empty(adata.n_obs) for name, f in names.items() if f.location == "obs"}
    outputs: Outputs = {name: column.__setitem__ for name, column in columns.items()}
    values: dict[Field, NDArray[Any]] = {}
    with ExitStack() as stack:
        layers = {
            name: stack.enter_context(DenseLayer(adata, field.name, genes, store))
            for name, field in names.items()
            if field.location == "layers"
        }
        outputs |= {name: layer.write for name, layer in layers.items()}
        if fields.basis in wanted:
            basis = np.empty((adata.n_obs, model.features_.rank), dtype=np.float32)
            outputs["features"] = basis.__setitem__
        if outputs:
            _predict(adata, model, outputs, inputs.choice.excluded, settings)
        values |= {names[name]: layer.finished() for name, layer in layers.items()}
    values |= {names[name]: column for name, column in columns.items()}
    if fields.basis in wanted:
        weights = _weights(fields, wanted, model)
        key = HISTORY_KEYS["de"]
        values |= factor_values(adata, key, (fields.basis, basis), weights, genes)
    if fields.covariance in wanted:
        rows = inputs.cells.rows
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(rows, rows)] = model.covariance(inputs.cells.states)
        values[fields.covariance] = covariance
    return values


def prediction_parts(fields: ExpressionFields, wanted: list[Field]) -> dict[str, Field]:
    """The field of each part of a prediction that is wanted."""
    names = {
        "condition1_imputed": fields.imputed1,
        "condition2_imputed": fields.imputed2,
        "fold_change": fields.fold_change,
        "fold_change_zscores": fields.zscores,
        "condition1_std": fields.std1,
        "condition2_std": fields.std2,
    }
    if fields.posterior_std1 in wanted:
        names |= {"condition1_std": fields.posterior_std1, "condition2_std": fields.posterior_std2}
    return {name: field for name, field in names.items() if field in wanted}


def _predict(
    adata: AnnData,
    model: DifferentialExpression,
    outputs: Outputs,
    excluded: NDArray[np.bool_] | None,
    settings: ExpressionSettings,
) -> None:
    """Give each output its part of the prediction, a batch of cells at a time."""
    states = read_states(adata, settings.comparison.obsm_key)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    posteriors = model.posterior1_, model.posterior2_
    deviations = model.deviations1_, model.deviations2_
    genes = bool({"condition1_imputed", "fold_change"} & set(outputs))

    def predict(rows: slice) -> None:
        phi = model.features_(states[rows])
        part = predict_states(
            *(phi, posteriors, deviations),
            eps=model.eps,
            genes=genes,
            own_noise=model.own_noise_,
        )
        part["features"] = phi
        if "fold_change_zscores" in outputs:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, write in outputs.items():
            if excluded is not None:
                part[name][excluded[rows]] = np.nan
            write(rows, part[name])

    done = threads.map_batches(predict, slices)
    for _ in bar(done, "predicting", "batch", len(slices), shown=settings.output.progress):
        pass


def _weights(
    fields: ExpressionFields, wanted: list[Field], model: DifferentialExpression
) -> dict[Field, NDArray[Any]]:
    """Weights of the genes' functions and of their samples' differences."""
    found: dict[Field, NDArray[Any]] = {}
    for field, posterior in (
        (fields.weights1, model.posterior1_),
        (fields.weights2, model.posterior2_),
    ):
        found[field] = np.ascontiguousarray(posterior.weights.T)
    n_genes = model.delta_.shape[1]
    for field, deviations in (
        (fields.deviations1, model.deviations1_),
        (fields.deviations2, model.deviations2_),
    ):
        if field in wanted:
            found[field] = stacked_deviations(deviations, n_genes)
    return found
