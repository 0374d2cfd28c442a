"""Exact nearest-neighbour distances between cell states."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from kompot import threads
from kompot.gp.cell_order import lexicographic_order
from kompot.gp.linalg import row_slices

__all__ = ["Neighborhoods", "find_neighborhoods", "nearest_distinct_distances"]

Array = NDArray[np.float64]

_TREE_DIMS = 15
"""Above this many dimensions a search tree visits nearly every cell and brute force is faster."""

_FURTHER_CANDIDATES = 4
_QUERIES = 1024
"""Cells whose differences from candidates are formed at a time."""

_SMALLEST = np.sqrt(np.finfo(np.float64).tiny)
"""The squares of smaller distances underflow; such cells count as so far apart."""


def nearest_distinct_distances(states: Array, queries: NDArray[np.intp] | None = None) -> Array:
    r"""Distance of each cell to the nearest cell in another place.

    :math:`d_i = \min_{j: x_j \ne x_i} \|x_i - x_j\|`. Copies of a cell are ignored, so that
    duplicates neither give zeros nor shrink a length scale.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    queries
        Rows of ``states`` for which distances are wanted; all by default.

    Returns
    -------
    Distances, ``(n_queries,)``, positive; infinite if every cell is in the same place.
    """
    wanted = states if queries is None else states[queries]
    is_wide = states.shape[1] > _TREE_DIMS  # brute force finds copies at distances above zero
    distances = _nearest_others(np.unique(states, axis=0) if is_wide else states, wanted, 1)[0]
    if (distances == 0).any():
        distances = _nearest_others(np.unique(states, axis=0), wanted, 1)[0]
    return np.maximum(distances[:, 0], _SMALLEST)


def _nearest_others(
    states: Array, wanted: Array, n_neighbors: int
) -> tuple[Array, NDArray[np.intp]]:
    """Distances and rows of the states next to each of ``wanted``, which are states themselves.

    Both ``(n_wanted, n_neighbors)``; infinitely far where there are no others.
    """
    if len(states) < 2:
        shape = len(wanted), n_neighbors
        return np.full(shape, np.inf), np.zeros(shape, dtype=np.intp)
    if states.shape[1] <= _TREE_DIMS:
        tree = KDTree(states, balanced_tree=False, compact_nodes=False)
        distances, rows = tree.query(wanted, k=n_neighbors + 1, workers=threads.number())
    else:
        distances, rows = _by_brute_force(states, wanted, n_neighbors + 1)
    return distances[:, 1:], rows[:, 1:]


def _by_brute_force(states: Array, wanted: Array, number: int) -> tuple[Array, NDArray[np.intp]]:
    """The nearest states from the nearest on, both ``(n_wanted, number)``.

    Squares of distances are found by expansion, which loses the digits of small ones and of states
    far from the origin: states are centred, a few more candidates are taken, and the distances of
    these are those of their differences.
    """
    from sklearn.neighbors import NearestNeighbors  # half a second, for wide embeddings only

    center = states.mean(axis=0)
    n_candidates = min(number + _FURTHER_CANDIDATES, len(states))
    search = NearestNeighbors(n_neighbors=n_candidates, algorithm="brute").fit(states - center)
    near = search.kneighbors(wanted - center, return_distance=False)
    distances = np.empty(near.shape)
    for rows in row_slices(len(wanted), _QUERIES):
        apart = states[near[rows]] - wanted[rows, None]
        distances[rows] = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))
    order = np.argsort(distances, axis=1, kind="stable")[:, :number]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(near, order, 1)


@dataclass(frozen=True)
class Neighborhoods:
    """Distinct cell states (places) and the places nearest to each.

    Attributes
    ----------
    first
        Row of the first cell at each place, ``(n_places,)``.
    place
        Place of each cell, ``(n_cells,)``.
    copies
        Number of cells at each place, ``(n_places,)``.
    distances, neighbors
        Distances to the nearest other places and their numbers, ``(n_places, n_neighbors)``, from
        the nearest on.
    """

    first: NDArray[np.intp]
    place: NDArray[np.intp]
    copies: NDArray[np.intp]
    distances: Array
    neighbors: NDArray[np.intp]

    @property
    def nearest_distances(self) -> Array:
        """As :func:`nearest_distinct_distances`, ``(n_cells,)``."""
        if not self.distances.size:
            return np.full(len(self.place), np.inf)
        return self.distances[self.place, 0]


def find_neighborhoods(states: Array, n_neighbors: int) -> Neighborhoods:
    """Find the nearest places of every place; all others, if there are fewer.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    n_neighbors
        At least 1.
    """
    order = lexicographic_order(states)
    ordered = states[order]
    begins = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    place = np.empty(len(states), dtype=np.intp)
    place[order] = np.cumsum(begins) - 1
    starts = np.flatnonzero(begins)
    places, copies = ordered[starts], np.diff(np.r_[starts, len(states)])
    distances, rows = _nearest_others(places, places, min(n_neighbors, len(places) - 1))
    return Neighborhoods(order[starts], place, copies, np.maximum(distances, _SMALLEST), rows)
