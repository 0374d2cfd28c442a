"""What fitted densities say about each cell and group, ready to be written."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy.special import ndtr

from kompot.anndata.donor_results import DONOR_COLUMNS
from kompot.anndata.inputs import Cells
from kompot.anndata.states import read_states
from kompot.models.arrays import usable_states
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.donor_abundance_result import DonorAbundance
from kompot.records.fields import AbundanceFields, Field
from kompot.settings import AbundanceSettings
from kompot.stats.abundance import DIRECTIONS, adaptive_shrinkage, neg_log10_tail

__all__ = [
    "DIRECTION_COLORS",
    "AbundanceResult",
    "cell_table",
    "group_table",
    "obs_values",
]

DIRECTION_COLORS = {"up": "#d73027", "neutral": "#d3d3d3", "down": "#4575b4"}
"""Colours of the directions."""


@dataclass(frozen=True)
class AbundanceResult:
    """What a run found.

    Attributes
    ----------
    model
        The fitted densities.
    table
        One row per cell.
    groups
        One row per group, if there are any.
    regions
        One row per region of the donor-level test, if it was made.
    donor
        Its result.
    donor_record
        Its numbers for the record of the run.
    """

    model: DifferentialAbundance
    table: pd.DataFrame
    groups: pd.DataFrame | None = None
    regions: pd.DataFrame | None = None
    donor: DonorAbundance | None = None
    donor_record: dict[str, Any] | None = None


def cell_table(
    adata: AnnData,
    model: DifferentialAbundance,
    settings: AbundanceSettings,
    excluded: NDArray[np.bool_] | None,
) -> pd.DataFrame:
    """Log fold change of every cell, missing for excluded cells and those without a state.

    Columns ``lfc``, ``lfc_zscore``, ``neg_log10_ptp``, ``direction``, ``log_density1``,
    ``log_density2`` and, where they are stored or returned, ``lfsr``, ``svalue``; natural log.
    """
    states = read_states(adata, settings.comparison.obsm_key)
    known = usable_states(states)
    if excluded is not None:
        known &= ~excluded
    found = model.predict(states[known], progress=settings.output.progress)
    shrunk = None
    if settings.storage.store_additional_stats or settings.output.returns:
        deviation = np.sqrt(found["log_fold_change_uncertainty"])
        shrunk = adaptive_shrinkage(found["log_fold_change"], deviation)
    columns = {
        "lfc": found["log_fold_change"],
        "lfc_zscore": found["log_fold_change_zscore"],
        "neg_log10_ptp": found["neg_log10_fold_change_ptp"],
        "direction": found["log_fold_change_direction"],
        **({} if shrunk is None else {"lfsr": shrunk.lfsr, "svalue": shrunk.svalue}),
        "log_density1": found["log_density_condition1"],
        "log_density2": found["log_density_condition2"],
    }
    table = pd.DataFrame(columns, index=np.flatnonzero(known)).reindex(range(adata.n_obs))
    return table.set_index(adata.obs_names)


def group_table(
    model: DifferentialAbundance,
    groups: dict[str, NDArray[np.bool_]],
    cells: Cells,
    settings: AbundanceSettings,
) -> pd.DataFrame:
    """Mean log fold change of each group over its cells of both conditions.

    ``probability_changed`` is the posterior probability that the mean exceeds the threshold in
    absolute value; all but the counts are missing for a group without cells.
    """
    threshold = settings.threshold.lfc_threshold
    rows = []
    for mask in groups.values():
        members = mask[cells.rows]
        counts = np.bincount(cells.condition[members], minlength=2)
        row: dict[str, float] = {"n_cells1": int(counts[0]), "n_cells2": int(counts[1])}
        if members.any():
            mean, variance = model.mean_fold_change(cells.states[members])
            std = np.sqrt(variance)
            tails = ndtr((mean - threshold) / std) + ndtr((-mean - threshold) / std)
            row |= {
                "mean_lfc": mean,
                "std": std,
                "zscore": mean / std,
                "neg_log10_ptp": float(neg_log10_tail(np.array(mean / std))),
                "probability_changed": float(tails),
            }
        rows.append(row)
    statistics = ["mean_lfc", "std", "zscore", "neg_log10_ptp", "probability_changed"]
    columns = ["n_cells1", "n_cells2", *statistics]
    return pd.DataFrame(rows, index=pd.Index(list(groups), name="group"), columns=columns)


def obs_values(
    fields: AbundanceFields,
    wanted: list[Field],
    table: pd.DataFrame,
) -> dict[Field, Any]:
    """Columns of ``obs`` and colours."""
    colors = [DIRECTION_COLORS[direction] for direction in DIRECTIONS]
    columns = {
        fields.lfc: "lfc",
        fields.zscore: "lfc_zscore",
        fields.ptp: "neg_log10_ptp",
        fields.lfsr: "lfsr",
        fields.svalue: "svalue",
        fields.density1: "log_density1",
        fields.density2: "log_density2",
    }
    statistics = (fields.donor_lfc, fields.donor_lfc_se, fields.donor_pvalue, fields.donor_fdr)
    columns |= dict(zip(statistics, DONOR_COLUMNS, strict=False))
    values: dict[Field, Any] = {
        field: table[name].to_numpy() for field, name in columns.items() if field in wanted
    }
    values |= {
        fields.direction: pd.Categorical(table["direction"], DIRECTIONS, ordered=True),
        fields.colors: colors,
        fields.documented_colors: colors,
    }
    if fields.donor_direction in wanted:
        values[fields.donor_direction] = pd.Categorical(
            table["donor_direction"], DIRECTIONS, ordered=True
        )
        values[fields.donor_region] = pd.Categorical(table["donor_region"])
        values[fields.donor_colors] = colors
    return {field: values[field] for field in wanted}
