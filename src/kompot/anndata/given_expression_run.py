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
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory
from kompot.anndata.cell_choice import CellChoice, choose_cells
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_groups import full_group_results, group_values
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_model import with_seeds
from kompot.anndata.expression_record import expression_record
from kompot.anndata.expression_results import (
    ExpressionResult,
    cell_significance,
    gene_values,
    stored_fields,
)
from kompot.anndata.given_layers import given_cell_values, refuse_factored
from kompot.anndata.inputs import (
    Cells,
    read_abundance_change,
    read_cells,
    read_expression,
    refuse_missing_values,
)
from kompot.anndata.landmarks import find_landmarks
from kompot.anndata.later import refuse_own_noise
from kompot.anndata.layer_store import store_of_layers
from kompot.anndata.null_inputs import NullInputs, read_null
from kompot.anndata.null_results import null_data
from kompot.anndata.on_disk import refuse_unwritable, with_frames
from kompot.anndata.separate_scales import fit_separately
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import refuse_overwrite, write_fields
from kompot.models.given_expression import GivenExpression, given_expression
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.settings.checks import SEPARATE
from kompot.stats.fold_change import abundance_weights

if TYPE_CHECKING:
    from kompot.models.differential_expression import DifferentialExpression

__all__ = ["needs_given_run", "run_given_expression"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]


def needs_given_run(settings: ExpressionSettings) -> bool:
    """Whether functions are given, or fitted apart, so that they share no features."""
    return bool(settings.model.names) or settings.gp.param_scheme == SEPARATE


