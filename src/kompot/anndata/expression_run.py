"""The steps of a differential-expression run: validate, read, fit, score, write, record."""

import logging

import numpy as np
from anndata import AnnData

from kompot import memory
from kompot.anndata.condition_overlap import warn_if_apart
from kompot.anndata.expression_groups import group_tables, group_values
from kompot.anndata.expression_inputs import ExpressionInputs, read_inputs
from kompot.anndata.expression_layers import cell_values
from kompot.anndata.expression_model import compare_samples, fit_model, with_seeds
from kompot.anndata.expression_record import expression_record, fdr_results
from kompot.anndata.expression_resources import store_of_run
from kompot.anndata.expression_results import ExpressionResult, gene_table, gene_values
from kompot.anndata.expression_samples import without_covariance
from kompot.anndata.expression_scale import warn_of_scale
from kompot.anndata.on_disk import with_frames
from kompot.anndata.refusals import refuse_own_noise
from kompot.anndata.returned_results import full_results
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import Returned, check_target, finish
from kompot.models.array_store import ArrayStore
from kompot.models.donor_expression import DonorExpression
from kompot.settings import ExpressionSettings
from kompot.stats.region_evidence import RegionRules

__all__ = ["run_expression"]

log = logging.getLogger(__name__)


def run_expression(adata: AnnData, settings: ExpressionSettings) -> Returned:
    """Validate, read, check resources, fit, score, write, record."""
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    refuse_own_noise(settings)
    settings = without_covariance(settings)
    inputs = read_inputs(adata, settings)
    fields, wanted = inputs.fields(settings), inputs.wanted(settings)
    earlier = check_target(adata, wanted, settings)
    settings = with_seeds(settings, earlier)
    store = store_of_run(adata, inputs, settings, wanted)
    inputs = inputs.by_rows().with_background()
    inputs.expression.refuse_missing_values()
    warn_of_scale(inputs.expression, settings.comparison.layer)
    memory.release()

    result = _compute(inputs, settings, store)
    model = result.model
    _log_result(result, inputs, settings)
    landmarks, genes = model.features_.landmarks, inputs.expression.genes
    full = full_results(adata, result, inputs, wanted, settings, landmarks=landmarks)
    if not settings.output.is_written:
        return full

    values = gene_values(adata, fields, wanted, result, genes)
    values |= group_values(adata, fields, wanted, result, genes)
    values |= cell_values(adata, fields, wanted, model, inputs, settings, store)
    memory.release()
    basis = values.get(fields.basis)
    record = expression_record(
        result, fields, wanted, inputs, settings, basis=basis, usage=usage.taken()
    )
    uns = uns_entries(
        adata,
        "kompot_de",
        landmarks,
        wanted,
        record,
        store_landmarks=settings.storage.store_landmarks,
    )
    return finish(target, {field: values[field] for field in wanted}, uns, full, settings.output)


def _compute(
    inputs: ExpressionInputs, settings: ExpressionSettings, store: ArrayStore
) -> ExpressionResult:
    """Fit, compare samples if there are, and score."""
    model = fit_model(inputs, settings, store)
    donors = compare_samples(model, inputs, progress=settings.output.progress)
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


def _log_result(
    result: ExpressionResult, inputs: ExpressionInputs, settings: ExpressionSettings
) -> None:
    """One line of numbers for each step."""
    features, model = result.model.features_, result.model
    if result.donors is None:
        warn_if_apart(inputs.cells, settings.comparison)
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
    found = fdr_results(result.table, settings.fdr.threshold)
    if found is None:
        return
    level = "cell-level inference: about these cells, not about other donors"
    rate = "local FDR"
    if result.donors is not None:
        level, rate = "donor-level inference: about new donors", "FDR"
        if not result.donors.of_counts:
            log.warning(
                "Expression is not log1p of scaled counts, or of too few to tell: samples are "
                "compared by its means as they are, which differ with the depth of sequencing."
            )
        _warn_of_states(result.donors)
        if not result.donors.n_tested:
            log.warning(
                "No gene could be tested: none is expressed in %d cells of a region in which "
                "enough samples have %d cells.",
                RegionRules.min_expressing,
                RegionRules.min_cells,
            )
    smallest = found["min_significant_mahalanobis"]
    n_tested = found["n_total"] if result.donors is None else result.donors.n_tested
    log.info(
        "%d of %d %sgenes with a %s below %g (%s)%s",
        found["n_significant"],
        n_tested,
        "" if n_tested == found["n_total"] else "tested ",
        rate,
        settings.fdr.threshold,
        level,
        "" if smallest is None else f"; smallest distance of these {smallest:.4g}",
    )
    if result.groups is not None:
        called = {name: int(table["is_de"].sum()) for name, table in result.groups.items()}
        log.info("Called in groups: %s", called)


_HOW = {
    "standardised": "compared with what mixtures of states would express, judged by all genes",
    "unadjusted": "compared as they are",
    "dropped": "left out",
}


def _warn_of_states(donors: DonorExpression) -> None:
    """Say where cell states of the conditions are apart, and what that meant for each region."""
    if not donors.confounded:
        return
    names = {
        how: ", ".join(region.name for region in donors.regions if region.status == status)
        for status, how in _HOW.items()
    }
    where, rule = "most regions, or genes do not follow them, so that none is adjusted for them", ""
    if donors.adjusted_share:
        where = f"{len(donors.confounded)} of {len(donors.regions)} regions"
        rule = " It decides over a gene only where hardly any cells of its region are adjusted."
    log.warning(
        "Cell states of the conditions hardly overlap in %s. Expression is %s.%s Is the embedding "
        "integrated over samples?",
        where,
        "; ".join(f"{how} ({regions})" for how, regions in names.items() if regions),
        rule,
    )
