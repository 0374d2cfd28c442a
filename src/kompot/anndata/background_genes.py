"""Genes beside those that were chosen, from which samples and variances are judged alike.

What most genes of a sample do, how variances are distributed, and whether expression is of counts
can be told from all genes only. Some of the others therefore go along with chosen ones, whose
results then hardly depend on which were chosen.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.anndata.chunks import ExpressionRows
from kompot.models.arrays import is_usable, unusable

__all__ = ["BackgroundRows", "with_background"]

_MOST = 2000
"""Other genes that go along."""


class BackgroundRows(ExpressionRows):
    """Chosen genes and others, whose missing values are no errors: they may be why others were."""

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Any:
        """Rows of the chosen cells, in which values that cannot be used are 0."""
        return _usable(super().__getitem__(rows))

    def stream(self, plan: Sequence[NDArray[np.intp]]) -> Iterator[tuple[int, Any]]:
        """As of any rows, with 0 for values that cannot be used."""
        for number, block in super().stream(plan):
            yield number, _usable(block)

    def _refuse_not_finite(self, block: Any, positions: NDArray[np.intp]) -> None:
        """Those of chosen genes were refused when they were read before."""


def with_background(expression: ExpressionRows) -> BackgroundRows | None:
    """The chosen genes, and behind them up to 2,000 of the others; None if all were chosen.

    Parameters
    ----------
    expression
        Of chosen genes. The others are drawn with a fixed seed, so that the same choice gives the
        same results.
    """
    if expression.genes is None:
        return None
    others = np.setdiff1d(np.arange(expression.matrix.shape[1]), expression.genes)
    if not len(others):
        return None
    if len(others) > _MOST:
        others = np.sort(np.random.default_rng(0).choice(others, _MOST, replace=False))
    genes = np.concatenate([expression.genes, others])
    return BackgroundRows(expression.matrix, expression.cells, genes, expression.names)


def _usable(block: Any) -> Any:
    """Values with 0 for those that are missing, infinite or huge."""
    is_sparse = sparse.issparse(block)
    values = block.data if is_sparse else np.asarray(block)
    if is_usable(values):
        return block
    values = np.where(unusable(values), 0, values)
    if not is_sparse:
        return values
    return type(block)((values, block.indices, block.indptr), shape=block.shape)
