"""Genes beside those that were chosen, from which samples and variances are judged alike.

What most genes of a sample do, how variances are distributed, and whether expression is of counts
can be told from all genes only. Some of the others therefore go along with chosen ones, whose
results then hardly depend on which were chosen. Others that were measured in other ways, or not in
all samples, do not: they may be why these were chosen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.anndata.chunks import ExpressionRows
from kompot.models.arrays import is_usable, unusable
from kompot.models.normalized_counts import are_alike
from kompot.stats.donor_sums import DonorSums
from kompot.stats.region_sums import RegionIndex

__all__ = ["BackgroundRows", "comparable_sums", "most_beside", "with_background"]

Positions = NDArray[np.intp]

_MOST = 2000
"""Other genes that go along."""
_EXPECTED = 10.0
"""Counts of a gene in a sample from which none at all says that it was not measured."""
_MOST_MISSING = 0.05
"""Share of such genes of a sample above which no other gene goes along."""


@dataclass(frozen=True)
class BackgroundRows(ExpressionRows):
    """Chosen genes, and others behind them, in which values that cannot be used are 0.

    Attributes
    ----------
    n_asked
        How many genes were chosen.
    missing
        Others of which such a value was read.
    """

    n_asked: int = 0
    missing: set[int] = field(default_factory=set, repr=False)

    def __getitem__(self, rows: slice | Positions) -> Any:
        """Rows of the chosen cells."""
        return self._usable(super().__getitem__(rows))

    def stream(self, plan: Sequence[Positions]) -> Iterator[tuple[int, Any]]:
        """As of any rows."""
        for number, block in super().stream(plan):
            yield number, self._usable(block)

    def _refuse_not_finite(self, block: Any, positions: Positions) -> None:
        """Only those of chosen genes are errors."""
        super()._refuse_not_finite(block[:, : self.n_asked], positions)

    def _usable(self, block: Any) -> Any:
        """Values with 0 for those that are missing, infinite or huge; their genes are noted."""
        is_sparse = sparse.issparse(block)
        values = block.data if is_sparse else np.asarray(block)
        if is_usable(values):
            return block
        wrong = unusable(values)
        columns = block.tocoo().col[wrong] if is_sparse else np.nonzero(wrong)[1]
        self.missing.update(np.unique(columns).tolist())
        values = np.where(wrong, 0, values)
        if not is_sparse:
            return values
        return type(block)((values, block.indices, block.indptr), shape=block.shape)


def most_beside(expression: ExpressionRows) -> int:
    """How many other genes go along at most."""
    if expression.genes is None:
        return 0
    return min(expression.matrix.shape[1] - len(np.unique(expression.genes)), _MOST)


def with_background(
    expression: ExpressionRows, states: NDArray[np.float64]
) -> BackgroundRows | None:
    """The chosen genes, and behind them up to 2,000 of the others.

    Parameters
    ----------
    expression
        Of chosen genes, by rows. The others are drawn with a fixed seed, so that the same choice
        gives the same results.
    states
        Cell states, ``(n_cells, n_dims)``.

    Returns
    -------
    None if all genes were chosen, or if not both are counts scaled alike.
    """
    if expression.genes is None or not most_beside(expression):
        return None
    others = np.setdiff1d(np.arange(expression.matrix.shape[1]), expression.genes)
    if len(others) > _MOST:
        others = np.sort(np.random.default_rng(0).choice(others, _MOST, replace=False))
    n_asked = len(expression.genes)
    genes = np.concatenate([expression.genes, others])
    found = BackgroundRows(expression.matrix, expression.cells, genes, expression.names, n_asked)
    return found if are_alike(found, states, n_asked) else None


def comparable_sums(sums: DonorSums, rows: BackgroundRows, index: RegionIndex) -> DonorSums:
    """The sums of the chosen genes and of those others that were measured in all samples.

    A gene was not measured in a sample that has no count of it though the others let expect ten.
    Where that is so of more than a twentieth of such genes in a sample, which then holds another
    choice of genes, no other goes along.

    Parameters
    ----------
    sums
        Of all.
    rows
        What was summed.
    index
        Regions of the sums.
    """
    everywhere = sums.regions.within(index.spans[0])  # every cell is in one of a level
    values, weight = everywhere.values.sum(axis=1), everywhere.weight.sum(axis=1)
    share = weight / np.maximum(weight.sum() - weight, np.finfo(float).tiny)
    expected = (values.sum(axis=0) - values) * share[:, None] >= _EXPECTED
    expected[:, : rows.n_asked] = False
    absent = expected & (values == 0.0)
    asked, others = np.arange(rows.n_asked), np.arange(rows.n_asked, sums.n_genes)
    if (absent.sum(axis=1) > _MOST_MISSING * np.maximum(expected.sum(axis=1), 1)).any():
        return sums.of_genes(asked)
    wrong = absent.any(axis=0)
    wrong[list(rows.missing)] = True
    return sums.of_genes(np.concatenate([asked, others[~wrong[others]]]))
