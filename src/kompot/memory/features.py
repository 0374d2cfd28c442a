"""What drawing landmarks holds."""

import math

from kompot.memory.steps import Ledger, array

__all__ = ["POOL", "draw_landmarks"]

POOL = 50_000
"""Most cells among which landmarks are drawn."""
_BLOCK = 120
"""Landmarks proposed at a time; as many columns of features are made room for, and twice as many
each time that they are full."""


def draw_landmarks(ledger: Ledger, n_cells: int, n_dims: int, rank: int) -> None:
    """Draw landmarks among a pool of cells, a block at a time, and keep them and their factor.

    Parameters
    ----------
    ledger
        Of the run.
    n_cells
        Cells among which they are drawn.
    n_dims
        Dimensions of the cell states.
    rank
        Number of landmarks.
    """
    pool = min(n_cells, POOL)
    width = _BLOCK * 2 ** max(0, math.ceil(math.log2(rank / _BLOCK)))
    drawn = min(_BLOCK, math.ceil(rank / 2))
    features = array("Features of the pool", pool, width)
    few = array("Columns of new landmarks", pool, math.ceil(drawn / 2), count=4)
    ledger.step("drawing landmarks", features, few)
    if width > _BLOCK:
        before = array("Features before they were widened", pool, width // 2)
        columns = array("Columns of new landmarks", pool, drawn, count=2)
        ledger.step("widening features", features, before, columns)
    ledger.keep("Landmarks and their factor", rank, rank + n_dims)
