"""What a fitted function says about each cell, ready to be written."""

from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import threads
from kompot.anndata.factored_layers import factor_values, stacked_deviations
from kompot.anndata.layer_store import DenseLayer
from kompot.anndata.smoothing_inputs import SmoothingInputs
from kompot.gp.features import residual_variance
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.arrays import usable_states
from kompot.models.expression_model import ExpressionModel
from kompot.progress import bar
from kompot.records.fields import Field
from kompot.records.smoothing_fields import SmoothingFields
from kompot.settings import SmoothingSettings
from kompot.stats.sample_variance import deviation_variance

__all__ = ["smoothed_values"]

Array = NDArray[np.float64]
_MEAN, _MEAN_STD = 0, 1


def smoothed_values(  # noqa: PLR0917
    adata: AnnData,
    model: ExpressionModel,
    inputs: SmoothingInputs,
    fields: SmoothingFields,
    wanted: list[Field],
    settings: SmoothingSettings,
    store: ArrayStore | None,
) -> tuple[dict[Field, NDArray[Any]], pd.DataFrame]:
    """Layers (float32) or their factors, and the means of every gene over the cells.

    Every cell of the data is evaluated, whether or not it was fitted; those without a state have
    no values (NaN) and do not count in the means.

    Parameters
    ----------
    adata, model, inputs, fields, wanted, settings
        The run.
    store
        Where dense layers are made; None for memory.
    """
    genes, n_genes = inputs.expression.genes, inputs.expression.shape[1]
    values: dict[Field, NDArray[Any]] = {}
    with ExitStack() as stack:
        layers = {
            field: stack.enter_context(DenseLayer(adata, field.name, genes, store))
            for field in wanted
            if field.location == "layers"
        }
        if fields.basis in wanted:
            rank = model.function_.features_.rank
            values[fields.basis] = np.empty((adata.n_obs, rank), dtype=np.float32)
            values[fields.posterior_std] = np.empty(adata.n_obs)

        def predict(rows: slice) -> tuple[Array, int]:
            states = inputs.states[rows]
            known = usable_states(states)
            parts = _parts(model, states[known], fields)
            for field, part in parts.items():
                width = n_genes if field in layers else part.shape[1]
                whole = np.full((len(states), width), np.nan)
                whole[known] = part
                if field in layers:
                    layers[field].write(rows, whole)
                elif field in values:
                    values[field][rows] = whole if values[field].ndim == 2 else whole[:, 0]
            sums = np.empty((2, n_genes))
            sums[_MEAN] = parts[fields.smoothed].sum(axis=0)
            sums[_MEAN_STD] = parts[fields.std].sum(axis=0)
            return sums, int(known.sum())

        slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
        done = threads.map_batches(predict, slices)
        sums, n_known = np.zeros((2, n_genes)), 0
        for part, n in bar(
            done, "predicting", "batch", len(slices), shown=settings.output.progress
        ):
            sums += part
            n_known += n
        values |= {field: layer.finished() for field, layer in layers.items()}
    means = sums / n_known
    table = pd.DataFrame(
        {"mean_smoothed": means[_MEAN], "mean_std": means[_MEAN_STD]}, index=inputs.gene_names
    )
    if fields.basis in wanted:
        weights = _weights(model, fields, wanted)
        basis = (fields.basis, values[fields.basis])
        values |= factor_values(adata, settings.KEY, basis, weights, genes)
    return values, table


def _parts(model: ExpressionModel, states: Array, fields: SmoothingFields) -> dict[Field, Array]:
    """All that the model knows at some cells, ``(n_cells, n_genes)``, or a column for all genes."""
    if model.function_predictor is not None:
        parts = {fields.smoothed: model.predict(states).reshape(len(states), -1)}
        total = model.covariance(states)[:, None] + model.eps
        if model.has_empirical_variance:
            parts[fields.obs_variance] = model.obs_variance(states)
        if model.has_sample_variance:
            parts[fields.sample_variance] = model.sample_variance(states)
    else:
        posterior = model.function_.posterior_
        phi = model.function_.features_(states)
        parts = {fields.smoothed: posterior.mean(phi), fields.basis: phi}
        total = (posterior.variance(phi) + residual_variance(phi) + model.eps)[:, None]
        parts[fields.posterior_std] = np.sqrt(total)
        if model.noise_ is not None:
            parts[fields.obs_variance] = model.noise_(phi)
        if model.deviations_:
            parts[fields.sample_variance] = deviation_variance(phi, model.deviations_)
    for field in (fields.obs_variance, fields.sample_variance):
        if field in parts:
            total = total + parts[field]
    return parts | {fields.std: np.sqrt(total)}


def _weights(
    model: ExpressionModel, fields: SmoothingFields, wanted: list[Field]
) -> dict[Field, NDArray[Any]]:
    """Weights of the genes' functions and of their samples' differences."""
    weights = model.function_.posterior_.weights
    found: dict[Field, NDArray[Any]] = {fields.weights: np.ascontiguousarray(weights.T)}
    if fields.deviations in wanted:
        found[fields.deviations] = stacked_deviations(model.deviations_, weights.shape[1])
    return found
