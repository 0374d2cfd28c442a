"""What a fitted comparison says about each gene and each cell, ready to be written."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import threads
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.inputs import Cells, read_states
from kompot.anndata.writing import spread_columns, spread_genes
from kompot.gp.linalg import row_slices
from kompot.models.differential_expression import DifferentialExpression
from kompot.progress import bar
from kompot.records.fields import ExpressionFields, Field
from kompot.settings import ExpressionSettings, FDRSettings, OutputSettings, StorageSettings
from kompot.stats.fdr import significance
from kompot.stats.fold_change import fold_change_zscores

__all__ = ["ExpressionResult", "cell_values", "gene_table", "gene_values", "stored_fields"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExpressionResult:
    """A fitted comparison.

    Attributes
    ----------
    model
        The fitted model.
    table
        One row for each gene.
    expression
        What was read.
    """

    model: DifferentialExpression
    table: pd.DataFrame
    expression: ExpressionRows


def gene_table(
    model: DifferentialExpression,
    genes: pd.Index,
    fdr: FDRSettings,
    *,
    compute_mahalanobis: bool,
) -> pd.DataFrame:
    """Scores of each gene.

    Columns ``mean_lfc``; with null genes ``pvalue``, ``local_fdr``, ``tail_fdr``, ``is_de``; with
    distances ``mahalanobis`` and ``ptp``. Natural log.
    """
    if not compute_mahalanobis:
        return pd.DataFrame({"mean_lfc": model.mean_fold_change()}, index=genes)
    scores = model.score()
    table = pd.DataFrame({"mean_lfc": scores.mean_lfc}, index=genes)
    null = model.null_distances()
    if len(null):
        found = significance(scores.mahalanobis, null, fdr.threshold)
        table = table.assign(
            pvalue=found.p_value,
            local_fdr=found.local_fdr,
            tail_fdr=found.tail_fdr,
            is_de=found.is_de,
        )
    return table.assign(mahalanobis=scores.mahalanobis, ptp=scores.ptp)


def stored_fields(
    fields: ExpressionFields, fdr: bool, output: OutputSettings, storage: StorageSettings
) -> list[Field]:
    """The fields that a run with these options writes."""
    extra = storage.store_additional_stats
    distances = output.compute_mahalanobis
    dense = storage.layers == "dense"
    wanted = [
        (fields.mean_lfc, True),
        (fields.mahalanobis, distances),
        (fields.local_fdr, fdr),
        (fields.is_de, fdr),
        (fields.pvalue, fdr and extra),
        (fields.tail_fdr, fdr and extra),
        (fields.ptp, distances and extra),
        (fields.imputed1, dense),
        (fields.imputed2, dense),
        (fields.fold_change, dense),
        (fields.zscores, dense and extra),
        (fields.std1, True),
        (fields.std2, True),
        (fields.covariance, storage.store_posterior_covariance),
    ]
    return [field for field, is_written in wanted if is_written]


def gene_values(
    adata: AnnData, fields: ExpressionFields, wanted: list[Field], result: ExpressionResult
) -> dict[Field, NDArray[Any]]:
    """Columns of ``var``."""
    columns = {
        fields.mean_lfc: "mean_lfc",
        fields.mahalanobis: "mahalanobis",
        fields.local_fdr: "local_fdr",
        fields.is_de: "is_de",
        fields.pvalue: "pvalue",
        fields.tail_fdr: "tail_fdr",
        fields.ptp: "ptp",
    }
    genes = result.expression.genes
    return {
        field: spread_genes(adata, field.name, result.table[column].to_numpy(), genes)
        for field, column in columns.items()
        if field in wanted
    }


def cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    result: ExpressionResult,
    cells: Cells,
    settings: ExpressionSettings,
) -> dict[Field, NDArray[Any]]:
    """Layers (float32), columns of ``obs`` and the covariance, for every cell of the data.

    The functions are known everywhere, so cells of other conditions have values too; the
    covariance is zero for them.
    """
    model, n_genes = result.model, result.expression.shape[1]
    names = {
        "condition1_imputed": fields.imputed1,
        "condition2_imputed": fields.imputed2,
        "fold_change": fields.fold_change,
        "fold_change_zscores": fields.zscores,
    }
    layers = {
        name: np.empty((adata.n_obs, n_genes), dtype=np.float32)
        for name, field in names.items()
        if field in wanted
    }
    std = {name: np.empty(adata.n_obs) for name in ("condition1_std", "condition2_std")}
    states = read_states(adata, settings.comparison.obsm_key)
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))

    def predict(rows: slice) -> None:
        part = model.predict_chunk(states[rows], genes=bool(layers))
        if "fold_change_zscores" in layers:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, array in (layers | std).items():
            array[rows] = part[name]

    done = threads.map_batches(predict, slices)
    for _ in bar(done, "predicting", "batch", len(slices), shown=settings.output.progress):
        pass
    values: dict[Field, NDArray[Any]] = {
        names[name]: spread_columns(adata, names[name].name, layer, result.expression.genes)
        for name, layer in layers.items()
    }
    values[fields.std1], values[fields.std2] = std["condition1_std"], std["condition2_std"]
    if fields.covariance in wanted:
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(cells.rows, cells.rows)] = model.covariance(cells.states)
        values[fields.covariance] = covariance
    return values
