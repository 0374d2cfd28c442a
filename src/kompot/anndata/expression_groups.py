"""What a fitted comparison says about each gene in groups of cells."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_results import ExpressionResult, cell_significance, table_columns
from kompot.anndata.inputs import Cells
from kompot.anndata.writing import spread_frame
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.group_scores import GroupScores, score_groups
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.records.tables import long_table
from kompot.settings import ExpressionSettings

if TYPE_CHECKING:
    from kompot.models.donor_expression import DonorExpression, GroupEvidence

__all__ = ["full_group_results", "group_tables", "group_values", "groups_summary"]

Array = NDArray[np.float64]
Masks = Mapping[str, NDArray[np.bool_]]

_STIFF = 0.01
"""Largest prior variance between cells, of 1, below which functions can hardly differ."""
_SPREAD = 300
"""Cells among which it is looked for."""

log = logging.getLogger(__name__)


def group_tables(
    model: DifferentialExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    donors: "DonorExpression | None",
) -> dict[str, pd.DataFrame]:
    """The gene table of each group, over its cells that were compared.

    Columns are those of :func:`kompot.anndata.expression_results.gene_table`; all are missing for a
    group without cells (``is_de`` is False).
    """
    groups, cells = inputs.choice.groups or {}, inputs.cells
    members = [mask[cells.rows] for mask in groups.values()]
    _warn_of_stiffness(model, cells)
    scores = score_groups(
        model,
        cells.states,
        cells.condition,
        members,
        share=settings.filter.group_variance,
        abundance_change=inputs.abundance_change,
        distances=settings.output.compute_mahalanobis,
    )
    shown = bar(scores, "scoring groups", "group", len(groups), shown=settings.output.progress)
    found = zip(groups, shown, strict=True)
    return {
        name: _table(
            group, None if donors is None else donors.region(name), inputs.gene_names, settings
        )
        for name, group in found
    }


def _table(
    scores: GroupScores,
    evidence: "GroupEvidence | None",
    genes: pd.Index,
    settings: ExpressionSettings,
) -> pd.DataFrame:
    """The gene table of one group."""
    columns: dict[str, Any] = {"mean_lfc": scores.mean_lfc}
    if evidence is not None:
        columns |= {
            "pvalue": evidence.p,
            "tail_fdr": evidence.fdr,
            "is_de": evidence.fdr < settings.fdr.threshold,
            "donor_lfc": evidence.effect,
        }
    if scores.mahalanobis is not None:
        null = scores.null_mahalanobis
        if null is not None and len(null):
            columns |= cell_significance(scores.mahalanobis, null, settings.fdr.threshold)
        columns |= {"mahalanobis": scores.mahalanobis, "ptp": scores.ptp}
    if scores.weighted_mean_lfc is not None:
        columns["weighted_mean_lfc"] = scores.weighted_mean_lfc
    if settings.output.attribution:
        columns["composition_change"] = scores.composition
        columns["expression_change"] = scores.expression
    return pd.DataFrame(columns, index=genes)


def _warn_of_stiffness(model: DifferentialExpression, cells: Cells) -> None:
    """Say so if the length scale is so long that no two cells can differ much."""
    some = cells.states[:: max(1, len(cells.states) // _SPREAD)]
    between = float(1.0 - model.features_.kernel(some, some).min())
    if between < _STIFF:
        log.warning(
            "The length scale %.4g is so long that groups can hardly differ (prior variance "
            "between cells %.2g of 1 at most); a smaller `ls_factor` or `ls` resolves them",
            model.ls_,
            between,
        )


def group_values(
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    result: ExpressionResult,
    genes: NDArray[np.intp] | None,
) -> dict[Field, pd.DataFrame]:
    """Tables of ``varm``, genes by groups; ``genes`` as in ``gene_values``."""
    values = {}
    for field, column in table_columns(fields).items():
        by_group = fields.of_groups(field)
        if by_group not in wanted or result.groups is None:
            continue
        columns = {name: table[column].to_numpy() for name, table in result.groups.items()}
        frame = pd.DataFrame(columns)
        values[by_group] = spread_frame(adata, by_group.name, frame, genes)
    return values


def full_group_results(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The documented entries of the returned dictionary, and all tables in one."""
    names = list(tables)

    def side_by_side(column: str) -> Array:
        return np.column_stack([tables[name][column].to_numpy() for name in names])

    entries: dict[str, Any] = {
        "group_names": names,
        "group_mean_log_fold_change": side_by_side("mean_lfc"),
    }
    if "mahalanobis" in tables[names[0]]:
        entries["group_mahalanobis_distances"] = side_by_side("mahalanobis")
    return entries | {"groups": long_table(tables)}


def groups_summary(groups: Masks, cells: Cells, conditions: tuple[str, str]) -> dict[str, Any]:
    """How many of the cells compared each group has, for the record of the run."""
    counts = {}
    for name, mask in groups.items():
        members = mask[cells.rows]
        n_cells = int(members.sum())
        numbers = np.bincount(cells.condition[members], minlength=2)
        counts[name] = {
            "count": n_cells,
            "percentage": 100.0 * n_cells / len(members),
            "conditions": {
                str(condition): {
                    "count": int(number),
                    "percentage": 100.0 * int(number) / max(n_cells, 1),
                }
                for condition, number in zip(conditions, numbers, strict=True)
            },
        }
    return {
        "count": len(groups),
        "names": list(groups),
        "description": "Groups of the cells compared; percentages of these, and of each group",
        "cells_per_group": counts,
    }
