"""How many cells of each sample are in regions of several scales."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.stats.fraction_contrast import level_weights
from kompot.stats.log_fractions import LogFractions, count_cells, log_fractions
from kompot.stats.regions import Level

__all__ = ["CountedRegions", "count_regions"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CountedRegions:
    """Regions of all levels side by side, with their cells.

    Attributes
    ----------
    levels
        Clusters of several numbers, then groups.
    n_clusters
        Number of levels of clusters.
    counts
        Cells of each sample, ``(n_samples, n_regions)``.
    fractions
        Log fractions of each sample's cells.
    """

    levels: tuple[Level, ...]
    n_clusters: int
    counts: Array
    fractions: LogFractions

    @property
    def level(self) -> NDArray[np.intp]:
        """Number of each region's level."""
        return np.repeat(np.arange(len(self.levels)), [one.n_regions for one in self.levels])

    @property
    def finest(self) -> Level:
        """The clusters of which there are most."""
        return self.levels[self.n_clusters - 1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regions."""
        return tuple(name for one in self.levels for name in one.regions)

    @property
    def is_group(self) -> NDArray[np.bool_]:
        """Which are the user's."""
        return self.level >= self.n_clusters

    def weights_of(self, testable: NDArray[np.bool_]) -> Array:
        """Weights of the regions if these are tested."""
        share = np.array([one.weight for one in self.levels])
        return level_weights(testable, self.level, share)

    @property
    def largest_level(self) -> NDArray[np.bool_]:
        """Regions of the level with most testable ones."""
        n_testable = np.bincount(self.level, weights=self.fractions.testable)
        return self.level == n_testable.argmax()


def count_regions(
    clusters: Sequence[Level],
    groups: Sequence[Level],
    sample: NDArray[np.intp],
    totals: Array,
    compared: NDArray[np.bool_],
) -> CountedRegions:
    """Count the cells of every sample in all regions.

    Parameters
    ----------
    clusters, groups
        Levels of regions.
    sample
        Number of each cell's sample, ``(n_cells,)``.
    totals
        Cells of each sample, ``(n_samples,)``.
    compared
        Which samples are compared, ``(n_samples,)``.

    Raises
    ------
    ValueError
        If no region has enough cells.
    """
    levels, n_samples = (*clusters, *groups), len(totals)
    counts = np.hstack([count_cells(sample, o.labels, n_samples, o.n_regions) for o in levels])
    fractions = log_fractions(counts, totals, compared)
    if not fractions.testable.any():
        msg = (
            f"No region holds 2 cells per sample on average: {len(sample)} cells of {n_samples} "
            "samples are too few for the donor-level test of abundance."
        )
        raise ValueError(msg)
    return CountedRegions(levels, len(clusters), counts, fractions)
