"""Sums over cells from which samples are compared, whatever the design."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from kompot.gp.regression import SufficientStatistics
from kompot.stats.region_sums import RegionSums

__all__ = ["DonorSums"]


@dataclass(frozen=True)
class DonorSums:
    r"""All that the donor-level test of expression needs of cells.

    Attributes
    ----------
    regions
        Sums of each sample in each region.
    cells
        Sums over all cells, from which the state effect is learned; None as long as they are those
        of the posteriors, which are made anyway.
    of_counts
        Whether they are of compressed counts of cells weighted by their depths
        (:mod:`kompot.stats.compressed_counts`), and not of expression as it is.
    """

    regions: RegionSums
    cells: SufficientStatistics | None
    of_counts: bool

    @classmethod
    def zeros(
        cls, n_samples: int, n_regions: int, rank: int, n_genes: int, *, of_counts: bool
    ) -> Self:
        """Sums over no cells."""
        cells = SufficientStatistics.zeros(rank, n_genes) if of_counts else None
        return cls(RegionSums.zeros(n_samples, n_regions, rank, n_genes), cells, of_counts)

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return int(self.regions.values.shape[2])

    def of_genes(self, genes: NDArray[np.intp]) -> "DonorSums":
        """The sums of some genes only."""
        cells = None if self.cells is None else self.cells.of_genes(genes)
        return replace(self, regions=self.regions.of_genes(genes), cells=cells)

    def add(self, sample: int, regions: RegionSums, cells: SufficientStatistics | None) -> None:
        """Add the sums over some cells of one sample."""
        self.regions.add(sample, regions)
        if self.cells is not None and cells is not None:
            self.cells.__iadd__(cells)

    def with_cells(self, statistics: Sequence[SufficientStatistics]) -> "DonorSums":
        """The same with the sums over all cells from those of several sets, if there are none.

        Parameters
        ----------
        statistics
            Sums over sets of cells that together are all; the genes come first in them.
        """
        if self.cells is not None:
            return self
        return replace(self, cells=SufficientStatistics.summed(statistics, self.n_genes))
