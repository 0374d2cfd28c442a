"""What a fitted comparison says about each cell, ready to be written."""

from collections.abc import Callable, Container, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import threads
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.factored_layers import factor_values, stacked_deviations
from kompot.anndata.inputs import Cells
from kompot.anndata.layer_store import DenseLayer
from kompot.anndata.states import read_states
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.arrays import usable_states
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.expression_prediction import predict_states
from kompot.models.given_expression import GivenExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.records.history import HISTORY_KEYS
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

__all__ = [
    "Outputs",
    "add_zscores",
    "cell_covariance",
    "cell_values",
    "filled",
    "prediction_parts",
    "valued_cells",
]

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
    further: Outputs = {}
    if fields.basis in wanted:
        basis = np.empty((adata.n_obs, model.features_.rank), dtype=np.float32)
        further["features"] = basis.__setitem__

    def fill(outputs: Outputs) -> None:
        _predict(adata, model, outputs | further, inputs, settings)

    values = filled(adata, prediction_parts(fields, wanted), genes, store, fill)
    if fields.basis in wanted:
        weights = _weights(fields, wanted, model)
        key = HISTORY_KEYS["de"]
        values |= factor_values(adata, key, (fields.basis, basis), weights, genes)
    if fields.covariance in wanted:
        values[fields.covariance] = cell_covariance(adata, inputs.cells, model)
    return values


def filled(
    adata: AnnData,
    parts: Mapping[str, Field],
    genes: NDArray[np.intp] | None,
    store: ArrayStore | None,
    fill: Callable[[Outputs], None],
) -> dict[Field, NDArray[Any]]:
    """Layers and columns of ``obs`` of every cell, filled a batch of cells at a time.

    Parameters
    ----------
    adata
        The data.
    parts
        Where each part of a prediction goes, by its name.
    genes
        Positions of the genes with new values; None for all.
    store
        Where dense layers (float32) are made; None for memory.
    fill
        Gives each part its values.
    """
    columns = {name: np.empty(adata.n_obs) for name, f in parts.items() if f.location == "obs"}
    outputs: Outputs = {name: column.__setitem__ for name, column in columns.items()}
    with ExitStack() as stack:
        layers = {
            name: stack.enter_context(DenseLayer(adata, field.name, genes, store))
            for name, field in parts.items()
            if field.location == "layers"
        }
        fill(outputs | {name: layer.write for name, layer in layers.items()})
        values = {parts[name]: layer.finished() for name, layer in layers.items()}
    return values | {parts[name]: column for name, column in columns.items()}


def valued_cells(
    adata: AnnData, inputs: ExpressionInputs, settings: ExpressionSettings
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """States of all cells, and which cells get values: those with a state that are not left out."""
    states = read_states(adata, settings.comparison.obsm_key)
    valued, excluded = usable_states(states), inputs.choice.excluded
    return states, valued if excluded is None else valued & ~excluded


def cell_covariance(
    adata: AnnData, cells: Cells, model: DifferentialExpression | GivenExpression
) -> NDArray[np.float64]:
    """Posterior covariance of the fold change, ``(n_obs, n_obs)``; 0 for cells not compared."""
    covariance = np.zeros((adata.n_obs, adata.n_obs))
    covariance[np.ix_(cells.rows, cells.rows)] = model.covariance(cells.states)
    return covariance


def add_zscores(part: dict[str, Any], wanted: Container[str]) -> None:
    """Add z-scores to a part of a prediction, if they are wanted."""
    if "fold_change_zscores" in wanted:
        part["fold_change_zscores"] = fold_change_zscores(
            part["fold_change"], part["condition1_std"], part["condition2_std"]
        )


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
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> None:
    """Give each output its part of the prediction, a batch of cells at a time."""
    if not outputs:
        return
    states, valued = valued_cells(adata, inputs, settings)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    posteriors = model.posterior1_, model.posterior2_
    deviations = model.deviations1_, model.deviations2_
    genes = bool({"condition1_imputed", "fold_change"} & set(outputs))

    def predict(rows: slice) -> None:
        phi = model.features_(states[rows])
        part = predict_states(
            phi, posteriors, deviations, eps=model.eps, genes=genes, own_noise=model.own_noise_
        )
        part["features"] = phi
        add_zscores(part, outputs)
        for name, write in outputs.items():
            part[name][~valued[rows]] = np.nan
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
