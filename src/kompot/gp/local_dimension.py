"""How many dimensions cell states fill locally."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from kompot import threads
from kompot.gp.cell_order import evenly_spaced

__all__ = ["fractal_dimension"]

Array = NDArray[np.float64]


def fractal_dimension(states: Array, n_neighbors: int = 10, max_queries: int = 500) -> float:
    r"""Mean local fractal dimension of cell states.

    In the neighbourhood of a cell (itself and its nearest cells, ``n_neighbors`` together) the
    number :math:`N(\rho)` of pairs of cells closer than :math:`\rho` grows as :math:`\rho^d`
    (the correlation dimension, Grassberger & Procaccia 1983, *Physica D* 9, 189). The local
    dimension is the least-squares slope of :math:`\log N` on :math:`\log\rho` over these pairs.
    Copies of a cell count once.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    n_neighbors
        Cells of a neighbourhood, at least 3.
    max_queries
        Neighbourhoods that are averaged at most: those of cells evenly spaced in lexicographic
        order, so that the order of the cells does not matter.

    Returns
    -------
    Mean of the local dimensions, positive. With fewer than three different cells, or cells all as
    far apart, which have no slope, the number of columns of ``states``.
    """
    cells = np.unique(states, axis=0)  # in lexicographic order
    size = min(n_neighbors, len(cells))
    if size < 3:
        return float(states.shape[1])
    places = evenly_spaced(len(cells), max_queries)
    tree = KDTree(cells, balanced_tree=False, compact_nodes=False)
    neighbors = cells[tree.query(cells[places], k=size, workers=threads.number())[1]]
    slopes = _pair_slopes(neighbors)
    return float(slopes.mean()) if len(slopes) else float(states.shape[1])


def _pair_slopes(neighborhoods: Array) -> Array:
    """Slopes of the log rank on the log distance of pairs, ``(n, size, n_dims)`` to ``(n,)``."""
    first, second = np.triu_indices(neighborhoods.shape[1], 1)
    distances = np.linalg.norm(neighborhoods[:, first] - neighborhoods[:, second], axis=2)
    x = np.log(np.sort(distances, axis=1))
    x -= x.mean(axis=1, keepdims=True)
    y = np.log(np.arange(1.0, x.shape[1] + 1.0))
    spread = np.einsum("ij,ij->i", x, x)
    slopes: Array = (x @ (y - y.mean()))[spread > 0] / spread[spread > 0]
    return slopes
