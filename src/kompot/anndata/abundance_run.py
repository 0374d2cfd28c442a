"""The steps of a differential-abundance run: validate, read, fit, predict, write, record."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from kompot import memory
from kompot.anndata.abundance_inputs import AbundanceInputs, read_inputs
from kompot.anndata.abundance_record import abundance_record
from kompot.anndata.abundance_resources import require_memory
from kompot.anndata.abundance_results import (
    AbundanceResult,
    cell_table,
    group_table,
    obs_values,
)
from kompot.anndata.abundance_samples import reference_of
from kompot.anndata.condition_overlap import warn_if_apart
from kompot.anndata.donor_results import donor_cells, donor_groups, donor_record, donor_regions
from kompot.anndata.given_densities import given_landmarks, predictors
from kompot.anndata.on_disk import with_frames
from kompot.anndata.refusals import nearest
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import ABUNDANCE_TABLES, Returned, check_target, finish
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.donor_abundance import DonorAbundanceSettings, donor_abundance
from kompot.models.donor_abundance_result import DonorAbundance
from kompot.records.parameters import argument_names
from kompot.settings import AbundanceSettings
from kompot.stats.design import Design

__all__ = ["density_parameters", "run_abundance"]

log = logging.getLogger(__name__)

_ELSEWHERE = {
    "n_landmarks",
    "landmarks",
    "ls_factor",
    "random_state",
    "batch_size",
    "nn_distances",
    "jit_compile",
}
"""Parameters of the estimator that are arguments of their own, or make no sense for two."""


def density_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Further parameters of the density estimator, checked.

    Raises
    ------
    TypeError
        If a name is unknown; lists the known ones.
    ValueError
        If a value is out of range.
    """
    known = sorted(set(inspect.signature(DensityEstimator).parameters) - _ELSEWHERE)
    unknown = sorted(set(given) - set(known))
    if unknown:
        hint = nearest(unknown, [*known, *argument_names("da").values()])
        if "regions" in unknown:
            hint = "`regions` of your own are `groups` here. "
        msg = f"Unknown arguments: {unknown}. {hint}Known arguments of the density: {known}"
        raise TypeError(msg)
    DensityEstimator(**given).check_parameters()
    return dict(given)


def run_abundance(adata: AnnData, settings: AbundanceSettings) -> Returned:
    """Validate, read, fit, predict, write, record."""
    usage = memory.Usage()
    target, adata = adata, with_frames(adata)
    storage, output = settings.storage, settings.output
    inputs = read_inputs(adata, settings)
    fields, wanted = inputs.fields(settings), inputs.wanted(settings)
    check_target(adata, wanted, settings)
    require_memory(adata, inputs, settings)

    result = _compute(adata, inputs, settings)
    full = {
        "table": result.table,
        "groups": result.groups,
        "regions": result.regions,
        "donor_test": result.donor,
        "model": result.model,
        "landmarks": None if settings.model.names else result.model.features_.landmarks,
        "field_names": {field.role: field.name for field in wanted},
    }
    if not output.is_written:
        return full

    record = abundance_record(
        result,
        fields,
        wanted,
        settings,
        landmarks_source=inputs.landmarks_source,
        usage=usage.taken(),
    )
    if inputs.groups is not None:
        record["subset_names"] = list(inputs.groups)
    uns = uns_entries(
        adata,
        "kompot_da",
        given_landmarks(result.model, inputs.cells.n_dims),
        wanted,
        record,
        store_landmarks=storage.store_landmarks and not settings.model.names,
    )
    tables = dict(zip(ABUNDANCE_TABLES, (result.groups, result.regions), strict=True))
    own = uns[storage.result_key]
    for name, table in tables.items():
        own.pop(name, None)  # of an earlier run
        if table is not None:
            own[name] = table
    values = obs_values(fields, wanted, result.table)
    return finish(target, values, uns, full if output.return_full_results else {}, output)


