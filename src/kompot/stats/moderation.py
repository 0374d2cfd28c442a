r"""Error variances of few samples, moderated by those of all regions.

A residual variance on :math:`df` degrees of freedom is drawn towards a trend with the weight of
:math:`d_0` more, as if the true variances were the trend times a scaled inverse chi-square
(Smyth 2004, *Stat. Appl. Genet. Mol. Biol.* 3, 3). Regions of one composition are correlated:
what many of them say together is worth less than their number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import polygamma, stdtr

__all__ = [
    "Moderation",
    "effective_number",
    "inverse_trigamma",
    "moderate",
    "two_sided_p",
]

Array = NDArray[np.float64]

_EXPECTED_DF = 8.0
"""Prior degrees of freedom where the regions say nothing."""
_EXPECTED_WEIGHT = 5.0
"""Effective regions that this expectation is worth."""


@dataclass(frozen=True)
class Moderation:
    r"""How variances are moderated.

    Attributes
    ----------
    degrees_of_freedom
        :math:`df` of each region's own variance.
    n_effective
        Effective number of independent regions, :math:`K_{eff}`.
    prior_degrees_of_freedom
        :math:`d_0`, the weight of the trend.
    """

    degrees_of_freedom: int
    n_effective: float
    prior_degrees_of_freedom: float

    @property
    def total_degrees_of_freedom(self) -> float:
        r""":math:`\min(d_0 + df, df\,K_{eff})`, those of the moderated t statistics.

        A trend fitted to :math:`K_{eff}` independent variances has no more than theirs together.
        """
        return min(
            self.prior_degrees_of_freedom + self.degrees_of_freedom,
            self.degrees_of_freedom * self.n_effective,
        )

    def error(self, own: Array, trend: Array, excess: Array, floor: Array) -> tuple[Array, Array]:
        r"""Moderated variance of an effect for a contrast of unit length, and how sure it is.

        .. math::

            V_k = \max\{m_k + e_k,\ f_k\}, \quad m_k = \frac{d_0 T_k + df\,s_k^2}{d_0 + df},
            \quad d_k = d_{tot} \min\{1,\ V_k / m_k\}^2:

        what is subtracted is known, so that the error of :math:`m_k` weighs more in what is left
        (Satterthwaite 1946, *Biom. Bull.* 2, 110).

        Parameters
        ----------
        own
            :math:`s_k^2`, ``(..., n_regions)``.
        trend
            :math:`T_k`, ``(..., n_regions)``.
        excess
            :math:`e_k`, sampling variance of the contrast beyond that of the residuals: not zero
            where samples differ in size and weight, ``(n_regions,)``.
        floor
            :math:`f_k`, sampling variance of the contrast, ``(n_regions,)``.

        Returns
        -------
        :math:`V_k` and :math:`d_k`, each ``(..., n_regions)``.
        """
        prior, df = self.prior_degrees_of_freedom, self.degrees_of_freedom
        moderated = (prior * trend + df * own) / (prior + df)
        variance = np.maximum(moderated + excess, floor)
        known = np.minimum(variance / moderated, 1.0) ** 2
        return variance, self.total_degrees_of_freedom * known


def effective_number(residuals: Array) -> float:
    r"""Effective number of independent regions.

    .. math::

        C = R^\top R / df, \quad
        K_{eff} = \frac{(\operatorname{tr} C)^2}{h}, \quad
        h = \frac{df^2}{(df - 1)(df + 2)}
            \Bigl\{\operatorname{tr} C^2 - \frac{(\operatorname{tr} C)^2}{df}\Bigr\},

    where :math:`h` estimates the trace of the squared covariance without bias (Bai & Saranadasa
    1996, *Stat. Sin.* 6, 311), clipped to between 1 and the number of regions; 1 if there is one
    degree of freedom, or no region.

    Parameters
    ----------
    residuals
        :math:`R`, of standardised regions in an orthonormal basis of the residual space,
        ``(df, n_regions)``.
    """
    df, n_regions = residuals.shape
    if df < 2 or n_regions == 0:
        return 1.0
    between = residuals @ residuals.T / df  # the same trace, also squared, as that of regions
    trace, square = float(np.trace(between)), float(np.square(between).sum())
    squared = df**2 / ((df - 1) * (df + 2)) * (square - trace**2 / df)
    return float(np.clip(trace**2 / max(squared, trace**2 / n_regions), 1.0, n_regions))


def inverse_trigamma(value: float) -> float:
    r""":math:`y` with :math:`\psi'(y) = x` for positive :math:`x`, by Newton's method for 1/y.

    From below and monotone (Smyth 2004, appendix).

    Examples
    --------
    >>> round(inverse_trigamma(np.pi**2 / 6), 12)
    1.0
    """
    found = 0.5 + 1.0 / value
    for _ in range(50):
        slope = float(polygamma(1, found))
        step = slope * (1.0 - slope / value) / float(polygamma(2, found))
        found += step
        if abs(step) < 1e-14 * found:
            break
    return found


def moderate(
    variance: Array, trend: Array, weights: Array, degrees_of_freedom: int, n_effective: float
) -> Moderation:
    r"""Prior degrees of freedom from how far variances scatter about their trend.

    The log of :math:`s_k^2 / T_k` has variance :math:`\psi'(df/2) + \psi'(d_0/2)`; the excess
    over the first term is shrunk to that of :math:`d_0 = 8` with a weight of 5 regions,

    .. math::

        ev^* = \frac{K_{eff} \max(ev, 0) + 5\,\psi'(4)}{K_{eff} + 5}, \qquad
        d_0 = 2\,\psi'^{-1}(ev^*).

    Parameters
    ----------
    variance, trend
        :math:`s_k^2` and :math:`T_k` of the regions, ``(n_regions,)``, positive.
    weights
        Of the regions in the variance of the logs, ``(n_regions,)``, of sum 1.
    degrees_of_freedom
        :math:`df` of each variance.
    n_effective
        :math:`K_{eff}` (:func:`effective_number`).
    """
    df, n_regions = degrees_of_freedom, len(variance)
    log_ratio = np.log(variance / trend)
    mean = float((weights * log_ratio).sum())
    scatter = float((weights * (log_ratio - mean) ** 2).sum())
    excess = scatter * n_regions / max(n_regions - 1, 1) - float(polygamma(1, df / 2.0))
    expected = float(polygamma(1, _EXPECTED_DF / 2.0))
    shrunk = n_effective * max(excess, 0.0) + _EXPECTED_WEIGHT * expected
    prior = 2.0 * inverse_trigamma(shrunk / (n_effective + _EXPECTED_WEIGHT))
    return Moderation(df, n_effective, prior)


def two_sided_p(t: Array, degrees_of_freedom: float | Array) -> Array:
    """Probability of a t statistic as far from zero, on either side; any shape."""
    p: Array = 2.0 * stdtr(degrees_of_freedom, -np.abs(t))
    return p
