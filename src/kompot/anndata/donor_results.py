"""Results of the donor-level test of abundance as tables and for the record."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.anndata.samples import Samples
from kompot.models.donor_abundance_result import DonorAbundance
from kompot.stats.abundance import DIRECTIONS
from kompot.stats.fraction_contrast import FractionContrast

__all__ = ["DONOR_COLUMNS", "donor_cells", "donor_groups", "donor_record", "donor_regions"]

DONOR_COLUMNS = ("donor_lfc", "donor_lfc_se", "donor_pvalue", "donor_fdr", "donor_direction")
"""Columns of the donor-level test in the tables of cells and of groups."""


def donor_cells(found: DonorAbundance, rows: NDArray[np.intp]) -> pd.DataFrame:
    """Donor-level results of the cells compared with their finest region, by position."""
    cells = found.cells
    values = (cells.lfc, cells.standard_error, cells.p_value, cells.fdr, _words(cells.direction))
    table = pd.DataFrame(dict(zip(DONOR_COLUMNS, values, strict=True)), index=rows)
    table["donor_region"] = np.array(cells.region_names, dtype=object)[cells.region]
    return table


def donor_regions(found: DonorAbundance, samples: Samples) -> pd.DataFrame:
    """What was found in each region of each level and in each group.

    One row per region with ``level``, ``region``, ``mean_fraction``, ``min_cells`` and
    ``max_cells`` (of a sample; of those that are compared), ``lfc`` (natural log), ``lfc_se``,
    ``t``, ``df`` (its degrees of freedom), ``pvalue``,
    ``fdr_level``, ``fdr`` (all levels), ``p_max`` (family-wise), ``direction``, ``testable``,
    ``overdispersion`` (variance between samples beyond that of drawing cells, of the trend), and
    the cells of each sample as ``n_cells:<sample>``.
    """
    regions, contrast = found.regions, found.regions.contrast
    counts_compared = regions.counts[found.design.contributing]
    table = pd.DataFrame(
        {
            "level": list(regions.level),
            "region": list(regions.name),
            "mean_fraction": regions.fractions.mean,
            "min_cells": counts_compared.min(axis=0).astype(np.int64),
            "max_cells": counts_compared.max(axis=0).astype(np.int64),
            "lfc": np.where(contrast.testable, contrast.estimate, np.nan),
            "lfc_se": contrast.standard_error,
            "t": contrast.t,
            "df": contrast.degrees_of_freedom,
            "pvalue": contrast.p_value,
            "fdr_level": regions.fdr_within,
            "fdr": regions.fdr,
            "p_max": regions.p_max,
            "direction": _words(regions.direction),
            "testable": regions.fractions.testable,
            "overdispersion": contrast.overdispersion(regions.fractions.mean),
        }
    )
    for name, counts in zip(samples.names, regions.counts, strict=True):
        column = f"n_cells:{name.replace('/', '_')}"
        while column in table:  # of another sample, without the slash
            column += "_"
        table[column] = counts.astype(np.int64)
    return table


def donor_groups(found: DonorAbundance) -> pd.DataFrame:
    """Donor-level results of the groups, by name; the FDR is among the groups."""
    regions, contrast = found.regions, found.regions.contrast
    values = (
        np.where(contrast.testable, contrast.estimate, np.nan),
        contrast.standard_error,
        contrast.p_value,
        regions.fdr_within,
        _words(regions.direction),
    )
    table = pd.DataFrame(
        dict(zip(DONOR_COLUMNS, values, strict=True)), index=pd.Index(regions.name, name="group")
    )
    return table[regions.is_group]


def donor_record(found: DonorAbundance, samples: Samples) -> dict[str, Any]:
    """Numbers of the test for the record of the run."""
    design, regions = found.design, found.regions
    counts = np.bincount(found.cells.direction + 1, minlength=3)
    return {
        "p_global": found.rotation.p_global,
        "p_gate": found.rotation.p_gate,
        "n_rotations": found.rotation.n_rotations,
        "exploratory": design.exploratory,
        "reference_shift": found.reference_change,
        "n_cells_up": int(counts[2]),
        "n_cells_down": int(counts[0]),
        "regions": _of_contrast(regions.contrast),
        "neighborhoods": {
            "size": found.neighborhood_size,
            **_of_contrast(found.anchors),
        },
        "samples": {
            name: {"condition": int(condition) + 1, "n_cells": int(n_cells)}
            for name, condition, n_cells in zip(
                samples.names, samples.condition, samples.n_cells, strict=True
            )
        },
        "design_columns": list(design.columns),
        "paired": any(column.startswith("donor ") for column in design.columns),
    }


def _of_contrast(contrast: FractionContrast) -> dict[str, Any]:
    """Degrees of freedom and overdispersion."""
    moderation, overdispersion = contrast.moderation, contrast.overdispersion
    return {
        "df": moderation.degrees_of_freedom,
        "d0": moderation.prior_degrees_of_freedom,
        "d_tot": moderation.total_degrees_of_freedom,
        "K_eff": moderation.n_effective,
        "theta": [overdispersion.intercept, overdispersion.slope],
        "phi": float(np.exp(overdispersion.intercept)),
        "n_regions": len(contrast.p_value),
        "n_untestable": int((~contrast.testable).sum()),
    }


def _words(direction: NDArray[np.intp]) -> NDArray[np.object_]:
    """1, 0 and -1 as up, neutral and down."""
    words: NDArray[np.object_] = np.array(DIRECTIONS, dtype=object)[1 - direction]
    return words
