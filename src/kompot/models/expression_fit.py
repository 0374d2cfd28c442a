"""From cells to posteriors: one pass over chunks of cells, all genes and conditions at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from tqdm.auto import tqdm

from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.gp.regression import SufficientStatistics

__all__ = ["Rows", "Stacked", "accumulate"]

Array = NDArray[np.float64]

_CHUNK = 2048
"""Cells at a time; a chunk of features or of expression is then tens of megabytes at most."""


class Rows(Protocol):
    """Expression of which consecutive rows (cells) can be read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_cells, n_genes)``."""
        ...

    def __getitem__(self, rows: slice, /) -> Any:
        """Rows as an array or a sparse matrix."""
        ...


@dataclass(frozen=True)
class Stacked:
    """Cells of one matrix followed by those of another with the same genes."""

    above: Rows
    below: Rows

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_cells, n_genes)``."""
        return self.above.shape[0] + self.below.shape[0], self.above.shape[1]

    def __getitem__(self, rows: slice) -> Any:
        """Rows of whichever matrix holds them; both if they lie across the seam."""
        seam = self.above.shape[0]
        if rows.stop <= seam:
            return self.above[rows]
        if rows.start >= seam:
            return self.below[rows.start - seam : rows.stop - seam]
        parts = [self.above[rows.start : seam], self.below[0 : rows.stop - seam]]
        if any(sparse.issparse(part) for part in parts):
            return sparse.vstack(parts, format="csr")
        return np.vstack(parts)


def accumulate(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    condition: NDArray[np.intp],
    progress: bool = False,
) -> tuple[SufficientStatistics, ...]:
    """Sums over the cells of each condition, in one pass.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        Matrices of the same cells, ``(n_cells, n_genes)`` each, whose genes follow one another in
        the sums. Only rows are read, a chunk at a time.
    condition
        Number of the condition of each cell, from 0, ``(n_cells,)``.
    progress
        Show a progress bar.

    Returns
    -------
    The sums of condition 0, 1, ...
    """
    n_genes = sum(matrix.shape[1] for matrix in expression)
    sums = [SufficientStatistics.zeros(features.rank, n_genes) for _ in range(condition.max() + 1)]
    slices = list(row_slices(len(states), _CHUNK))
    for rows in tqdm(slices, desc="fitting", unit="chunk", disable=not progress):
        phi, labels = features(states[rows]), condition[rows]
        blocks = [matrix[rows] for matrix in expression]
        for c in np.unique(labels):
            cells = labels == c
            if cells.all():
                sums[c].add(phi, *blocks)
            else:
                sums[c].add(phi[cells], *(block[cells] for block in blocks))
    return tuple(sums)
