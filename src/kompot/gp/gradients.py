r"""Exact gradients of functions :math:`f(x) = \phi(x) W` of cell state.

With :math:`\phi(x) = k(x, U) L^{-\top}` the function is :math:`\sum_j k(x, u_j) a_j` with
:math:`a = L^{-\top} W`, and

.. math:: \nabla f(x) = \frac{1}{\ell^2} \sum_j \frac{\kappa'(s_j)}{s_j} (x - u_j)\, a_j,
          \quad s_j = \|x - u_j\| / \ell,

where :math:`\kappa'(s)/s` is the kernel's :meth:`~kompot.gp.kernels.Kernel.slope`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices

__all__ = ["function_gradient"]

Array = NDArray[np.float64]

_CHUNK = 1024
"""Cells at a time."""


def function_gradient(features: FeatureMap, weights: Array, states: Array) -> Array:
    """Gradient by cell state of functions given by weights of features.

    The exponential kernel has a kink at every landmark, where no gradient exists: there the
    landmark's own term is 0, the limit of central differences. The other kernels are smooth.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    weights
        One function, ``(rank,)``, or several, ``(rank, n_genes)``.
    states
        Cell states, ``(n_cells, n_dims)``.

    Returns
    -------
    Change of the function per unit of the embedding, ``(n_cells, n_dims)``, or
    ``(n_cells, n_dims, n_genes)`` of several.
    """
    kernel, landmarks = features.kernel, features.landmarks
    pull = solve_triangular(features.factor, weights, lower=True, trans="T")
    gradient = np.empty((*states.shape, *weights.shape[1:]))
    for rows in row_slices(len(states), _CHUNK):
        cells = states[rows]
        distances = np.asarray(cdist(cells, landmarks), dtype=np.float64)
        slope = kernel.slope(distances / kernel.length_scale)
        for dim in range(states.shape[1]):
            apart = cells[:, dim, None] - landmarks[:, dim]
            gradient[rows, dim] = (slope * apart) @ pull
    gradient /= kernel.length_scale**2
    return gradient
