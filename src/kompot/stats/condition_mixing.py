"""How far cells of two conditions keep to themselves among cell states."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["N_NEIGHBORS", "own_neighbors"]

Array = NDArray[np.float64]

N_NEIGHBORS = 15
_MOST_CELLS = 5_000
_MOST_ASKED = 300
"""Cells of each condition; with a standard error of their share of at most 3 %."""


def own_neighbors(states: Array, condition: NDArray[np.intp]) -> float:
    """Share of a cell's nearest neighbours that are of its own condition, mean over conditions.

    Half if conditions are mixed, however many cells each has, and 1 if they are apart. Of at most
    300 cells of each condition, with neighbours among 5,000 cells, so that it costs little.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    condition
        0 or 1 for each cell, ``(n_cells,)``.

    Returns
    -------
    NaN if fewer than 16 of these cells are of either condition.
    """
    chosen = np.random.default_rng(0).permutation(len(states))[:_MOST_CELLS]
    states, condition = states[chosen], condition[chosen]
    members = [np.flatnonzero(condition == number) for number in (0, 1)]
    if min(len(cells) for cells in members) <= N_NEIGHBORS:
        return np.nan
    tree, shares = KDTree(states), []
    for number, cells in enumerate(members):
        asked = cells[:_MOST_ASKED]
        neighbors = tree.query(states[asked], k=N_NEIGHBORS + 1)[1][:, 1:]
        shares.append((condition[neighbors] == number).mean())
    return float(np.mean(shares))
