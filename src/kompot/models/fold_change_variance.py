"""How sure the log fold change of two densities is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from kompot.gp.cell_features import CellFeatures
from kompot.gp.features import residual_variance
from kompot.gp.halves import score_differences
from kompot.gp.neighbors import Neighborhoods
from kompot.models.density_estimator import DensityEstimator

__all__ = ["UNCERTAINTIES", "FoldChangeVariance", "weight_spread"]

Array = NDArray[np.float64]

UNCERTAINTIES = ("sampling", "robust", "laplace")
"""Which variance of the log fold change is reported."""


@dataclass(frozen=True)
class FoldChangeVariance:
    r"""Variance :math:`a (C_1 + C_2) a^\top + s^2 (1 - |\phi|^2)` with :math:`a = \phi - \bar\phi`.

    Attributes
    ----------
    center
        :math:`\bar\phi`, what the normalisation takes out, ``(rank,)``.
    spreads
        Square roots of :math:`C_1` and :math:`C_2` (:func:`weight_spread`).
    prior_variance
        :math:`s^2`, the sum of both prior variances.
    """

    center: Array
    spreads: tuple[Array, Array]
    prior_variance: float

    @classmethod
    def of(
        cls,
        densities: list[DensityEstimator],
        cells: list[CellFeatures],
        near: list[Neighborhoods],
        *,
        center: Array,
        uncertainty: str,
    ) -> "FoldChangeVariance":
        """Variance from the densities of the conditions, features and neighbours of their cells."""
        fitted = zip(densities, cells, near, strict=True)
        first, second = (weight_spread(*one, uncertainty) for one in fitted)
        prior = sum(one.posterior_.prior_variance for one in densities)
        return cls(center, (first, second), prior)

    def variance(self, phi: Array) -> Array:
        """At features ``(n_cells, rank)``: ``(n_cells,)``."""
        moves = [np.square((phi - self.center) @ one.T).sum(axis=1) for one in self.spreads]
        return moves[0] + moves[1] + self.prior_variance * residual_variance(phi)

    def covariance(self, phi: Array) -> Array:
        """Between cells, ``(n_cells, n_cells)``."""
        moves = [(phi - self.center) @ one.T for one in self.spreads]
        covariance: Array = moves[0] @ moves[0].T + moves[1] @ moves[1].T
        covariance[np.diag_indices_from(covariance)] += self.prior_variance * residual_variance(phi)
        return covariance

    def residual(self, phi: Array) -> Array:
        r"""What the features leave, :math:`1 - |\phi|^2`, ``(n_cells,)``."""
        return residual_variance(phi)

    def variance_of_mean(self, mean: Array, residual: float, n_cells: int) -> float:
        """Of the mean over cells; what features leave is independent in each.

        Parameters
        ----------
        mean, residual
            Means over the cells of features, ``(rank,)``, and of :meth:`residual`.
        n_cells
            Number of cells.
        """
        mean = mean - self.center
        moves = sum(float(np.square(one @ mean).sum()) for one in self.spreads)
        return moves + self.prior_variance * residual / n_cells


def weight_spread(
    density: DensityEstimator, cells: CellFeatures, near: Neighborhoods, uncertainty: str
) -> Array:
    r"""A square root of the covariance of a density's weights, ``(n, rank)``.

    Rows :math:`U` with the covariance :math:`U^\top U`. ``"laplace"``: the posterior's,
    :math:`H^{-1}`. ``"sampling"``: over repeated draws of the cells, :math:`H^{-1} G H^{-1}`
    (:mod:`kompot.gp.halves`). ``"robust"``: both the cells and the prior,
    :math:`H^{-1} (G + I / s^2) H^{-1}`; were the likelihood right, it were :math:`H^{-1}` (the
    sandwich of misspecified likelihoods: White 1982, *Econometrica* 50, 1; in a posterior:
    Müller 2013, *Econometrica* 81, 1805).

    Parameters
    ----------
    density
        Density of a condition.
    cells
        Features of its cells.
    near
        Neighbourhoods among them.
    uncertainty
        One of :data:`UNCERTAINTIES`.
    """
    posterior = density.posterior_
    if uncertainty == "laplace":
        return solve_triangular(posterior.factor, np.eye(len(posterior.factor)), lower=True)
    if len(near.first) < len(cells):
        cells = CellFeatures(cells.features, cells.states[near.first])
    spread = score_differences(cells, near, posterior, density.d_) @ posterior.covariance
    if uncertainty == "robust":
        spread = np.vstack([spread, posterior.covariance / np.sqrt(posterior.prior_variance)])
    return spread
