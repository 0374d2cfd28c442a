"""The steps of a differential-expression run: validate, read, fit, score, write, record."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory, threads
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_record import expression_record
from kompot.anndata.expression_results import (
    ExpressionResult,
    cell_values,
    gene_table,
    gene_values,
    stored_fields,
)
from kompot.anndata.inputs import (
    Cells,
    read_cells,
    read_expression,
    read_null_genes,
    refuse_missing_values,
)
from kompot.anndata.landmarks import find_landmarks
from kompot.anndata.later import refuse_later_features
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import refuse_overwrite, write_fields
from kompot.models.differential_expression import DifferentialExpression
from kompot.records.fields import ExpressionFields, Field
from kompot.settings import ExpressionSettings, StorageSettings
from kompot.stats.null_genes import choose_null_genes, shuffle_columns

__all__ = ["run_expression"]

log = logging.getLogger(__name__)

_NULL_BLOCK = 512
"""Shuffled genes in a matrix."""


def run_expression(
    adata: AnnData, settings: ExpressionSettings
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    """Validate, read, check resources, fit, score, write, record."""
    usage = memory.Usage()
    refuse_later_features(settings)
    settings = _with_seeds(settings)
    comparison, storage, output = settings.comparison, settings.storage, settings.output
    cells = read_cells(adata, comparison)
    expression = read_expression(adata, cells, comparison)
    landmarks, source = find_landmarks(
        adata, settings.gp.landmarks, (storage.result_key, "kompot_de", "kompot_da"), cells.n_dims
    )
    null_choice = read_null_genes(settings.fdr.null_genes, adata.n_vars)
    if not output.compute_mahalanobis:
        null_choice = None
    fields = ExpressionFields(storage.result_key, comparison.condition1, comparison.condition2)
    wanted = stored_fields(fields, null_choice is not None, output, storage)
    if output.copy or output.inplace:
        what = f"Differential expression results with result_key={storage.result_key!r}"
        refuse_overwrite(adata, wanted, what, settings)
        _require_memory(adata, wanted, expression.shape[1], storage)
    refuse_missing_values(adata, expression)

    names = adata.var_names if expression.genes is None else adata.var_names[expression.genes]
    with threads.single_threaded_products():
        model = _fit(cells, expression, null_choice, landmarks, settings)
        table = gene_table(
            model, names, settings.fdr, compute_mahalanobis=output.compute_mahalanobis
        )
    result = ExpressionResult(model, table, expression)
    _log_result(result, cells, settings)
    full = {
        "table": table,
        "model": model,
        "landmarks": model.features_.landmarks,
        "field_names": {field.role: field.name for field in wanted},
    }
    if not (output.copy or output.inplace):
        return full

    values = gene_values(adata, fields, wanted, result)
    values |= cell_values(adata, fields, wanted, result, cells, settings)
    record = expression_record(
        result,
        fields,
        wanted,
        settings,
        landmarks_source=source,
        usage=usage.taken(),
    )
    uns = uns_entries(
        adata,
        "kompot_de",
        model.features_.landmarks,
        wanted,
        record,
        store_landmarks=storage.store_landmarks,
    )
    target = adata.copy() if output.copy else adata
    write_fields(target, {field: values[field] for field in wanted}, uns)
    if output.copy:
        return (full, target) if output.return_full_results else target
    return full if output.return_full_results else None


def _require_memory(
    adata: AnnData, wanted: list[Field], n_genes: int, storage: StorageSettings
) -> None:
    """Refuse layers and covariances that would not fit."""
    n_layers = sum(field.location == "layers" for field in wanted)
    width = adata.n_vars + (n_genes if n_genes < adata.n_vars else 0)
    memory.require(
        n_layers * memory.dense_bytes(adata.n_obs, width, itemsize=4),
        storage.max_memory_ratio,
        what=f"{n_layers} dense layers of {adata.n_obs} cells x {adata.n_vars} genes",
        remedy="Give layers='none' to store statistics only, or fewer `genes`.",
    )
    if storage.store_posterior_covariance:
        memory.require(
            2 * memory.dense_bytes(adata.n_obs, adata.n_obs),
            storage.max_memory_ratio,
            what=f"the posterior covariance of {adata.n_obs} cells",
            remedy="Give store_posterior_covariance=False.",
        )


def _fit(
    cells: Cells,
    expression: ExpressionRows,
    null_choice: int | NDArray[np.intp] | None,
    landmarks: NDArray[np.float64] | None,
    settings: ExpressionSettings,
) -> DifferentialExpression:
    """Fit both conditions and the shuffled genes in one pass over the cells."""
    gp = settings.gp
    null_expression = [] if null_choice is None else _shuffled(expression, null_choice, settings)
    model = DifferentialExpression(
        gp.n_landmarks,
        eps=gp.eps,
        random_state=gp.random_state,
        batch_size=gp.batch_size,
        kernel=gp.kernel,
        tol=gp.tol,
        param_scheme=gp.param_scheme,
    )
    return model.fit_cells(
        cells.states,
        expression,
        cells.condition,
        sigma=gp.sigma,
        ls=gp.ls,
        ls_factor=gp.ls_factor,
        landmarks=landmarks,
        null_expression=null_expression,
        progress=settings.output.progress,
    )


def _shuffled(
    expression: ExpressionRows, null_choice: int | NDArray[np.intp], settings: ExpressionSettings
) -> list[Any]:
    """Shuffled genes, some hundred in each matrix, made side by side."""
    rng = np.random.default_rng(settings.fdr.null_seed)
    picked = choose_null_genes(null_choice, expression.shape[1], rng)
    if isinstance(null_choice, int) and expression.genes is not None:
        picked = expression.genes[picked]
    genes, places = np.unique(picked, return_inverse=True)
    columns = ExpressionRows(expression.matrix, expression.cells, genes).read()
    n_blocks = -(-len(places) // _NULL_BLOCK)
    work = zip(np.array_split(places, n_blocks), rng.spawn(n_blocks), strict=True)
    return list(
        threads.map_batches(lambda part: shuffle_columns(columns[:, part[0]], part[1]), work)
    )


def _with_seeds(settings: ExpressionSettings) -> ExpressionSettings:
    """The same with seeds that were left open drawn, so that the record keeps them."""
    drawn = [int(seed) for seed in np.random.SeedSequence().generate_state(2)]
    gp, fdr = settings.gp, settings.fdr
    return replace(
        settings,
        gp=gp if gp.random_state is not None else replace(gp, random_state=drawn[0]),
        fdr=fdr if fdr.null_seed is not None else replace(fdr, null_seed=drawn[1]),
    )


def _log_result(result: ExpressionResult, cells: Cells, settings: ExpressionSettings) -> None:
    """One line of numbers for each step."""
    features, model = result.model.features_, result.model
    log.info(
        "%d cells of %r and %d of %r; length scale %.4g, rank %d, residual %.2g (largest %.2g)",
        cells.sizes[0],
        settings.comparison.condition1,
        cells.sizes[1],
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
    if "is_de" in result.table:
        log.info(
            "%d of %d genes with a local FDR below %g (cell-level inference: about these cells, "
            "not about other donors)",
            result.table["is_de"].sum(),
            len(result.table),
            settings.fdr.threshold,
        )
