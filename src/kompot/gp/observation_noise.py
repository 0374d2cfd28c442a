r"""Noise variance of each gene as a function of cell state, from the residuals of its own fit.

The fit leaves of the noise of cell :math:`i` the share

.. math:: q_i = ((I - S)^2)_{ii} = 1 - h_i - \phi_i B^{-2} \phi_i^\top / \sigma^2, \quad
          h_i = \phi_i B^{-1} \phi_i^\top / \sigma^2

of the smoother :math:`S = \Phi B^{-1} \Phi^\top / \sigma^2` with leverages :math:`h_i`, whatever
the noise of the model, so :math:`e_i^2 / q_i` has the mean of the noise variance (the correction
HC2 of MacKinnon & White 1985, *J. Econometrics* 29, 305, for a smoother in place of a projection).
These squares are smoothed around their mean with the features of the fit itself:

.. math:: s^2(x) = \bar s^2 + \phi(x) B^{-1} \Phi^\top (e^2/q - \bar s^2) / \sigma^2, \quad
          \bar s^2 = \sum e_i^2 / \sum q_i .

Everything is of size rank by rank or rank by genes; the smoother is never formed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve

from kompot.gp.regression import Posterior

__all__ = ["NoiseVariance", "SquaredResiduals", "leverage", "residual_share"]

Array = NDArray[np.float64]

_LEAST_SHARE = 0.01
"""Of a cell's noise variance that its residual is taken to keep at least."""
_FLOOR = 0.05
"""Share of a gene's mean noise variance that every state has at least: a smooth function that
follows a steep one swings below it on the other side."""


@dataclass(frozen=True)
class NoiseVariance:
    r"""Noise variance :math:`s^2(x) = \bar s^2 + \phi(x) w`, at least 5 % of :math:`\bar s^2`.

    Attributes
    ----------
    mean
        :math:`\bar s^2`, ``(n_genes,)``, squared units of the expression.
    weights
        :math:`w`, ``(rank, n_genes)``.
    """

    mean: Array
    weights: Array

    def __call__(self, phi: Array) -> Array:
        """Variance at features ``(n_cells, rank)``: ``(n_cells, n_genes)``."""
        variance: Array = phi @ self.weights
        variance += self.mean
        return np.maximum(variance, _FLOOR * self.mean, out=variance)

    def genes(self, chosen: slice) -> "NoiseVariance":
        """The variance of some genes only."""
        return NoiseVariance(self.mean[chosen], self.weights[:, chosen])


@dataclass
class SquaredResiduals:
    r"""Sums of the squared residuals of cells.

    Attributes
    ----------
    total
        :math:`\sum e_i^2`, ``(n_genes,)``.
    cross
        :math:`\sum \phi_i^\top e_i^2 / q_i`, ``(rank, n_genes)``.
    share
        :math:`\sum q_i`.
    """

    total: Array
    cross: Array
    share: float = 0.0

    @classmethod
    def zeros(cls, rank: int, n_genes: int) -> "SquaredResiduals":
        """Sums over no cells."""
        return cls(np.zeros(n_genes), np.zeros((rank, n_genes)))

    @classmethod
    def of(cls, posterior: Posterior, phi: Array, values: Array) -> "SquaredResiduals":
        """Sums over the cells of a chunk.

        Parameters
        ----------
        posterior
            Fit of these cells and others.
        phi
            Features, ``(n_cells, rank)``.
        values
            Expression, ``(n_cells, n_genes)``; overwritten.
        """
        share = residual_share(posterior, phi)
        values -= posterior.mean(phi)
        np.square(values, out=values)
        corrected = phi / np.maximum(share, _LEAST_SHARE)[:, None]
        return cls(values.sum(axis=0), corrected.T @ values, float(share.sum()))

    def __iadd__(self, other: "SquaredResiduals") -> "SquaredResiduals":
        """Add the sums over other cells."""
        self.total += other.total
        self.cross += other.cross
        self.share += other.share
        return self

    def smoothed(self, posterior: Posterior, total: Array) -> NoiseVariance:
        r"""Noise variance as a function of cell state.

        Parameters
        ----------
        posterior
            Fit of the cells.
        total
            :math:`\sum_i \phi_i` over the cells, ``(rank,)``.
        """
        mean = self.total / max(self.share, 1.0)
        weights = cho_solve((posterior.factor, True), self.cross - np.outer(total, mean))
        return NoiseVariance(mean, weights / posterior.sigma**2)


def leverage(posterior: Posterior, phi: Array) -> Array:
    r""":math:`h_i = \phi_i B^{-1}\phi_i^\top/\sigma^2` of fitted cells, ``(n_cells,)``."""
    return posterior.variance(phi) / posterior.sigma**2


def residual_share(posterior: Posterior, phi: Array) -> Array:
    r"""Share :math:`q_i` of a cell's noise variance that its residual keeps, ``(n_cells,)``.

    Parameters
    ----------
    posterior
        Fit of these cells and others.
    phi
        Features, ``(n_cells, rank)``.
    """
    explained = np.square(phi @ posterior.covariance).sum(axis=1) / posterior.sigma**2
    share: Array = 1.0 - leverage(posterior, phi) - explained
    return np.maximum(share, 0.0, out=share)
