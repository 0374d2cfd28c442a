"""Differential expression of functions that were fitted elsewhere, or apart from each other.

The functions are evaluated, never fitted: expression is not read, and what only a fit needs
(``sigma``, ``ls``, ``n_landmarks``, ...) has no effect. Fields and records are those of any run,
but for what needs the data: tail probabilities (``ptp``), and significance over samples.

Genes are the columns of the data that are tested, in their order; the functions give one column
for each. Null genes are some of these columns that are known not to differ (shuffled before
fitting); they are left out of the results.

With ``param_scheme="separate"`` each condition is fitted here, with a length scale of its own; the
functions are then compared in the same way.
"""

import logging
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory
from kompot.anndata.expression_groups import group_values
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_model import with_seeds
from kompot.anndata.expression_record import expression_record
from kompot.anndata.expression_results import (
    ExpressionResult,
    cell_significance,
    gene_values,
)
from kompot.anndata.expression_scale import warn_of_scale
from kompot.anndata.given_inputs import read_given_inputs
from kompot.anndata.given_layers import given_cell_values
from kompot.anndata.given_resources import store_of_given_run
from kompot.anndata.on_disk import with_frames
from kompot.anndata.refusals import refuse_factored, refuse_own_noise
from kompot.anndata.returned_results import full_results
from kompot.anndata.separate_scales import fit_separately
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import Returned, check_target, finish
from kompot.models.given_expression import GivenExpression
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import abundance_weights

if TYPE_CHECKING:
    from kompot.models.differential_expression import DifferentialExpression

__all__ = ["run_given_expression"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]


def run_given_expression(adata: AnnData, settings: ExpressionSettings) -> Returned:
    """Validate, evaluate, score, write, record; returns what a fitted run does.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed but a few cells' expression.
    """
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    refuse_own_noise(settings)
    refuse_factored(settings)
    settings = with_seeds(settings)
    given = read_given_inputs(adata, settings)
    if given.settled(settings) is not settings:
        log.warning(
            "The functions have no method `covariance`: there are means, but neither distances nor "
            "significance"
        )
        settings = given.settled(settings)
    fields, wanted = given.fields(settings), given.wanted(settings)
    check_target(adata, wanted, settings)
    store = store_of_given_run(adata, given, settings, wanted)
    inputs, model = given.inputs, given.model
    if model is None:
        inputs = inputs.by_rows()
        model = _fitted(inputs, settings)

    result = _compute(model, inputs, settings)
    memory.release()
    full = full_results(adata, result, inputs, wanted, settings)
    if not settings.output.is_written:
        return full
    genes = inputs.expression.genes
    values = gene_values(adata, fields, wanted, result, genes)
    values |= group_values(adata, fields, wanted, result, genes)
    values |= given_cell_values(adata, fields, wanted, model, inputs, settings, store)
    record = expression_record(result, fields, wanted, inputs, settings, usage=usage.taken())
    points = np.empty((0, inputs.cells.n_dims))
    if settings.output.compute_mahalanobis:
        points = model.points(inputs.cells.states)
    uns = uns_entries(
        adata,
        "kompot_de",
        points,
        wanted,
        record,
        store_landmarks=settings.storage.store_landmarks and len(points) > 0,
    )
    return finish(target, {field: values[field] for field in wanted}, uns, full, settings.output)


def _fitted(inputs: ExpressionInputs, settings: ExpressionSettings) -> GivenExpression:
    """Functions of both conditions fitted apart (``param_scheme="separate"``)."""
    inputs.expression.refuse_missing_values()
    warn_of_scale(inputs.expression, settings.comparison.layer)
    memory.release()
    model = fit_separately(
        inputs.expression, inputs.cells, inputs.null.choice, inputs.landmarks, settings
    )
    memory.release()
    return model


def _compute(
    model: GivenExpression, inputs: ExpressionInputs, settings: ExpressionSettings
) -> ExpressionResult:
    """Score the genes over all cells and in groups."""
    cells, groups = inputs.cells, inputs.choice.groups
    members = {name: mask[cells.rows] for name, mask in (groups or {}).items()}
    everything = np.ones(len(cells.rows), dtype=bool)
    tables = _means(model, inputs, [everything, *members.values()], settings)
    null = np.empty(0)
    if settings.output.compute_mahalanobis:
        shares = [None, *[settings.filter.group_variance] * len(members)]
        found = zip([everything, *members.values()], tables, shares, strict=True)
        for number, (mask, table, share) in enumerate(found):
            if not mask.any():
                _add_distances(table, np.full(len(table), np.nan), np.empty(0), model, settings)
                continue
            distance, of_null = model.distances(cells.states[mask], share)
            null = of_null if number == 0 else null
            _add_distances(table, distance, of_null, model, settings)
    by_group = None if groups is None else dict(zip(members, tables[1:], strict=True))
    fitted = cast("DifferentialExpression", model)
    return ExpressionResult(fitted, tables[0], by_group, None, null)


def _add_distances(
    table: pd.DataFrame,
    distance: Array,
    null: Array,
    model: GivenExpression,
    settings: ExpressionSettings,
) -> None:
    """Add distances and what the null genes say of them."""
    if model.null is not None:
        rates = cell_significance(distance, null, settings.fdr.threshold)
        for name, values in rates.items():
            table[name] = values
    table["mahalanobis"] = distance


def _means(
    model: GivenExpression,
    inputs: ExpressionInputs,
    masks: list[NDArray[np.bool_]],
    settings: ExpressionSettings,
) -> list[pd.DataFrame]:
    """Means over the cells of each mask, in one pass over the cells.

    The parts of a change are those of :func:`kompot.stats.attribution.decompose_change`, with
    means of the functions for features times weights.
    """
    n_genes, cells = len(inputs.gene_names), inputs.cells
    # Sums over the cells of a mask and condition of the function of either condition.
    sums = np.zeros((len(masks), 2, 2, n_genes))
    weighted, weight = np.zeros((len(masks), n_genes)), np.zeros(len(masks))
    change = inputs.abundance_change
    importance = None if change is None else abundance_weights(change)
    for rows, *both in model.chunks(cells.states):
        for number, mask in enumerate(masks):
            for c in (0, 1):
                own = mask[rows] & (cells.condition[rows] == c)
                for function in (0, 1):
                    sums[number, c, function] += both[function][own].sum(axis=0)
            if importance is not None:
                share = importance[rows] * mask[rows]
                weighted[number] += share @ (both[1] - both[0])
                weight[number] += share.sum()
    tables = []
    for number, mask in enumerate(masks):
        counts = np.bincount(cells.condition[mask], minlength=2).astype(float)
        total = sums[number].sum(axis=0)
        columns: dict[str, Array] = {"mean_lfc": _ratio(total[1] - total[0], counts.sum())}
        if importance is not None:
            columns["weighted_mean_lfc"] = _ratio(weighted[number], weight[number])
        if settings.output.attribution:
            first, second = (_ratio(sums[number, c], counts[c]) for c in (0, 1))
            columns["composition_change"] = (second - first).mean(axis=0)
            columns["expression_change"] = ((first + second)[1] - (first + second)[0]) / 2.0
        tables.append(pd.DataFrame(columns, index=inputs.gene_names))
    return tables


def _ratio(sums: Array, count: float) -> Array:
    """Means; NaN without cells."""
    return sums / count if count else np.full_like(sums, np.nan)
