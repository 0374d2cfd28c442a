"""Cells that represent the parts of a manifold of cell states."""

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.coordinates import FARTHEST, usable_states

__all__ = ["find_landmarks"]


def find_landmarks(  # noqa: PLR0917 the order of arguments that users know
    X: ArrayLike,
    n_clusters: int = 200,
    n_neighbors: int = 15,
    tol: float = 0.1,
    max_iter: int = 10,
    random_state: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """One cell of each of some clusters of neighbouring cells.

    Clusters are merged by Ward's criterion along the graph of nearest neighbours, so that they
    follow the manifold, until ``n_clusters`` are left; of each the cell nearest to its mean is
    taken. (The analyses choose landmarks themselves, by the error that they leave:
    :func:`kompot.gp.fit_features`.)

    Parameters
    ----------
    X
        Cell states, ``(n_cells, n_dims)``.
    n_clusters
        Number of clusters, at most that of the cells.
    n_neighbors
        Neighbours of each cell in the graph.
    tol, max_iter, random_state
        Accepted for scripts that search for a number of clusters. Here it is exact and nothing is
        drawn, so that they change nothing.

    Returns
    -------
    landmarks
        States of the cells, ``(n_clusters, n_dims)``.
    indices
        Their rows, increasing, ``(n_clusters,)``.

    Raises
    ------
    ValueError
        If the states are no matrix of finite numbers, or a number is out of range.

    References
    ----------
    Ward 1963, *J. Am. Stat. Assoc.* 58, 236.
    """
    del tol, max_iter, random_state
    given = np.asarray(X)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "fiub":
        msg = (
            f"`X` must be a matrix of numbers (n_cells, n_dims), got shape {given.shape} of type "
            f"{given.dtype}."
        )
        raise ValueError(msg)
    states = given.astype(np.float64)
    if not usable_states(states).all():
        msg = f"`X` must hold finite numbers below {FARTHEST:g}, whose squares do not overflow."
        raise ValueError(msg)
    for name, number in (("n_clusters", n_clusters), ("n_neighbors", n_neighbors)):
        if not isinstance(number, int | np.integer) or number < 1:
            msg = f"`{name}` must be a positive whole number, got {number!r}."
            raise ValueError(msg)
    if n_clusters >= len(states):
        return states, np.arange(len(states))
    # Half a second that only this function needs.
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(states, min(int(n_neighbors), len(states) - 1))
    with warnings.catch_warnings():
        # Parts of the graph that hang together are joined where they are nearest, as they should.
        warnings.filterwarnings("ignore", "the number of connected components", UserWarning)
        labels = AgglomerativeClustering(int(n_clusters), connectivity=graph).fit_predict(states)
    chosen = np.empty(int(n_clusters), dtype=np.intp)
    for label in range(int(n_clusters)):
        members = np.flatnonzero(labels == label)
        offset = states[members] - states[members].mean(axis=0)
        chosen[label] = members[np.argmin(np.square(offset).sum(axis=1))]
    chosen.sort()
    return states[chosen], chosen
