"""What a fitted comparison says about each gene, ready to be written."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.writing import spread_genes
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.group_scores import score_groups
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.stats.fdr import significance

if TYPE_CHECKING:
    from kompot.models.donor_expression import DonorExpression

__all__ = [
    "ExpressionResult",
    "cell_significance",
    "donor_significance",
    "gene_table",
    "gene_values",
    "table_columns",
]

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
    groups
        The same for each group of cells, by name; None if there are no groups.
    donors
        The comparison of samples; None without.
    null
        Distances against which those of genes were judged, ``(n_null,)``; empty for none.
    truncation_error
        Estimated relative error of the distances; None without distances.
    """

    model: DifferentialExpression
    table: pd.DataFrame
    groups: dict[str, pd.DataFrame] | None
    donors: "DonorExpression | None" = None
    null: Array = field(default_factory=lambda: np.empty(0))
    truncation_error: float | None = None


def gene_table(
    model: DifferentialExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    donors: "DonorExpression | None",
    null: Array,
) -> pd.DataFrame:
    """Scores of each gene over all cells compared; ``null`` are distances where nothing differs.

    Columns ``mean_lfc``; with samples or null genes ``pvalue``, ``local_fdr``, ``tail_fdr``,
    ``is_de``; with samples ``donor_region`` and ``donor_lfc``; with distances ``mahalanobis`` and
    ``ptp``; if asked for ``weighted_mean_lfc``, ``composition_change`` and ``expression_change``.
    Natural log.
    """
    table = pd.DataFrame({"mean_lfc": model.mean_fold_change()}, index=inputs.gene_names)
    if donors is not None:
        table = table.assign(**donor_significance(donors, settings.fdr.threshold))
    if settings.output.compute_mahalanobis:
        scores = model.score()
        if len(null):
            found = cell_significance(scores.mahalanobis, null, settings.fdr.threshold)
            table = table.assign(**found)
        table = table.assign(mahalanobis=scores.mahalanobis, ptp=scores.ptp)
    if inputs.abundance_change is None and not settings.output.attribution:
        return table
    cells = inputs.cells
    everything = np.ones(len(cells.rows), dtype=bool)
    (means,) = score_groups(
        model,
        cells.states,
        cells.condition,
        [everything],
        abundance_change=inputs.abundance_change,
        distances=False,
    )
    if means.weighted_mean_lfc is not None:
        table["weighted_mean_lfc"] = means.weighted_mean_lfc
    if settings.output.attribution:
        table["composition_change"] = means.composition
        table["expression_change"] = means.expression
    return table


def cell_significance(distance: Array, null: Array, threshold: float) -> dict[str, NDArray[Any]]:
    """Significance of distances judged against those of shuffled genes.

    Parameters
    ----------
    distance
        Distances, ``(n_genes,)``; all of them NaN if there is nothing to judge.
    null
        Distances of the shuffled genes, ``(n_null,)``.
    threshold
        Local false discovery rate below which genes are called.

    Returns
    -------
    ``pvalue``, ``local_fdr``, ``tail_fdr`` and ``is_de``, ``(n_genes,)`` each.
    """
    if np.isnan(distance).all():
        missing = np.full(len(distance), np.nan)
        rates = dict.fromkeys(("pvalue", "local_fdr", "tail_fdr"), missing)
        return rates | {"is_de": np.zeros(len(distance), dtype=bool)}
    found = significance(distance, null, threshold)
    return {
        "pvalue": found.p_value,
        "local_fdr": found.local_fdr,
        "tail_fdr": found.tail_fdr,
        "is_de": found.is_de,
    }


def donor_significance(donors: "DonorExpression", threshold: float) -> dict[str, NDArray[Any]]:
    """Significance of each gene for new donors, called by the tail rate; see ``gene_table``."""
    return {
        "pvalue": donors.p,
        "local_fdr": donors.local_fdr,
        "tail_fdr": donors.fdr,
        "is_de": donors.fdr < threshold,
        "donor_region": donors.strongest_names,
        "donor_lfc": np.where(np.isnan(donors.p), np.nan, donors.effect),
    }


def table_columns(fields: ExpressionFields) -> dict[Field, str]:
    """The column of the gene table that each field of ``var`` holds."""
    return {
        fields.mean_lfc: "mean_lfc",
        fields.mahalanobis: "mahalanobis",
        fields.local_fdr: "local_fdr",
        fields.is_de: "is_de",
        fields.pvalue: "pvalue",
        fields.tail_fdr: "tail_fdr",
        fields.ptp: "ptp",
        fields.weighted_mean_lfc: "weighted_mean_lfc",
        fields.composition_change: "composition_change",
        fields.expression_change: "expression_change",
        fields.donor_pvalue: "pvalue",
        fields.donor_fdr: "tail_fdr",
        fields.donor_region: "donor_region",
        fields.donor_lfc: "donor_lfc",
    }


def gene_values(
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    result: ExpressionResult,
    genes: NDArray[np.intp] | None,
) -> dict[Field, Any]:
    """Columns of ``var``; ``genes`` are the column numbers of those tested, None if all were."""
    values: dict[Field, Any] = {
        field: spread_genes(adata, field.name, result.table[column].to_numpy(), genes)
        for field, column in table_columns(fields).items()
        if field in wanted
    }
    if fields.donor_region in values:
        values[fields.donor_region] = pd.Categorical(values[fields.donor_region])
    return values
