"""The steps of a differential-abundance run: validate, read, fit, predict, write, record."""

import inspect
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from kompot import memory
from kompot.anndata.abundance_record import abundance_record
from kompot.anndata.abundance_results import (
    cell_table,
    group_table,
    obs_values,
    stored_fields,
)
from kompot.anndata.groups import parse_cell_filter, parse_groups
from kompot.anndata.inputs import Cells, read_cells
from kompot.anndata.landmarks import find_landmarks
from kompot.anndata.later import refuse_given
from kompot.anndata.uns_entries import uns_entries
from kompot.anndata.writing import refuse_overwrite, write_fields
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.records.fields import AbundanceFields
from kompot.settings import AbundanceSettings

__all__ = ["density_parameters", "run_abundance"]

log = logging.getLogger(__name__)

_ELSEWHERE = {
    "n_landmarks",
    "landmarks",
    "ls_factor",
    "random_state",
    "batch_size",
    "nn_distances",
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
        msg = f"Unknown arguments: {unknown}. Known arguments of the density: {known}"
        raise TypeError(msg)
    DensityEstimator(**given).check_parameters()
    return dict(given)


def run_abundance(
    adata: AnnData, settings: AbundanceSettings
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    """Validate, read, fit, predict, write, record."""
    usage = memory.Usage()
    comparison, storage, output = settings.comparison, settings.storage, settings.output
    refuse_given(
        sample_col=comparison.sample_col is not None,
        allow_single_condition_variance=output.allow_single_condition_variance,
        jit_compile=settings.gp.jit_compile,
    )
    groups, excluded = _read_choice(adata, settings)
    cells = read_cells(adata, comparison, excluded)
    keys = [storage.result_key, "kompot_da", *(k for k in adata.uns if k.startswith("kompot_"))]
    landmarks, source = find_landmarks(adata, settings.gp.landmarks, keys, cells.n_dims)
    fields = AbundanceFields(storage.result_key, comparison.condition1, comparison.condition2)
    wanted = stored_fields(fields, storage)
    if output.copy or output.inplace:
        what = f"Results with result_key={storage.result_key!r}"
        in_obs = [field for field in wanted if field.location == "obs"]
        refuse_overwrite(adata, in_obs, what, settings)

    model = _fit(cells, landmarks, settings)
    table = cell_table(adata, model, settings, excluded)
    groups_table = None if groups is None else group_table(model, groups, cells, settings)
    _log_result(model, table, cells, settings)
    full = {
        "table": table,
        "groups": groups_table,
        "model": model,
        "landmarks": model.features_.landmarks,
        "field_names": {field.role: field.name for field in wanted},
    }
    if not (output.copy or output.inplace):
        return full

    record = abundance_record(
        model,
        fields,
        wanted,
        settings,
        landmarks_source=source,
        usage=usage.taken(),
    )
    if groups is not None:
        record["subset_names"] = list(groups)
    uns = uns_entries(
        adata,
        "kompot_da",
        model.features_.landmarks,
        wanted,
        record,
        store_landmarks=storage.store_landmarks,
    )
    if groups_table is not None:
        uns[storage.result_key]["groups"] = groups_table
    target = adata.copy() if output.copy else adata
    write_fields(target, obs_values(fields, wanted, model, table), uns)
    if output.copy:
        return (full, target) if output.return_full_results else target
    return full if output.return_full_results else None


def _read_choice(
    adata: AnnData, settings: AbundanceSettings
) -> tuple[dict[str, np.ndarray] | None, np.ndarray | None]:
    """Masks of the groups, and of the cells that are left out."""
    choice = settings.filter
    groups = None if choice.groups is None else parse_groups(adata, choice.groups)
    if choice.cell_filter is None:
        return groups, None
    excluded = parse_cell_filter(adata, choice.cell_filter, choice.groups)
    log.info("%d cells are left out, %d are kept", excluded.sum(), (~excluded).sum())
    return groups, excluded


def _fit(
    cells: Cells, landmarks: np.ndarray | None, settings: AbundanceSettings
) -> DifferentialAbundance:
    """Fit the densities of both conditions."""
    gp = settings.gp
    model = DifferentialAbundance(
        settings.threshold.lfc_threshold,
        settings.threshold.ptp_threshold,
        gp.n_landmarks,
        random_state=gp.random_state,
        batch_size=gp.batch_size,
    )
    return model.fit_cells(
        cells.states,
        cells.condition,
        landmarks=landmarks,
        ls_factor=gp.ls_factor,
        sync_parameters=gp.sync_parameters,
        **gp.estimator,
    )


def _log_result(
    model: DifferentialAbundance, table: pd.DataFrame, cells: Cells, settings: AbundanceSettings
) -> None:
    """One line of numbers for each step."""
    log.info(
        "%d cells of %r and %d of %r; dimension %.3g, length scale %.4g, rank %d, residual %.2g",
        cells.sizes[0],
        settings.comparison.condition1,
        cells.sizes[1],
        settings.comparison.condition2,
        model.d_,
        model.ls_,
        model.features_.rank,
        model.features_.residual_mean,
    )
    counts = table["direction"].value_counts()
    log.info(
        "%d cells up, %d down (cell-level: about these cells, not about other donors)",
        counts.get("up", 0),
        counts.get("down", 0),
    )
