r"""How a density estimate varies from one draw of the cells to the next.

The estimate moves by :math:`H^{-1}` times the gradient of the log likelihood, whose variance
:math:`G` is not the Hessian: a nearest-neighbour distance may belong to two cells, an empty ball
is empty for all cells around it, and neither the dimension nor a stiff prior fits every place.
Nor is it the sum of the squared terms. But cells are independent, so that the two parts of a
random division are independent samples of half the size, with gradients :math:`s_A` and
:math:`s_B`, and with neighbours sought within each part

.. math:: E (s_A - s_B)(s_A - s_B)^\top = 2 \operatorname{Var}(s_{n/2}) \approx
          \operatorname{Var}(s_n),

whatever the likelihood has wrong. (The jackknife, which leaves out one cell, is inconsistent for
nearest neighbours; leaving out a share of the cells is not: Shao & Wu 1989, *Ann. Statist.* 17,
1176.)
"""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.density import log_ball_volume
from kompot.gp.features import FeatureMap
from kompot.gp.neighbors import nearest_places

__all__ = ["score_differences"]

Array = NDArray[np.float64]

_HALVES = 100
"""Random divisions: the variance has a relative standard error of 14 %."""
_NEIGHBORS = 8
"""Neighbours among which the nearest of the same part is sought; one cell in 256 has none."""
_CELLS = 5000
"""Above this many cells a random choice of so many is divided."""


def score_differences(
    features: FeatureMap, states: Array, log_density: Array, mean_expected: float, d: float
) -> Array:
    r"""Differences of the log likelihood's gradient between random halves of the cells.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states in an order that does not depend on the order of the data,
        ``(n_cells, n_dims)``.
    log_density
        Estimate at the cells, ``(n_cells,)``.
    mean_expected
        Mean over cells of the number :math:`e^{f + \log V}` of cells expected in their balls. In
        halves it is made the same, because the density of a half is not exactly half of the
        density if the dimension is not exactly the cells'.
    d
        Dimension.

    Returns
    -------
    Rows :math:`u_b`, ``(n_halves, rank)``, scaled so that :math:`\sum_b u_b^\top u_b` is the
    variance :math:`G` of the gradient for all cells. Copies of a cell stay together.
    """
    rng = np.random.default_rng(0)
    n_cells = len(states)
    if n_cells > _CELLS:
        chosen = np.sort(rng.choice(n_cells, _CELLS, replace=False))
        states, log_density = states[chosen], log_density[chosen]
    places, first, copies = np.unique(states, axis=0, return_index=True, return_counts=True)
    distances, neighbors = nearest_places(places, min(_NEIGHBORS, len(places) - 1))
    with np.errstate(over="ignore"):
        expected = np.exp(log_density[first, None] + log_ball_volume(distances, d))
    sides = np.tile(np.arange(len(places)) % 2 == 0, (_HALVES, 1))
    sides = np.ascontiguousarray(rng.permuted(sides, axis=1).T)
    crowd = np.broadcast_to(expected[:, -1:], sides.shape)
    for k in reversed(range(expected.shape[1] - 1)):
        crowd = np.where(sides[neighbors[:, k]] == sides, expected[:, k : k + 1], crowd)
    scale = mean_expected * copies.sum() * _HALVES / float((copies @ crowd).sum())
    terms = (1.0 - scale * crowd) * np.where(sides, 1.0, -1.0) * copies[:, None]
    differences: Array = terms.T @ features(places)
    return differences * np.sqrt(n_cells / (len(states) * _HALVES))
