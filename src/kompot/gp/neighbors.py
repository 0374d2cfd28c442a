"""Exact nearest-neighbour distances between cell states."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from kompot import threads

__all__ = ["nearest_distinct_distances", "nearest_places"]

Array = NDArray[np.float64]

_TREE_DIMS = 15
"""Above this many dimensions a search tree visits nearly every cell and brute force is faster."""

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
    distances = _second_neighbor_distances(states, wanted)
    if (distances == 0).any():
        distances = _second_neighbor_distances(np.unique(states, axis=0), wanted)
    return np.maximum(distances, _SMALLEST)


def _second_neighbor_distances(states: Array, wanted: Array) -> Array:
    """Distance of the rows of ``wanted``, all found in ``states``, to the next row."""
    if len(states) < 2:
        return np.full(len(wanted), np.inf)
    if states.shape[1] <= _TREE_DIMS:
        tree = KDTree(states, balanced_tree=False, compact_nodes=False)
        distances: Array = tree.query(wanted, k=2, workers=threads.limit())[0][:, 1]
        return distances
    from sklearn.neighbors import NearestNeighbors  # half a second, for wide embeddings only

    search = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(states)
    distances = search.kneighbors(wanted)[0][:, 1]
    return distances


def nearest_places(places: Array, n_neighbors: int) -> tuple[Array, NDArray[np.intp]]:
    """Distances and rows of the nearest other places of each, ``(n_places, n_neighbors)``.

    Parameters
    ----------
    places
        Cell states without copies, ``(n_places, n_dims)``.
    n_neighbors
        Fewer than there are places.
    """
    if places.shape[1] <= _TREE_DIMS:
        tree = KDTree(places, balanced_tree=False, compact_nodes=False)
        distances, rows = tree.query(places, k=n_neighbors + 1, workers=threads.limit())
    else:
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=n_neighbors + 1, algorithm="brute").fit(places)
        distances, rows = search.kneighbors(places)
    return np.maximum(distances[:, 1:], _SMALLEST), rows[:, 1:]
