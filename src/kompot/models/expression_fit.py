"""From cells to posteriors: one pass over chunks of cells, all genes and conditions at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.gp.regression import SufficientStatistics
from kompot.models.arrays import as_expression, as_states
from kompot.models.chunk_sums import grouped_sums
from kompot.models.row_chunks import Rows, rows_of_chunk, streamed_chunks

__all__ = ["Rows", "Stacked", "accumulate", "stack_conditions"]

Array = NDArray[np.float64]

_Part = tuple[NDArray[np.intp], list[Any]]
"""Cells of a condition in a chunk, and their expression."""

_CHUNK = 2048
"""Cells at a time; a chunk of features or of expression is then tens of megabytes at most."""


@dataclass(frozen=True)
class Stacked:
    """Cells of one matrix followed by those of another with the same genes."""

    above: Rows
    below: Rows

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_cells, n_genes)``."""
        return self.above.shape[0] + self.below.shape[0], self.above.shape[1]

    def __getitem__(self, rows: NDArray[np.intp]) -> Any:
        """Rows of whichever matrix holds them; both if they lie across the seam."""
        seam = self.above.shape[0]
        split = int(np.searchsorted(rows, seam))
        if split == len(rows):
            return self.above[rows]
        if split == 0:
            return self.below[rows - seam]
        parts = [self.above[rows[:split]], self.below[rows[split:] - seam]]
        if any(sparse.issparse(part) for part in parts):
            return sparse.vstack(parts, format="csr")
        return np.vstack(parts)


def stack_conditions(
    first: tuple[ArrayLike, Any], second: tuple[ArrayLike, Any]
) -> tuple[Array, Stacked, NDArray[np.intp]]:
    """States, expression and condition (0 or 1) of the cells of two conditions, one below another.

    Parameters
    ----------
    first, second
        Cell states ``(n_cells, n_dims)`` and expression ``(n_cells, n_genes)`` of each.

    Raises
    ------
    ValueError
        If shapes disagree or numbers are not finite.
    """
    states1 = as_states(first[0], "X1")
    states2 = as_states(second[0], "X2", states1.shape[1])
    expression1 = as_expression(first[1], "y1", len(states1))
    expression2 = as_expression(second[1], "y2", len(states2))
    if expression1.shape[1] != expression2.shape[1]:
        msg = f"`y1` has {expression1.shape[1]} genes but `y2` has {expression2.shape[1]}."
        raise ValueError(msg)
    condition = np.repeat(np.arange(2), [len(states1), len(states2)])
    return np.vstack([states1, states2]), Stacked(expression1, expression2), condition


@dataclass
class _ConditionSums:
    """Sums over some cells of each condition; None for one without cells among them."""

    conditions: list[SufficientStatistics | None]

    def __iadd__(self, other: "_ConditionSums") -> Self:
        """Add the sums over other cells."""
        pairs = zip(self.conditions, other.conditions, strict=True)
        self.conditions = [_added(one, another) for one, another in pairs]
        return self


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
    The sums of condition 0, 1, ..., the same to the last bit for any number of threads, for
    expression on disk and on a cluster.
    """
    n_conditions = int(condition.max()) + 1
    slices = list(row_slices(len(states), _CHUNK))
    plan = [np.arange(rows.start, rows.stop) for rows in slices]

    def chunk(number: int, read: dict[int, Any]) -> tuple[Array, list[_Part]]:
        rows = slices[number]
        parts = []
        for c in range(n_conditions):
            cells = np.flatnonzero(condition[rows] == c)
            found = {place: block[cells] for place, block in read.items()}
            blocks = rows_of_chunk(expression, rows.start + cells, found)
            parts.append((cells, blocks))
        return states[rows], parts

    chunks = (
        (0, partial(chunk, number, read)) for number, read in streamed_chunks(expression, plan)
    )
    total: _ConditionSums | None = None
    for _, part, _ in grouped_sums(
        _sums_of_chunk, features, chunks, {0: len(plan)}, progress=progress
    ):
        if total is None:
            total = part
        else:
            total += part
    n_genes = sum(matrix.shape[1] for matrix in expression)
    found = [None] * n_conditions if total is None else total.conditions
    return tuple(
        SufficientStatistics.zeros(features.rank, n_genes) if one is None else one for one in found
    )


def _sums_of_chunk(features: FeatureMap, chunk: tuple[Array, list[_Part]]) -> _ConditionSums:
    """Sums over a chunk, from its states and the cells and expression of each condition in it."""
    states, parts = chunk
    phi = features(states)
    return _ConditionSums(
        [
            SufficientStatistics.of(phi[cells], *blocks) if len(cells) else None
            for cells, blocks in parts
        ]
    )


def _added(
    one: SufficientStatistics | None, other: SufficientStatistics | None
) -> SufficientStatistics | None:
    if one is None or other is None:
        return other if one is None else one
    one += other
    return one
