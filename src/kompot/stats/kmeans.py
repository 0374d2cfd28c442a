"""Clusters of cells by k-means, of which the centres need only some of the cells."""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.linalg import row_slices

__all__ = ["kmeans_clusters"]

Array = NDArray[np.float64]

_FITTED_CELLS = 50_000
"""Above this many cells the centres are found on so many of them."""
_CHUNK = 8192


def kmeans_clusters(
    coordinates: Array,
    n_clusters: int,
    *,
    n_init: int,
    max_iter: int = 300,
    random_state: int | None = 0,
) -> tuple[Array, NDArray[np.intp]]:
    """Centres of clusters and the number of each cell's nearest.

    Parameters
    ----------
    coordinates
        Cells in a space where distance is unlikeness, ``(n_cells, n_dims)``.
    n_clusters
        Number of clusters, lowered to that of the distinct cells.
    n_init
        Starts, of which the best is kept.
    max_iter
        Most steps from each.
    random_state
        Seed.

    Returns
    -------
    Centres, ``(n_clusters, n_dims)``, and labels, ``(n_cells,)``.
    """
    from sklearn.cluster import KMeans  # takes half a second to import

    n_cells = len(coordinates)
    fitted = coordinates
    if n_cells > _FITTED_CELLS:
        rng = np.random.default_rng(random_state)
        fitted = coordinates[np.sort(rng.choice(n_cells, _FITTED_CELLS, replace=False))]
    distinct = len(np.unique(fitted[: 50 * n_clusters], axis=0))  # of some, mostly enough
    if distinct < n_clusters:
        distinct = len(np.unique(fitted, axis=0))
    model = KMeans(
        min(n_clusters, distinct), n_init=n_init, max_iter=max_iter, random_state=random_state
    ).fit(fitted)
    if fitted is coordinates:
        return model.cluster_centers_, np.asarray(model.labels_, dtype=np.intp)
    parts = [model.predict(coordinates[rows]) for rows in row_slices(n_cells, _CHUNK)]
    return model.cluster_centers_, np.concatenate(parts).astype(np.intp)
