r"""Log density of cells from the distances to their nearest neighbours.

If cells of density :math:`e^{f}` (cells per unit volume) fill :math:`d` dimensions around a cell,
the volume :math:`V = \pi^{d/2} r^d / \Gamma(d/2 + 1)` of the ball that reaches to its nearest
neighbour at distance :math:`r` is exponential with rate :math:`e^f` (Otto et al. 2024, *Nature
Methods* 21, 1185). The log likelihood of one distance is

.. math:: f + \log d + (d - 1) \log r + c_d - e^{f + d \log r + c_d}, \quad
          c_d = \tfrac d2 \log\pi - \log\Gamma(\tfrac d2 + 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

__all__ = [
    "NeighborLikelihood",
    "log_ball_volume",
    "prior_mean_log_density",
]

Array = NDArray[np.float64]

_PRIOR_QUANTILE = 0.01
_PRIOR_DROP = 10.0
"""The prior mean lies this far below the quantile, so that empty space is taken for empty."""


def log_ball_volume(distances: Array, d: float) -> Array:
    r"""Log volume :math:`d \log r + c_d` of balls of radius ``distances`` in ``d`` dimensions."""
    volume: Array = d * np.log(distances) + 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    return volume


def prior_mean_log_density(distances: Array, d: float) -> float:
    r"""Prior mean of the log density: 1st percentile over cells of :math:`-\log V`, minus 10.

    :math:`-\log V` is the log density under which a distance is most likely.
    """
    likeliest = -log_ball_volume(distances, d)
    return float(np.quantile(likeliest, _PRIOR_QUANTILE) - _PRIOR_DROP)


@dataclass(frozen=True)
class NeighborLikelihood:
    r"""Likelihood of nearest-neighbour distances, a function of the log density at the cells.

    Attributes
    ----------
    log_volume
        :math:`\log V_i`, ``(n_cells,)``.
    constant
        What does not depend on the density, :math:`\sum_i \log d + (d-1) \log r_i + c_d`.
    """

    log_volume: Array
    constant: float

    @classmethod
    def of_distances(cls, distances: Array, d: float) -> "NeighborLikelihood":
        """Likelihood of positive distances ``(n_cells,)`` in ``d`` dimensions."""
        log_volume = log_ball_volume(distances, d)
        constant = len(distances) * np.log(d) + (log_volume - np.log(distances)).sum()
        return cls(log_volume, float(constant))

    def of_cells(self, cells: slice) -> "NeighborLikelihood":
        """Likelihood of the distances of some cells, but for the constant."""
        return NeighborLikelihood(self.log_volume[cells], 0.0)

    def nearest_neighbor_log_density(self) -> Array:
        r"""Unbiased log density from each distance alone, :math:`-\log V - \gamma`.

        Minus a log volume is :math:`f` minus the log of an exponential variable, which has mean
        :math:`-\gamma` (Euler's constant) and variance :math:`\pi^2/6`.
        """
        return -self.log_volume - np.euler_gamma

    def mean_log_density(self) -> float:
        """Mean over cells of :meth:`nearest_neighbor_log_density`."""
        return float(self.nearest_neighbor_log_density().mean())

    def expected(self, log_density: Array) -> Array:
        r"""Expected number :math:`e^{f + \log V}` of cells in each ball; infinite on overflow.

        It is exponential with mean 1 at the true density; the derivative of the log likelihood by
        :math:`f` is one minus it and the second derivative its negative.
        """
        with np.errstate(over="ignore"):
            return np.exp(log_density + self.log_volume)

    def log_likelihood(self, log_density: Array) -> float:
        """Log likelihood at the log density ``(n_cells,)``; minus infinity on overflow."""
        return float(log_density.sum() - self.expected(log_density).sum() + self.constant)
