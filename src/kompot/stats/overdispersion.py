"""Variance of log fractions between samples beyond that of drawing cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Overdispersion", "fit_overdispersion"]

Array = NDArray[np.float64]

_STARTS = (-6.0, -3.0, -1.0)
"""Intercepts from which the search begins; the likelihood may have several maxima."""
_SLOPE_SD = 0.3
_MOST_STEPS = 400


@dataclass(frozen=True)
class Overdispersion:
    r"""Log-linear trend :math:`\phi(p) = e^{\theta_0 + \theta_1 (\log p - m)}` over fractions.

    Attributes
    ----------
    intercept, slope
        :math:`\theta_0, \theta_1`.
    center
        :math:`m`, the log fraction at which the intercept holds.
    """

    intercept: float
    slope: float
    center: float

    def __call__(self, fraction: Array) -> Array:
        r""":math:`\phi` of regions with mean fractions ``(n_regions,)``."""
        trend: Array = np.exp(self.intercept + self.slope * (np.log(fraction) - self.center))
        return trend


def fit_overdispersion(
    variance: Array,
    sampling_variance: Array,
    fraction: Array,
    weights: Array,
    degrees_of_freedom: int,
) -> Overdispersion:
    r"""Trend of the variance between samples, by gamma quasi-likelihood over all regions.

    With :math:`T_k = \phi(\bar p_k) + v_k` it minimises

    .. math:: \sum_k w_k \{\log T_k + s_k^2 / T_k\} + \frac{(\theta_1 / 0.3)^2}{10\,df},

    whose last term, a normal prior of the slope, counts less the more samples there are
    (gamma quasi-likelihood: McCullagh & Nelder 1989, *Generalized Linear Models*, chapter 8).
    Found by the simplex method of Nelder & Mead to four digits, far closer than the data say.

    Parameters
    ----------
    variance
        :math:`s_k^2`, residual variance of the log fractions, ``(n_regions,)``, positive.
    sampling_variance
        :math:`v_k`, its part from drawing cells, ``(n_regions,)``, positive.
    fraction
        :math:`\bar p_k`, ``(n_regions,)``, positive.
    weights
        :math:`w_k`, ``(n_regions,)``, of sum 1.
    degrees_of_freedom
        :math:`df` of each variance.
    """
    from scipy.optimize import minimize  # donor-level runs only

    log_fraction = np.log(fraction)
    center = float(log_fraction.mean())
    distance = log_fraction - center

    def objective(theta: Array) -> float:
        total = np.exp(theta[0] + theta[1] * distance) + sampling_variance
        misfit = float((weights * (np.log(total) + variance / total)).sum())
        return misfit + (theta[1] / _SLOPE_SD) ** 2 / (10.0 * degrees_of_freedom)

    searches = [
        minimize(objective, [start, 0.0], method="Nelder-Mead", options={"maxiter": _MOST_STEPS})
        for start in _STARTS
    ]
    best = min(searches, key=lambda search: search.fun)
    return Overdispersion(float(best.x[0]), float(best.x[1]), center)
