"""Cells in the few directions of feature space that tell them apart."""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.backend import numpy_only
from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.memory.expression_sizes import FEATURE_CHUNK

__all__ = ["principal_coordinates"]

Array = NDArray[np.float64]

_LOST_VARIANCE = 1e-4
"""Share of the variance of the features that may be left out. Between 1e-8 and 1e-3 k-means regions
and what is found in them differed as they do between two seeds of k-means."""
_FITTED_CELLS = 50_000
"""Above this many cells the directions come from so many, evenly spaced."""


@numpy_only()
def principal_coordinates(features: FeatureMap, states: Array) -> Array:
    """Principal components of the features of cells, with all but 1e-4 of their variance.

    Distances between cells are nearly those of the features, in a tenth of the dimensions, and
    the features of all cells are never in memory together.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states, ``(n_cells, n_dims)``.

    Returns
    -------
    ``(n_cells, n_components)``, the component of most variance last; at least one.
    """
    total, gram = np.zeros(features.rank), np.zeros((features.rank, features.rank))
    fitted = states[:: -(-len(states) // _FITTED_CELLS)]
    for rows in row_slices(len(fitted), FEATURE_CHUNK):
        phi = features(fitted[rows])
        total += phi.sum(axis=0)
        gram += phi.T @ phi
    center = total / len(fitted)
    variance, directions = np.linalg.eigh(gram / len(fitted) - np.outer(center, center))
    lost = np.cumsum(np.maximum(variance, 0.0))
    kept = lost > _LOST_VARIANCE * lost[-1]
    kept[-1] = True
    return np.concatenate(
        [
            (features(states[rows]) - center) @ directions[:, kept]
            for rows in row_slices(len(states), FEATURE_CHUNK)
        ]
    )