def run_given_expression(
    adata: AnnData, settings: ExpressionSettings
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
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
    inputs, model = _read(adata, settings)
    storage, output = settings.storage, settings.output
    comparison = settings.comparison
    if output.compute_mahalanobis and not model.has_distances:
        log.warning(
            "The functions have no method `covariance`: there are means, but neither distances nor "
            "significance"
        )
        output = replace(output, compute_mahalanobis=False)
        settings = replace(settings, output=output)
    names = (storage.result_key, comparison.condition1, comparison.condition2)
    fields = ExpressionFields(*names, with_samples=model.is_varied)
    wanted = _wanted(fields, model, settings)
    store = None
    if output.copy or output.inplace:
        refuse_unwritable(adata, copy=output.copy)
        what = f"Differential expression results with result_key={storage.result_key!r}"
        refuse_overwrite(adata, wanted, what, settings)
        n_layers = sum(field.location == "layers" for field in wanted)
        store = store_of_layers(adata, n_layers, storage)

    result = _compute(model, inputs, settings)
    full = _full_results(adata, result, inputs, wanted, settings)
    if not (output.copy or output.inplace):
        return full
    values: dict[Field, Any] = {}
    values |= gene_values(adata, fields, wanted, result, inputs.expression.genes)
    values |= group_values(adata, fields, wanted, result, inputs.expression.genes)
    values |= given_cell_values(adata, fields, wanted, model, inputs, settings, store)
    record = expression_record(result, fields, wanted, inputs, settings, usage=usage.taken())
    points = np.empty((0, inputs.cells.n_dims))
    if output.compute_mahalanobis:
        points = model.points(inputs.cells.states)
    uns = uns_entries(
        *(adata, "kompot_de", points, wanted, record),
        store_landmarks=storage.store_landmarks and len(points) > 0,
    )
    target = target.copy() if output.copy else target
    write_fields(target, {field: values[field] for field in wanted}, uns)
    returned = full if output.return_full_results or output.return_null_data else None
    if output.copy:
        return target if returned is None else (returned, target)
    return returned


def _read(adata: AnnData, settings: ExpressionSettings) -> tuple[ExpressionInputs, GivenExpression]:
    """Cells, genes and functions, all checked."""
    comparison, gp = settings.comparison, settings.gp
    if comparison.sample_col is not None:
        msg = (
            "`sample_col` needs expression of samples, but functions were given: leave it out, and "
            "give `variance_predictor1` and `variance_predictor2` for the variance between samples."
        )
        if not settings.model.names:
            msg = (
                "`sample_col` needs features that both conditions share, which "
                "param_scheme='separate' does not have; use another scheme."
            )
        raise ValueError(msg)
    choice = choose_cells(adata, comparison, settings.filter, stacklevel=5)
    cells = read_cells(adata, comparison, choice.excluded)
    tested = read_expression(adata, cells, comparison)
    columns = np.arange(adata.n_vars) if tested.genes is None else tested.genes
    if not settings.model.names:
        return _fitted(adata, settings, choice, cells, tested)
    null = _null_columns(settings, columns)
    given = gp.landmarks if gp.landmarks is not None else "draw"
    landmarks, source = find_landmarks(adata, given, (), cells.n_dims)
    model = given_expression(
        settings.model,
        eps=gp.eps,
        batch_size=gp.batch_size,
        landmarks=landmarks,
        genes=None if null is None else np.setdiff1d(np.arange(len(columns)), null),
        null=null,
    )
    if model is None:
        msg = "There are no functions: give `model1` and `model2`, or function predictors."
        raise ValueError(msg)
    n_given = model.values(cells.states[:1])[0].shape[1]
    if n_given != len(columns):
        msg = (
            f"The functions give {n_given} genes but {len(columns)} are tested; list those that "
            "they were fitted on in `genes`."
        )
        raise ValueError(msg)
    genes = tested.genes if model.genes is None else columns[model.genes]
    kept = columns if genes is None else genes
    return ExpressionInputs(
        choice,
        cells,
        replace(tested, genes=genes),
        adata.var_names[kept],
        landmarks,
        source,
        read_abundance_change(adata, comparison, cells.rows),
        NullInputs(null),
        None,
    ), model


def _fitted(
    adata: AnnData,
    settings: ExpressionSettings,
    choice: CellChoice,
    cells: Cells,
    tested: ExpressionRows,
) -> tuple[ExpressionInputs, GivenExpression]:
    """Functions of both conditions fitted apart (``param_scheme="separate"``)."""
    null = read_null(settings, cells, adata.n_vars, donor_level=False)
    if null.expression is not None or len(null.distances):
        msg = (
            "`null_expression` and `null_mahalanobis` cannot be used with "
            "param_scheme='separate'; give `null_genes`, or another scheme."
        )
        raise ValueError(msg)
    keys = (settings.storage.result_key, "kompot_de", "kompot_da")
    landmarks, source = find_landmarks(adata, settings.gp.landmarks, keys, cells.n_dims)
    refuse_missing_values(tested)
    model = fit_separately(tested, cells, null.choice, landmarks, settings)
    change = read_abundance_change(adata, settings.comparison, cells.rows)
    names = adata.var_names if tested.genes is None else adata.var_names[tested.genes]
    inputs = (choice, cells, tested, names, landmarks, source, change, null, None)
    return ExpressionInputs(*inputs), model


def _null_columns(
    settings: ExpressionSettings, columns: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Places of the null genes among the functions' columns; None for none.

    Raises
    ------
    ValueError
        If genes would have to be shuffled and fitted, or a column is not tested.
    """
    fdr = settings.fdr
    if fdr.null_expression is not None or fdr.null_mahalanobis is not None:
        name = "null_mahalanobis" if fdr.null_expression is None else "null_expression"
        msg = f"`{name}` cannot be used with given functions; list null columns in `null_genes`."
        raise ValueError(msg)
    chosen = fdr.null_genes
    if chosen is None or (np.ndim(chosen) == 0 and int(chosen) == 0):
        return None
    if np.ndim(chosen) == 0:
        msg = (
            f"`null_genes={chosen}` would shuffle genes and fit them, but functions were given. "
            "Fit shuffled genes together with the others and list their columns, "
            "null_genes=[...], or give null_genes=None."
        )
        raise ValueError(msg)
    listed = np.unique(np.asarray(chosen, dtype=np.intp))
    outside = np.setdiff1d(listed, columns)
    if len(outside) or len(listed) == len(columns):
        msg = (
            "`null_genes` must list some of the columns that are tested, not all; "
            f"{len(outside)} of {len(listed)} are not among them: {outside[:5].tolist()}."
        )
        raise ValueError(msg)
    return np.flatnonzero(np.isin(columns, listed)) if len(listed) else None


def _wanted(
    fields: ExpressionFields, model: GivenExpression, settings: ExpressionSettings
) -> list[Field]:
    """Fields that such a run can write."""
    has_fdr = model.null is not None and settings.output.compute_mahalanobis
    left_out = [fields.ptp, fields.of_groups(fields.ptp)]
    if not model.has_variances:
        left_out += [fields.zscores, fields.std1, fields.std2]
    if not model.has_distances:
        left_out += [fields.covariance]
    stored = stored_fields(fields, settings, has_fdr=has_fdr)
    return [field for field in stored if field not in left_out]


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


def _full_results(
    adata: AnnData,
    result: ExpressionResult,
    inputs: ExpressionInputs,
    wanted: list[Field],
    settings: ExpressionSettings,
) -> dict[str, Any]:
    """The dictionary that is returned if asked for."""
    full: dict[str, Any] = {
        "table": result.table,
        "model": result.model,
        "field_names": {field.role: field.name for field in wanted},
    }
    if settings.output.return_null_data and not settings.model.names:
        full["null"] = null_data(adata, result, inputs, settings)
    elif settings.output.return_null_data:
        full["null"] = {
            "mahalanobis": result.null,
            "gene_indices": np.asarray(settings.fdr.null_genes or [], dtype=np.intp),
            "n_null": len(result.null),
            "seed": None,
            "source": "given" if len(result.null) else "none",
        }
    if result.groups is None:
        return full
    full["underrepresentation"] = inputs.choice.underrepresented
    return full | full_group_results(result.groups)
