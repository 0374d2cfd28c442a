"""The steps of a differential-expression run: validate, read, fit, score, write, record."""

import logging
from typing import Any

import numpy as np
from anndata import AnnData

from kompot import memory
from kompot.anndata.expression_groups import full_group_results, group_tables, group_values
from kompot.anndata.expression_inputs import ExpressionInputs, read_inputs
from kompot.anndata.expression_layers import cell_values
from kompot.anndata.expression_model import compare_samples, fit_model, with_seeds
from kompot.anndata.expression_record import expression_record
from kompot.anndata.expression_resources import store_of_run
from kompot.anndata.expression_results import (
    ExpressionResult,
    gene_table,
    gene_values,
    stored_fields,
)
from kompot.anndata.null_results import null_data
from kompot.anndata.on_disk import refuse_unwritable, with_frames
from kompot.anndata.refusals import refuse_own_noise
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import refuse_overwrite, write_fields
from kompot.models.array_store import ArrayStore
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings

__all__ = ["run_expression"]

log = logging.getLogger(__name__)


def run_expression(
    adata: AnnData, settings: ExpressionSettings
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    """Validate, read, check resources, fit, score, write, record."""
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    refuse_own_noise(settings)
    settings = with_seeds(settings)
    comparison, storage, output = settings.comparison, settings.storage, settings.output
    inputs = read_inputs(adata, settings)
    fields = ExpressionFields(
        storage.result_key,
        comparison.condition1,
        comparison.condition2,
        with_samples=inputs.samples is not None,
        donor_level=inputs.donor_level,
        with_noise=settings.gp.use_empirical_variance,
    )
    has_fdr = inputs.donor_level or inputs.null.exists
    wanted = stored_fields(fields, settings, has_fdr=has_fdr)
    if output.copy or output.inplace:
        refuse_unwritable(adata, copy=output.copy)
        what = f"Differential expression results with result_key={storage.result_key!r}"
        refuse_overwrite(adata, wanted, what, settings)
    store = store_of_run(adata, inputs, settings, wanted)
    inputs = inputs.by_rows()
    inputs.expression.refuse_missing_values()
    memory.release()

    result = _compute(inputs, settings, store)
    model = result.model
    _log_result(result, inputs, settings)
    full = _full_results(result, inputs, wanted) if output.return_full_results else {}
    if output.return_null_data:
        full["null"] = null_data(adata, result, inputs, settings)
    returns = output.return_full_results or output.return_null_data
    if not (output.copy or output.inplace):
        return full

    values: dict[Field, Any] = {}
    values |= gene_values(adata, fields, wanted, result, inputs.expression.genes)
    values |= group_values(adata, fields, wanted, result, inputs.expression.genes)
    values |= cell_values(adata, fields, wanted, model, inputs, settings, store)
    memory.release()
    basis = values.get(fields.basis)
    record = expression_record(
        result, fields, wanted, inputs, settings, basis=basis, usage=usage.taken()
    )
    uns = uns_entries(
        adata,
        "kompot_de",
        model.features_.landmarks,
        wanted,
        record,
        store_landmarks=storage.store_landmarks,
    )
    target = target.copy() if output.copy else target
    write_fields(target, {field: values[field] for field in wanted}, uns)
    if output.copy:
        return (full, target) if returns else target
    return full if returns else None


def _compute(
    inputs: ExpressionInputs, settings: ExpressionSettings, store: ArrayStore
) -> ExpressionResult:
    """Fit, compare samples if there are, and score."""
    model = fit_model(inputs, settings, store)
    donors = compare_samples(model, inputs.samples)
    null, truncation_error = inputs.null.distances, None
    if settings.output.compute_mahalanobis:
        null = np.concatenate([model.null_distances(), null])
        truncation_error = model.truncation_error()
    memory.release()
    table = gene_table(model, inputs, settings, donors, null)
    memory.release()
    groups = None
    if inputs.choice.groups is not None:
        groups = group_tables(model, inputs, settings, donors)
        memory.release()
    return ExpressionResult(model, table, groups, donors, null, truncation_error)


def _full_results(
    result: ExpressionResult, inputs: ExpressionInputs, wanted: list[Field]
) -> dict[str, Any]:
    """The dictionary that is returned if asked for."""
    full: dict[str, Any] = {
        "table": result.table,
        "model": result.model,
        "landmarks": result.model.features_.landmarks,
        "field_names": {field.role: field.name for field in wanted},
    }
    if result.donors is not None:
        full["donor_test"] = result.donors
    if result.groups is None:
        return full
    full["underrepresentation"] = inputs.choice.underrepresented
    return full | full_group_results(result.groups)


def _log_result(
    result: ExpressionResult, inputs: ExpressionInputs, settings: ExpressionSettings
) -> None:
    """One line of numbers for each step."""
    features, model = result.model.features_, result.model
    log.info(
        "%d cells of %r and %d of %r; length scale %.4g, rank %d, residual %.2g (largest %.2g)",
        inputs.cells.sizes[0],
        settings.comparison.condition1,
        inputs.cells.sizes[1],
        settings.comparison.condition2,
        model.ls_,
        features.rank,
        features.residual_mean,
        features.residual_max,
    )
    if features.residual_mean >= model.tol > 0:
        log.warning(
            "The rank stopped at %d with a mean residual of %.2g, above tol=%g; "
            "more `n_landmarks` or a larger `ls` would bring it down",
            features.rank,
            features.residual_mean,
            model.tol,
        )
    _log_calls(result, settings)


def _log_calls(result: ExpressionResult, settings: ExpressionSettings) -> None:
    """How many genes were called, and of whom that speaks."""
    if "is_de" not in result.table:
        return
    level = "cell-level inference: about these cells, not about other donors"
    rate = "local FDR"
    if result.donors is not None:
        level, rate = "donor-level inference: about new donors", "FDR"
        unclear = result.donors.confounded
        if unclear:
            log.warning(
                "In %d of %d regions cell states of the conditions hardly overlap, so that a "
                "change of expression cannot be told from one of state: %s. Is the embedding "
                "integrated over samples?",
                len(unclear),
                len(result.donors.regions),
                ", ".join(unclear[:5]),
            )
    log.info(
        "%d of %d genes with a %s below %g (%s)",
        result.table["is_de"].sum(),
        len(result.table),
        rate,
        settings.fdr.threshold,
        level,
    )
    if result.groups is not None:
        called = {name: int(table["is_de"].sum()) for name, table in result.groups.items()}
        log.info("Called in groups: %s", called)
