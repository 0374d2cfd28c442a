"""How far cells of two conditions keep to themselves among cell states."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

__all__ = ["N_NEIGHBORS", "own_neighbors"]

Array = NDArray[np.float64]

N_NEIGHBORS = 15
_MOST_CELLS = 2_500
_MOST_ASKED = 300
"""Cells of each condition, the latter with a standard error of their share of at most 3 %."""


def own_neighbors(states: Array, condition: NDArray[np.intp]) -> float:
    """Share of a cell's nearest neighbours that are of its own condition, mean over conditions.

    Half if conditions are mixed, however many cells each has, and 1 if they are apart. Of at most
    300 cells of each condition, with neighbours among 2,500 of each, so that it costs little.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    condition
        0 or 1 for each cell, ``(n_cells,)``.

    Returns
    -------
    NaN if either condition has fewer than 16 cells.
    """
    rng = np.random.default_rng(0)
    members = [
        rng.permutation(np.flatnonzero(condition == number))[:_MOST_CELLS] for number in (0, 1)
    ]
    if min(len(cells) for cells in members) <= N_NEIGHBORS:
        return np.nan
    chosen = np.concatenate(members)
    tree, shares = KDTree(states[chosen]), []
    for number, cells in enumerate(members):
        neighbors = tree.query(states[cells[:_MOST_ASKED]], k=N_NEIGHBORS + 1)[1][:, 1:]
        shares.append((condition[chosen[neighbors]] == number).mean())
    return float(np.mean(shares))
