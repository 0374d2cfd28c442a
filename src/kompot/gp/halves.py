r"""How a density estimate varies from one draw of the cells to the next.

The estimate moves by :math:`H^{-1}` times the gradient of the log likelihood, whose variance
:math:`G` is not the Hessian: a nearest-neighbour distance may belong to two cells, an empty ball
is empty for all cells around it, and neither the dimension nor a stiff prior fits every place.
Nor is it the sum of the squared terms. But cells are independent, so that the two parts of a
random division are independent samples of half the size, and with their gradients :math:`s_A` and
:math:`s_B`, neighbours sought within each part,

.. math:: E (s_A - s_B)(s_A - s_B)^\top = 2 \operatorname{Var}(s_{n/2}) \approx
          \operatorname{Var}(s_n),

whatever the likelihood has wrong. Where the density falls off within a ball, as around outlying
cells, the terms of the gradient are larger for all cells than for half of them; if so, the
differences are scaled to the mean square of all cells' terms, each divided by one minus its
leverage (as in HC2: MacKinnon & White 1985, *J. Econometrics* 29, 305). The jackknife, which
leaves out one cell, is inconsistent for nearest neighbours; leaving out a share of the cells is
not (Shao & Wu 1989, *Ann. Statist.* 17, 1176).
"""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_features import CellFeatures
from kompot.gp.density import log_ball_volume
from kompot.gp.laplace import DensityPosterior
from kompot.gp.neighbors import Neighborhoods
from kompot.memory.abundance import HALF_NEIGHBORS, HALVES

__all__ = ["HALF_NEIGHBORS", "score_differences"]

Array = NDArray[np.float64]

_LARGEST_LEVERAGE = 0.9


def score_differences(
    places: CellFeatures, near: Neighborhoods, posterior: DensityPosterior, d: float
) -> Array:
    r"""Differences of the log likelihood's gradient between random halves of the cells.

    Parameters
    ----------
    places
        Features of the distinct cell states, of rank ``rank``.
    near
        Neighbours and copies of these. Copies of a cell stay together.
    posterior
        Posterior of their density.
    d
        Dimension. If it is not exactly the cells', the density of a half is not exactly half of
        the density: the mean number of cells expected in a ball is made that of the whole.

    Returns
    -------
    Rows :math:`u_b`, ``(n_halves, rank)``, with :math:`G = \sum_b u_b^\top u_b`.
    """
    n_places, n_neighbors = near.neighbors.shape
    sides = np.tile(np.arange(n_places) % 2 == 0, (HALVES, 1))
    sides = np.ascontiguousarray(np.random.default_rng(0).permuted(sides, axis=1).T)
    fitted = zip(*places.map(lambda _, phi: _fitted(posterior, phi)), strict=True)
    log_density, variance = (np.concatenate(parts) for parts in fitted)
    with np.errstate(over="ignore"):
        expected = np.exp(log_density[:, None] + log_ball_volume(near.distances, d))
    leverage = np.minimum(expected[:, 0] * variance, _LARGEST_LEVERAGE)
    whole = float(near.copies @ ((1.0 - expected[:, 0]) ** 2 / (1.0 - leverage)))
    chance = 0.5 ** np.arange(1, n_neighbors + 1)
    chance[-1] *= 2.0
    expected *= posterior.mean_expected * near.copies.sum() / float(near.copies @ expected @ chance)
    half = float(near.copies @ (1.0 - expected) ** 2 @ chance)

    def difference(rows: slice, phi: Array) -> Array:
        crowd = np.broadcast_to(expected[rows, -1:], sides[rows].shape)
        for k in reversed(range(n_neighbors - 1)):
            is_same = sides[near.neighbors[rows, k]] == sides[rows]
            crowd = np.where(is_same, expected[rows, k : k + 1], crowd)
        terms = np.where(sides[rows], 1.0 - crowd, crowd - 1.0) * near.copies[rows, None]
        product: Array = terms.T @ phi
        return product

    differences: Array = np.sum(list(places.map(difference)), axis=0)
    scale = whole / half if half > 0 else 1.0
    return differences * np.sqrt(max(scale, 1.0) / HALVES)


def _fitted(posterior: DensityPosterior, phi: Array) -> tuple[Array, Array]:
    """Log density and its posterior variance at features."""
    return posterior.mean(phi), posterior.variance(phi)
