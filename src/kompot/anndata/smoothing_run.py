"""The steps of a smoothing run: validate, read, fit, evaluate, write, record."""

import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory
from kompot.anndata.expression_model import with_seed
from kompot.anndata.factored_layers import basis_digest
from kompot.anndata.layer_store import array_store, store_of_layers
from kompot.anndata.on_disk import with_frames
from kompot.anndata.smoothing_inputs import SmoothingInputs, read_smoothing_inputs
from kompot.anndata.smoothing_layers import smoothed_values
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import Returned, check_target, finish
from kompot.models.expression_model import ExpressionModel
from kompot.records.factored import factored_entry, smoothing_layers
from kompot.records.fields import Field
from kompot.records.recording import new_record
from kompot.records.smoothing_fields import SmoothingFields
from kompot.settings import SmoothingSettings

__all__ = ["run_smoothing"]

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


def run_smoothing(
    adata: AnnData, settings: SmoothingSettings, model: ExpressionModel | None = None
) -> Returned:
    """Validate, read, check resources, fit unless fitted, evaluate, write, record."""
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    _refuse_nothing(settings)
    inputs = read_smoothing_inputs(adata, settings)
    fields = SmoothingFields(settings.storage.result_key, settings.comparison.condition)
    wanted = _wanted(fields, settings, inputs, model)
    output = settings.output
    earlier = check_target(adata, wanted, settings)
    settings = replace(settings, gp=with_seed(settings.gp, earlier))
    store = None
    if output.is_written:
        n_layers = sum(field.location == "layers" for field in wanted)
        store = store_of_layers(adata, n_layers, settings.storage)
    if model is None:
        inputs = replace(inputs, expression=inputs.expression.by_rows())
        inputs.expression.refuse_missing_values()
        model = _fit(inputs, settings)
        model.gene_names_ = inputs.gene_names.astype(str).tolist()
    else:
        _check_model(model, inputs)

    written = wanted if output.is_written else []
    values, table = smoothed_values(adata, model, inputs, fields, written, settings, store)
    log.info("%d cells fitted, %d genes smoothed", len(inputs.rows), len(table))
    names = {field.role: field.name for field in wanted}
    full = {"model": model, "table": table, "field_names": names}
    if not output.is_written:
        return full
    numerics = _numerics(model, inputs)
    record = new_record("smooth", settings, wanted, numerics, usage.taken())
    record |= {"uses_sample_variance": model.has_sample_variance, "has_groups": False}
    if fields.basis in wanted:
        layers = smoothing_layers(fields, with_samples=model.has_sample_variance)
        record |= factored_entry(layers, basis_digest(values[fields.basis]))
    landmarks = _landmarks(model, inputs)
    uns = uns_entries(
        adata,
        settings.KEY,
        landmarks,
        wanted,
        record,
        store_landmarks=settings.storage.store_landmarks,
    )
    return finish(target, values, uns, full if output.return_full_results else {}, output)


def _refuse_nothing(settings: SmoothingSettings) -> None:
    """Refuse a run of which nothing would be left."""
    if settings.storage.layers == "none" and not settings.output.return_full_results:
        msg = (
            "layers='none' without return_full_results=True would leave nothing of the results; "
            "give one of the two."
        )
        raise ValueError(msg)


def _wanted(
    fields: SmoothingFields,
    settings: SmoothingSettings,
    inputs: SmoothingInputs,
    model: ExpressionModel | None,
) -> list[Field]:
    """The fields that a run with these options writes.

    Raises
    ------
    ValueError
        If there are no factors of what is to be stored as such.
    """
    layers = settings.storage.layers
    if layers == "none":
        return []
    has_noise, has_samples = settings.gp.use_empirical_variance, inputs.sample is not None
    if model is not None:
        has_noise, has_samples = model.has_empirical_variance, model.has_sample_variance
    if layers == "factored":
        if has_noise or (model is not None and model.function_predictor is not None):
            what = "use_empirical_variance=True" if has_noise else "a function that was given"
            msg = f"layers='factored' has no factors of {what}; use layers='dense' or 'none'."
            raise ValueError(msg)
        factors = [fields.basis, fields.weights, fields.posterior_std]
        return [*factors, fields.deviations] if has_samples else factors
    return [
        fields.smoothed,
        fields.std,
        *([fields.obs_variance] if has_noise else []),
        *([fields.sample_variance] if has_samples else []),
    ]


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
    store = array_store(settings.storage)
    model.set_params(store_arrays_on_disk=store.on_disk, disk_storage_dir=store.directory)
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


def _landmarks(model: ExpressionModel, inputs: SmoothingInputs) -> Array:
    """Landmarks used; none of a function that was given."""
    given = model.function_predictor is not None
    return np.empty((0, inputs.states.shape[1])) if given else model.landmarks


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
