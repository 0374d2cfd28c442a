"""Cells of two conditions, one below another."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from kompot.models.arrays import as_expression, as_states
from kompot.models.row_chunks import Rows

__all__ = ["Stacked", "stack_conditions"]

Array = NDArray[np.float64]


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
