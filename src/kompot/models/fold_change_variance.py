"""How sure the weights of a density are, for the log fold change."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from kompot.gp.cell_features import CellFeatures
from kompot.gp.halves import score_differences
from kompot.gp.neighbors import Neighborhoods
from kompot.models.density_estimator import DensityEstimator

__all__ = ["UNCERTAINTIES", "weight_spread"]

Array = NDArray[np.float64]

UNCERTAINTIES = ("sampling", "robust", "laplace")
"""Which variance of the log fold change is reported."""


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