def _compute(
    adata: AnnData, given: AbundanceInputs, settings: AbundanceSettings
) -> AbundanceResult:
    """Fit, predict, and compare samples if there are enough."""
    model = _fit(given, settings)
    memory.release()
    table = cell_table(adata, model, settings, given.excluded)
    memory.release()
    groups = None
    if given.groups is not None:
        groups = group_table(model, given.groups, given.cells, settings)
    _log_result(model, table, given, settings)
    samples = given.samples
    if samples is None or samples.design is None:
        return AbundanceResult(model, table, groups)
    found = _compare_samples(model, given, samples.samples.codes, samples.design, settings)
    memory.release()
    donor = donor_cells(found, given.cells.rows).reindex(range(adata.n_obs))
    table = pd.concat([table, donor.set_axis(table.index)], axis=1)
    if groups is not None:
        groups = groups.join(donor_groups(found))
    regions = donor_regions(found, samples.samples)
    record = donor_record(found, samples.samples)
    return AbundanceResult(model, table, groups, regions, found, record)


def _fit(given: AbundanceInputs, settings: AbundanceSettings) -> DifferentialAbundance:
    """Fit the densities of both conditions, and of samples if there are any."""
    gp = settings.gp
    model = DifferentialAbundance(
        settings.threshold.lfc_threshold,
        settings.threshold.ptp_threshold,
        gp.n_landmarks,
        random_state=gp.random_state,
        batch_size=gp.batch_size,
        ratio=gp.ratio,
        jit_compile=gp.jit_compile,
        **predictors(settings.model),
    )
    return model.fit_cells(
        given.cells.states,
        given.cells.condition,
        sample=None if given.samples is None else given.samples.numbers,
        landmarks=given.landmarks,
        ls_factor=gp.ls_factor,
        param_scheme="symmetric" if gp.sync_parameters else gp.param_scheme,
        **gp.estimator,
    )


def _compare_samples(
    model: DifferentialAbundance,
    given: AbundanceInputs,
    codes: np.ndarray,
    design: Design,
    settings: AbundanceSettings,
) -> DonorAbundance:
    """The donor-level test in the features of the densities."""
    options, cells = settings.donor, given.cells
    found = donor_abundance(
        model.features_,
        cells.states,
        codes,
        design,
        groups={name: mask[cells.rows] for name, mask in (given.groups or {}).items()},
        settings=DonorAbundanceSettings(
            reference=reference_of(settings),
            fdr_threshold=options.fdr_threshold,
            lfc_threshold=options.donor_lfc_threshold,
        ),
    )
    log.info(
        "Donor level: global p %.3g (rotation), %d cells up and %d down at FDR %g, "
        "%d degrees of freedom%s",
        found.rotation.p_gate,
        (found.cells.direction > 0).sum(),
        (found.cells.direction < 0).sum(),
        options.fdr_threshold,
        found.design.degrees_of_freedom,
        ", exploratory" if found.design.exploratory else "",
    )
    return found


def _log_result(
    model: DifferentialAbundance,
    table: pd.DataFrame,
    given: AbundanceInputs,
    settings: AbundanceSettings,
) -> None:
    """One line of numbers for each step."""
    cells = given.cells
    warn_if_apart(cells, settings.comparison)
    log.info(
        "%d cells of %r and %d of %r",
        cells.sizes[0],
        settings.comparison.condition1,
        cells.sizes[1],
        settings.comparison.condition2,
    )
    if hasattr(model, "density1_"):
        log.info(
            "dimension %.3g, length scale %.4g, rank %d, residual %.2g",
            model.d_,
            model.ls_,
            model.features_.rank,
            model.features_.residual_mean,
        )
    counts = table["direction"].value_counts()
    log.info(
        "%d cells up, %d down (%s)",
        counts.get("up", 0),
        counts.get("down", 0),
        "cell-level: about these cells, not about other donors"
        if given.samples is None
        else "with the variance between samples: descriptive, no controlled error rate",
    )
