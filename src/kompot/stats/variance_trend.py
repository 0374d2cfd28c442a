"""How the variance between samples depends on how much and how variably a gene is expressed."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

__all__ = ["spline_columns", "trend_basis", "variance_trend"]

Array = NDArray[np.float64]

_KNOTS = 5
_KNOT_RANGE = (0.05, 0.95)
_DEPENDENT = 1e-8
"""Singular values of the columns below this share of the largest count as zero."""
_WINSOR = (0.01, 0.99)
_ROUNDS = 2
_FLOOR = 1e-6
"""Smallest variance that the logarithm sees, of the median."""


def spline_columns(x: Array, n_knots: int = _KNOTS) -> Array:
    r"""Restricted cubic spline: linear beyond the outer knots.

    With knots :math:`t_1 < \dots < t_m` at quantiles from 0.05 to 0.95 of x, the columns are x and

    .. math:: \frac{d_j(x) - d_{m-1}(x)}{t_m - t_1}, \quad
              d_j(x) = \frac{(x - t_j)_+^3 - (x - t_m)_+^3}{t_m - t_j}, \quad j = 1, \dots, m - 2

    (Stone & Koo 1985; Harrell 2015, *Regression Modeling Strategies*, section 2.4.5), each with
    mean 0 and standard deviation 1.

    Parameters
    ----------
    x
        ``(n_genes,)``.
    n_knots
        Number of knots; fewer if x has few distinct values, only x itself below three.

    Returns
    -------
    ``(n_genes, n_columns)``
    """
    knots = np.unique(np.quantile(x, np.linspace(*_KNOT_RANGE, n_knots)))
    columns = [x]
    if len(knots) >= 3:
        last = knots[-1]
        tail = np.maximum(x - last, 0.0) ** 3
        cubics = [(np.maximum(x - t, 0.0) ** 3 - tail) / (last - t) for t in knots[:-1]]
        columns += [(cubic - cubics[-1]) / (last - knots[0]) for cubic in cubics[:-1]]
    table = np.stack(columns, axis=1)
    table -= table.mean(axis=0)
    spread = table.std(axis=0)
    return table / np.where(spread > 0, spread, 1.0)


def trend_basis(*covariates: Array) -> Array:
    """Orthonormal basis of a constant and the splines of some covariates.

    Parameters
    ----------
    *covariates
        ``(n_genes,)`` each.

    Returns
    -------
    ``(n_genes, n_columns)``
    """
    ones = np.ones((len(covariates[0]), 1))
    table = np.concatenate([ones, *(spline_columns(x) for x in covariates)], axis=1)
    left, values, _ = np.linalg.svd(table, full_matrices=False)
    return left[:, values > _DEPENDENT * values[0]]


def variance_trend(variance: Array, degrees_of_freedom: int, basis: Array) -> Array:
    r"""Typical variance :math:`t_g` of genes like each.

    For a variance :math:`s^2` estimated with :math:`d` degrees of freedom,
    :math:`e_g = \log s_g^2 - \psi(d/2) + \log(d/2)` has mean :math:`\log\sigma_g^2`. It is
    regressed on the basis, twice again with residuals cut at their 1st and 99th percentile, and
    :math:`t_g = \exp(\hat e_g)` (the trend of Law et al. 2014, *Genome Biol.* 15, R29, on two
    covariates).

    Parameters
    ----------
    variance
        :math:`s^2`, ``(n_genes,)``, positive.
    degrees_of_freedom
        :math:`d`.
    basis
        Orthonormal columns, ``(n_genes, n_columns)`` (:func:`trend_basis`).

    Returns
    -------
    ``(n_genes,)``, positive.
    """
    half = degrees_of_freedom / 2.0
    seen = np.maximum(variance, _FLOOR * np.median(variance))
    target = np.log(seen) - digamma(half) + np.log(half)
    pulled = target
    for _ in range(_ROUNDS):
        fit = basis @ (basis.T @ pulled)
        residual = target - fit
        pulled = fit + np.clip(residual, *np.quantile(residual, _WINSOR))
    return np.exp(basis @ (basis.T @ pulled))
