"""What drawing landmarks holds."""

import math

from kompot.memory.steps import Ledger, array

__all__ = ["PIVOTS", "POOL", "draw_landmarks", "wider", "widths"]

POOL = 50_000
"""Most cells among which landmarks are drawn at a time."""
PIVOTS = 120
"""Landmarks proposed at a time; as many columns of features are made room for at first."""
_ACCEPTED = 100
"""Most of them that are accepted at a time; seen in runs."""
_GROWTH = 1.25
"""Columns made room for over those before, each time that they are full."""


def wider(width: int, needed: int, most: int) -> int:
    """Columns of features to make room for, where ``width`` are too few.

    Parameters
    ----------
    width
        Columns that there is room for.
    needed
        Columns that are needed.
    most
        Largest rank.
    """
    return min(most, max(needed, int(_GROWTH * width)))


def widths(rank: int) -> tuple[int, int]:
    """Columns that there is room for in the end, and before (0 if they were never too few)."""
    width, before = PIVOTS, 0
    while width < rank:
        width, before = wider(width, 0, 2**62), width
    return width, before


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
    width, before = widths(rank)
    drawn = min(_ACCEPTED, math.ceil(0.6 * rank))
    states = array("Cell states in order", n_cells, n_dims)
    features = array("Features of the pool", pool, width)
    few = array("Columns of new landmarks", pool, drawn, count=3)
    ledger.step("drawing landmarks", states, features, few)
    if before:
        old = array("Features before they were widened", pool, before)
        columns = array("Columns of new landmarks", pool, drawn, count=2)
        ledger.step("widening features", states, features, old, columns)
    ledger.keep("Landmarks and their factor", rank, rank + n_dims)
