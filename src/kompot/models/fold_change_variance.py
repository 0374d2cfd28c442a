"""Covariance of the log fold change between two densities."""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.halves import half_sample_covariance, score_differences
from kompot.gp.neighbors import Neighborhoods
from kompot.models.density_estimator import DensityEstimator

__all__ = ["UNCERTAINTIES", "fold_change_covariance"]

Array = NDArray[np.float64]

UNCERTAINTIES = ("sampling", "robust", "laplace")
"""Which variance of the log fold change is reported."""


def fold_change_covariance(
    densities: list[DensityEstimator],
    cells: list[Array],
    near: list[Neighborhoods],
    uncertainty: str,
) -> Array:
    r"""Sum of the covariances of the weights of two densities, ``(rank, rank)``.

    ``"laplace"``: the posterior's, :math:`H^{-1}`. ``"sampling"``: over repeated draws of the
    cells, :math:`H^{-1} G H^{-1}` (:mod:`kompot.gp.halves`). ``"robust"``: both the cells and the
    prior, :math:`H^{-1} (G + I / s^2) H^{-1}`; were the likelihood right, it were
    :math:`H^{-1}` (the sandwich of misspecified likelihoods: White 1982, *Econometrica* 50, 1; in
    a posterior: Müller 2013, *Econometrica* 81, 1805).

    Parameters
    ----------
    densities
        Of the conditions, in the same features.
    cells
        Cell states of each condition, ``(n_cells, n_dims)``.
    near
        Neighbourhoods among the cells of each condition.
    uncertainty
        One of :data:`UNCERTAINTIES`.
    """
    rank = densities[0].features_.rank
    total = np.zeros((rank, rank))
    for density, states, neighborhoods in zip(densities, cells, near, strict=True):
        posterior = density.posterior_
        if uncertainty == "laplace":
            total += posterior.covariance
            continue
        features, d = density.features_, density.d_
        differences = score_differences(features, states, neighborhoods, posterior, d)
        total += half_sample_covariance(posterior, differences)
        if uncertainty == "robust":
            total += posterior.covariance @ posterior.covariance / posterior.prior_variance
    return total
