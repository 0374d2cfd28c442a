"""What the donor-level test of abundance found."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kompot.stats.design import Design
from kompot.stats.fraction_contrast import FractionContrast
from kompot.stats.log_fractions import LogFractions
from kompot.stats.rotation import RotationTest

__all__ = ["CellAbundance", "DonorAbundance", "RegionAbundance"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RegionAbundance:
    r"""Change of the share of cells in each region of every level.

    Attributes
    ----------
    level, name
        Names of the level and of the region, one each.
    counts
        Cells of each sample, ``(n_samples, n_regions)``.
    fractions
        Their log fractions.
    contrast
        Estimates and p-values.
    fdr_within
        Benjamini-Hochberg over the regions of the level, or over all groups, ``(n_regions,)``.
    fdr
        Benjamini-Hochberg over all regions with the weights of the levels, ``(n_regions,)``.
    p_max
        P-values adjusted for all regions together by rotation, ``(n_regions,)``.
    direction
        1 or -1 where a change is called (gate and ``fdr``, for groups ``fdr_within``, below the
        threshold), else 0, ``(n_regions,)``.
    is_group
        Whether it is a group of the user's, ``(n_regions,)``.
    """

    level: tuple[str, ...]
    name: tuple[str, ...]
    counts: Array
    fractions: LogFractions
    contrast: FractionContrast
    fdr_within: Array
    fdr: Array
    p_max: Array
    direction: NDArray[np.intp]
    is_group: NDArray[np.bool_]


@dataclass(frozen=True)
class CellAbundance:
    r"""Change of the share of cells in the neighbourhood of each cell's nearest anchor.

    Attributes
    ----------
    lfc, standard_error, p_value
        Natural log; NaN where the neighbourhood is not testable, ``(n_cells,)``.
    fdr
        Benjamini-Hochberg over neighbourhoods, weighted by the cells that they stand for: the
        expected share of *cells* called that are false, ``(n_cells,)``.
    direction
        1 or -1 where a change is called (gate and ``fdr`` below the threshold), else 0,
        ``(n_cells,)``.
    region
        Number of the finest region of each cell, ``(n_cells,)``.
    region_names
        Names of the finest regions.
    """

    lfc: Array
    standard_error: Array
    p_value: Array
    fdr: Array
    direction: NDArray[np.intp]
    region: NDArray[np.intp]
    region_names: tuple[str, ...]

    def take(self, rows: NDArray[np.intp]) -> "CellAbundance":
        """Some cells, in an order."""
        names = ("lfc", "standard_error", "p_value", "fdr", "direction", "region")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True)
class DonorAbundance:
    """Result of the donor-level test.

    Attributes
    ----------
    regions
        Multi-scale regions and groups.
    cells
        Every cell, in the order given.
    anchors
        Estimates and p-values of the neighbourhoods that stand for the cells.
    neighborhood_size
        Cells in a neighbourhood.
    rotation
        Global statement: whether anything changes.
    design
        Linear model of the samples.
    reference_change
        Change of the share of what was taken to be unchanged, natural log; 0 if nothing was.
    """

    regions: RegionAbundance
    cells: CellAbundance
    anchors: FractionContrast
    neighborhood_size: int
    rotation: RotationTest
    design: Design
    reference_change: float
