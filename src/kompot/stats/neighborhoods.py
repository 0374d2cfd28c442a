"""Overlapping neighbourhoods of cell states, in which local abundance is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.linalg import row_slices
from kompot.memory.abundance import ANCHORS
from kompot.stats.kmeans import kmeans_clusters

__all__ = ["CountedNeighborhoods", "count_neighborhoods", "neighborhood_size"]

Array = NDArray[np.float64]

_MOST_ANCHORS = 200
_CELLS_PER_ANCHOR = 20
_SHARE = 0.05
_SMALLEST = 30
_FEWEST_PER_SAMPLE = 2
_KMEANS_STEPS = 30


@dataclass(frozen=True)
class CountedNeighborhoods:
    """Anchors among the cells and the cells nearest to each.

    Attributes
    ----------
    anchor
        Number of each cell's nearest anchor, ``(n_cells,)``.
    counts
        Cells of each sample in the neighbourhood of each anchor, ``(n_samples, n_anchors)``.
    share
        Share of cells of which each anchor is the nearest, ``(n_anchors,)``.
    size
        Number of cells in each neighbourhood.
    """

    anchor: NDArray[np.intp]
    counts: Array
    share: Array
    size: int


def neighborhood_size(n_cells: int, n_samples: int) -> int:
    r"""Cells in a neighbourhood, :math:`\max(30, 0.05 n, 2 S)` and not more than all.

    The last bound, two cells per sample on average, matters where samples have fewer than 40
    cells: fewer could not be tested.
    """
    return min(n_cells, max(_SMALLEST, int(_SHARE * n_cells), _FEWEST_PER_SAMPLE * n_samples))


def count_neighborhoods(
    coordinates: Array,
    sample: NDArray[np.intp],
    n_samples: int,
    *,
    compared: NDArray[np.bool_] | None = None,
    random_state: int = 0,
) -> CountedNeighborhoods:
    r"""Anchors by k-means, and the cells of each sample among the nearest to each.

    There are :math:`\min(200, n / 20)` anchors; neighbourhoods overlap. Of more than 50,000 cells
    so many are drawn to find the anchors; neighbours are sought among all.

    Parameters
    ----------
    coordinates
        Cells in a space where distance is unlikeness, ``(n_cells, n_dims)``.
    sample
        Number of each cell's sample, ``(n_cells,)``.
    n_samples
        Number of samples.
    compared
        Which of them are compared, ``(n_samples,)``; None for all. Neighbourhoods are so much
        larger that on average they hold as many cells of these as if there were no others.
    random_state
        Seed.
    """
    n_cells = len(coordinates)
    n_anchors = min(_MOST_ANCHORS, max(n_cells // _CELLS_PER_ANCHOR, 2))
    centers, anchor = kmeans_clusters(
        coordinates, n_anchors, n_init=1, max_iter=_KMEANS_STEPS, random_state=random_state
    )
    compared = np.ones(n_samples, dtype=bool) if compared is None else compared
    n_compared = int(np.count_nonzero(compared[sample]))
    size = neighborhood_size(n_compared, int(compared.sum()))
    size = min(n_cells, -(-size * n_cells // max(n_compared, 1)))
    squares = np.einsum("ij,ij->i", coordinates, coordinates)
    counts = np.empty((n_samples, len(centers)))
    for some in row_slices(len(centers), ANCHORS):
        distances = squares - 2.0 * centers[some] @ coordinates.T
        nearest = np.argpartition(distances, size - 1, axis=1)[:, :size]
        for number, cells in enumerate(nearest, start=some.start):
            counts[:, number] = np.bincount(sample[cells], minlength=n_samples)
    share = np.bincount(anchor, minlength=len(centers)) / n_cells
    return CountedNeighborhoods(anchor, counts, share, size)
