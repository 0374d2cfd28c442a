"""The steps of a smoothing run: validate, read, fit, evaluate, write, record."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory, threads
from kompot.anndata.inputs import refuse_missing_values
from kompot.anndata.later import refuse_given
from kompot.anndata.on_disk import refuse_unwritable, with_frames
from kompot.anndata.smoothing_inputs import SmoothingInputs, read_smoothing_inputs
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import refuse_overwrite, spread_columns, write_fields
from kompot.gp.linalg import row_slices
from kompot.models.expression_model import ExpressionModel
from kompot.progress import bar
from kompot.records.fields import Field
from kompot.records.recording import new_record
from kompot.records.smoothing_fields import SmoothingFields
from kompot.settings import SmoothingSettings

__all__ = ["run_smoothing"]

Array = NDArray[np.float64]
Returned = dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None

log = logging.getLogger(__name__)


def run_smoothing(
    adata: AnnData, settings: SmoothingSettings, model: ExpressionModel | None = None
) -> Returned:
    """Validate, read, check resources, fit unless fitted, evaluate, write, record."""
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    settings = _checked(settings)
    storage, output = settings.storage, settings.output
    inputs = read_smoothing_inputs(adata, settings)
    fields = SmoothingFields(storage.result_key, settings.comparison.condition)
    wanted = _wanted(fields, settings, inputs, model)
    is_written = output.copy or output.inplace
    if is_written:
        refuse_unwritable(adata, copy=output.copy)
        what = f"Smoothed expression results with result_key={storage.result_key!r}"
        refuse_overwrite(adata, wanted, what, settings)
        _require_memory(adata, wanted, inputs, storage.max_memory_ratio)
    if model is None:
        refuse_missing_values(inputs.expression)
        model = _fit(inputs, settings)
        model.gene_names_ = inputs.gene_names.astype(str).tolist()
    else:
        _check_model(model, inputs)

    layers, table = _evaluate(model, inputs, fields, wanted if is_written else [], settings)
    log.info("%d cells fitted, %d genes smoothed", len(inputs.rows), len(table))
    full: dict[str, Any] = {}
    if output.return_full_results:
        names = {field.role: field.name for field in wanted}
        full = {"model": model, "table": table, "field_names": names}
    if not is_written:
        return full
    numerics = _numerics(model, inputs)
    record = new_record("smooth", settings, wanted, numerics, usage.taken())
    record |= {"uses_sample_variance": model.has_sample_variance, "has_groups": False}
    landmarks = np.empty((0, inputs.states.shape[1]))
    if model.function_predictor is None:
        landmarks = model.landmarks
    uns = uns_entries(
        adata, settings.KEY, landmarks, wanted, record, store_landmarks=storage.store_landmarks
    )
    target = target.copy() if output.copy else target
    write_fields(target, _spread(adata, layers, inputs), uns)
    if output.copy:
        return (full, target) if output.return_full_results else target
    return full if output.return_full_results else None


def _checked(settings: SmoothingSettings) -> SmoothingSettings:
    """The options with a seed that was left open drawn, after refusing what cannot be done."""
    gp, storage = settings.gp, settings.storage
    refuse_given(
        jit_compile=gp.jit_compile,
        store_arrays_on_disk=bool(storage.store_arrays_on_disk),
        disk_storage_dir=storage.disk_storage_dir is not None,
    )
    if storage.layers == "none" and not settings.output.return_full_results:
        msg = (
            "layers='none' without return_full_results=True would leave nothing of the results; "
            "give one of the two."
        )
        raise ValueError(msg)
    if gp.random_state is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])
        gp = replace(gp, random_state=seed)
    return replace(settings, gp=gp)


def _wanted(
    fields: SmoothingFields,
    settings: SmoothingSettings,
    inputs: SmoothingInputs,
    model: ExpressionModel | None,
) -> list[Field]:
    """The fields that a run with these options writes."""
    if settings.storage.layers == "none":
        return []
    has_noise, has_samples = settings.gp.use_empirical_variance, inputs.sample is not None
    if model is not None:
        has_noise, has_samples = model.has_empirical_variance, model.has_sample_variance
    return [
        fields.smoothed,
        fields.std,
        *([fields.obs_variance] if has_noise else []),
        *([fields.sample_variance] if has_samples else []),
    ]


def _require_memory(
    adata: AnnData, wanted: list[Field], inputs: SmoothingInputs, max_memory_ratio: float
) -> None:
    """Refuse layers that would not fit."""
    n_genes = inputs.expression.shape[1]
    width = adata.n_vars + (n_genes if n_genes < adata.n_vars else 0)
    memory.require(
        len(wanted) * memory.dense_bytes(adata.n_obs, width, itemsize=4),
        max_memory_ratio,
        what=f"{len(wanted)} dense layers of {adata.n_obs} cells x {adata.n_vars} genes",
        remedy="Give fewer `genes`, or layers='none' with return_full_results=True.",
    )


def _fit(inputs: SmoothingInputs, settings: SmoothingSettings) -> ExpressionModel:
    """Fit the cells chosen."""
    gp = settings.gp
    model = ExpressionModel(
        gp.n_landmarks,
        use_empirical_variance=gp.use_empirical_variance,
        eps=gp.eps,
        random_state=gp.random_state,
        batch_size=gp.batch_size,
        kernel=gp.kernel,
        tol=gp.tol,
    )
    return model.fit_cells(
        inputs.states[inputs.rows],
        inputs.expression,
        sigma=gp.sigma,
        ls=gp.ls,
        ls_factor=gp.ls_factor,
        landmarks=inputs.landmarks,
        sample=inputs.sample,
        progress=settings.output.progress,
    )


def _check_model(model: ExpressionModel, inputs: SmoothingInputs) -> None:
    """Refuse a fitted model of other genes."""
    names = getattr(model, "gene_names_", None)
    if names is not None and names != inputs.gene_names.astype(str).tolist():
        msg = (
            f"The given model has {len(names)} genes (first: {names[:5]}), others than the "
            f"{len(inputs.gene_names)} to be smoothed, or in another order; choose those of the "
            "model with `genes`, or take adata[:, model.gene_names_]."
        )
        raise ValueError(msg)
    first = inputs.states[inputs.rows[:1]]
    found, wanted = model.predict(first).reshape(1, -1).shape[1], inputs.expression.shape[1]
    if found != wanted:
        msg = (
            f"The given model has {found} genes but {wanted} are to be smoothed; choose those of "
            "the model with `genes`, in the order of adata.var_names."
        )
        raise ValueError(msg)


def _evaluate(
    model: ExpressionModel,
    inputs: SmoothingInputs,
    fields: SmoothingFields,
    wanted: list[Field],
    settings: SmoothingSettings,
) -> tuple[dict[Field, NDArray[np.float32]], pd.DataFrame]:
    """Layers (float32) and the means of every gene over all cells that have a state.

    Every cell of the data is evaluated, whether or not it was fitted.
    """
    n_obs, n_genes = len(inputs.states), inputs.expression.shape[1]
    layers = {field: np.full((n_obs, n_genes), np.nan, dtype=np.float32) for field in wanted}
    finite = np.flatnonzero((np.abs(inputs.states) < 1e150).all(axis=1))

    def predict(rows: slice) -> tuple[Array, Array]:
        cells = finite[rows]
        parts = _parts(model, inputs.states[cells], fields)
        for field, layer in layers.items():
            layer[cells] = parts[field]
        std = np.broadcast_to(parts[fields.std], parts[fields.smoothed].shape)
        return parts[fields.smoothed].sum(axis=0), std.sum(axis=0)

    slices = list(row_slices(len(finite), settings.gp.batch_size))
    done = threads.map_batches(predict, slices)
    sums = np.zeros((2, n_genes))
    for part in bar(done, "predicting", "batch", len(slices), shown=settings.output.progress):
        sums += part
    means = sums / len(finite)
    table = pd.DataFrame({"mean_smoothed": means[0], "mean_std": means[1]}, index=inputs.gene_names)
    return layers, table


def _parts(model: ExpressionModel, states: Array, fields: SmoothingFields) -> dict[Field, Array]:
    """All that the model knows at some cells, ``(n_cells, n_genes)``, or a column for all genes."""
    mean = model.predict(states)
    parts = {fields.smoothed: mean.reshape(len(states), -1)}
    total = model.covariance(states)[:, None] + model.eps
    if model.has_empirical_variance:
        parts[fields.obs_variance] = model.obs_variance(states)
        total = total + parts[fields.obs_variance]
    if model.has_sample_variance:
        parts[fields.sample_variance] = model.sample_variance(states)
        total = total + parts[fields.sample_variance]
    return parts | {fields.std: np.sqrt(total)}


def _spread(
    adata: AnnData, layers: Mapping[Field, NDArray[np.float32]], inputs: SmoothingInputs
) -> dict[Field, NDArray[Any]]:
    """Layers of all genes."""
    genes = inputs.expression.genes
    return {
        field: spread_columns(adata, field.name, layer, genes) for field, layer in layers.items()
    }


def _numerics(model: ExpressionModel, inputs: SmoothingInputs) -> dict[str, Any]:
    """What the numerics reached; of a function that was given only its source is known."""
    sizes = {"n_cells_fitted": len(inputs.rows), "n_genes": inputs.expression.shape[1]}
    if model.function_predictor is not None:
        return sizes | {"landmarks_source": "computed"}
    function = model.function_
    return sizes | {
        "ls": function.ls_,
        "evidence": None if function.evidence_ is None else asdict(function.evidence_),
        "rank": function.features_.rank,
        "tol": model.tol,
        "residual_mean": function.features_.residual_mean,
        "residual_max": function.features_.residual_max,
        "landmarks_source": inputs.landmarks_source,
        "random_state": model.random_state,
    }
