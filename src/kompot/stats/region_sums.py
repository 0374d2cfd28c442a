"""Sums over the cells of each sample in each region: all that donor-level tests need of cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.gp.linalg import by_columns
from kompot.stats.regions import Level

__all__ = ["RegionIndex", "RegionSums"]

Array = NDArray[np.float64]

_MANY = 64
"""Regions above which their indicator, mostly zeros, is quicker as a sparse matrix."""


@dataclass(frozen=True)
class RegionIndex:
    """Regions of all levels in one row, one level after the other.

    Cells of a level that are in none of its regions form one more, after the others, so that every
    cell counts once in every level.

    Attributes
    ----------
    levels
        The levels.
    codes
        Place of each cell's region in the row, ``(n_levels, n_cells)``.
    places
        Where each level's regions are, without the one of cells in none.
    spans
        Where each level's regions are, with it.
    """

    levels: tuple[Level, ...]
    codes: NDArray[np.intp]
    places: tuple[slice, ...]
    spans: tuple[slice, ...]

    @classmethod
    def of(cls, levels: Sequence[Level]) -> "RegionIndex":
        """Put the regions of some levels in a row."""
        codes, places, spans = [], [], []
        start = 0
        for level in levels:
            outside = level.labels < 0
            codes.append(np.where(outside, level.n_regions, level.labels) + start)
            places.append(slice(start, start + level.n_regions))
            spans.append(slice(start, places[-1].stop + int(outside.any())))
            start = spans[-1].stop
        return cls(tuple(levels), np.stack(codes), tuple(places), tuple(spans))

    @property
    def n_regions(self) -> int:
        """Length of the row."""
        return self.spans[-1].stop

    def indicator(self, cells: NDArray[np.intp]) -> "sparse.csr_matrix":
        """Which of some cells are in which region, 0 or 1, ``(n_regions, n_cells)``."""
        codes = self.codes[:, cells]
        columns = np.broadcast_to(np.arange(len(cells)), codes.shape)
        ones = np.ones(codes.size)
        shape = self.n_regions, len(cells)
        return sparse.csr_matrix((ones, (codes.ravel(), columns.ravel())), shape=shape)


@dataclass
class RegionSums:
    r"""Sums over the cells of each sample in each region.

    Attributes
    ----------
    n_cells
        Numbers of cells, ``(n_samples, n_regions)``.
    weight
        :math:`\sum_i w_i` of the cells' weights, the same shape.
    phi
        :math:`\sum_i w_i \phi_i`, ``(n_samples, n_regions, rank)``.
    values
        :math:`\sum_i w_i y_i`, ``(n_samples, n_regions, n_genes)``.
    squares
        :math:`\sum_i w_i y_i^2` over all samples, ``(n_regions, n_genes)``.
    expressing
        Number of cells with :math:`y_i \ne 0` in all samples, ``(n_regions, n_genes)``.
    """

    n_cells: Array
    weight: Array
    phi: Array
    values: Array
    squares: Array
    expressing: Array

    @classmethod
    def zeros(cls, n_samples: int, n_regions: int, rank: int, n_genes: int) -> Self:
        """Sums over no cells."""
        return cls(
            np.zeros((n_samples, n_regions)),
            np.zeros((n_samples, n_regions)),
            np.zeros((n_samples, n_regions, rank)),
            np.zeros((n_samples, n_regions, n_genes)),
            np.zeros((n_regions, n_genes)),
            np.zeros((n_regions, n_genes)),
        )

    @classmethod
    def of(
        cls, indicator: "sparse.csr_matrix", phi: Array, values: Any, roots: Array | None = None
    ) -> Self:
        r"""Sums over some cells of one sample, which is then the only one.

        Parameters
        ----------
        indicator
            Which cells are in which region, ``(n_regions, n_cells)``.
        phi
            Features :math:`\sqrt{w_i}\,\phi_i`, ``(n_cells, rank)``.
        values
            Expression :math:`\sqrt{w_i}\,y_i`, ``(n_cells, n_genes)``, an array or a sparse matrix.
        roots
            :math:`\sqrt{w_i}`, ``(n_cells,)``; None for cells that count alike.
        """
        inside = indicator.toarray() if indicator.shape[0] <= _MANY else indicator
        weighted, weight = inside, indicator.sum(axis=1)
        if roots is not None:
            weighted = inside.multiply(roots).tocsr() if sparse.issparse(inside) else inside * roots
            weight = indicator @ np.square(roots)
        values = by_columns(values)

        def summed(numbers: Array, by: Any) -> Array:
            if not sparse.issparse(values):
                return np.asarray(by @ numbers)
            arrays = numbers, values.indices, values.indptr
            turned = sparse.csr_array(arrays, shape=values.shape[::-1])
            sums = turned @ by.T
            return np.ascontiguousarray((sums.toarray() if sparse.issparse(sums) else sums).T)

        numbers = values.data if sparse.issparse(values) else np.asarray(values)
        numbers = numbers.astype(np.float64, copy=False)
        return cls(
            np.asarray(indicator.sum(axis=1), dtype=np.float64).reshape(1, -1),
            np.asarray(weight, dtype=np.float64).reshape(1, -1),
            (weighted @ phi)[None],
            summed(numbers, weighted)[None],
            summed(np.square(numbers), inside),
            summed((numbers != 0).astype(np.float64), inside),
        )

    def add(self, sample: int, other: "RegionSums") -> None:
        """Add sums over more cells of one sample."""
        self.n_cells[sample] += other.n_cells[0]
        self.weight[sample] += other.weight[0]
        self.phi[sample] += other.phi[0]
        self.values[sample] += other.values[0]
        self.squares += other.squares
        self.expressing += other.expressing

    def of_genes(self, genes: NDArray[np.intp]) -> "RegionSums":
        """The sums of some genes only."""
        return replace(
            self,
            values=self.values[:, :, genes],
            squares=self.squares[:, genes],
            expressing=self.expressing[:, genes],
        )

    def within(self, regions: slice) -> "RegionSums":
        """The sums in some regions only."""
        return RegionSums(
            self.n_cells[:, regions],
            self.weight[:, regions],
            self.phi[:, regions],
            self.values[:, regions],
            self.squares[regions],
            self.expressing[regions],
        )
