"""Difference of log fractions of cells between conditions, with samples as replicates."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.stats.design import Contrast
from kompot.stats.log_fractions import LogFractions
from kompot.stats.moderation import Moderation, effective_number, moderate, two_sided_p
from kompot.stats.overdispersion import Overdispersion, fit_overdispersion

__all__ = ["FractionContrast", "contrast_fractions", "level_weights", "weighted_median"]

Array = NDArray[np.float64]

_SMALLEST_VARIANCE = 1e-8


@dataclass(frozen=True)
class FractionContrast:
    r"""Change of the share of cells in each region; every array is ``(n_regions,)``.

    Attributes
    ----------
    estimate
        :math:`a z_k` less the shift, natural log.
    standard_error
        Its moderated standard error; NaN where a region is not testable.
    p_value
        Two-sided moderated p-value; NaN where a region is not testable.
    degrees_of_freedom
        Of the moderated t statistics.
    weights
        Weights :math:`w_k` of the regions, 0 where not testable, of sum 1.
    variance
        Residual variance :math:`s_k^2`.
    trend
        :math:`T_k`, prior expectation of the variance.
    excess, floor
        Sampling variance of the contrast, less that of the residuals and in all.
    overdispersion
        Trend of the variance between samples.
    moderation
        How variances were moderated.
    shift
        What was subtracted from the estimates, natural log.
    """

    estimate: Array
    standard_error: Array
    p_value: Array
    degrees_of_freedom: Array
    weights: Array
    variance: Array
    trend: Array
    excess: Array
    floor: Array
    overdispersion: Overdispersion
    moderation: Moderation
    shift: float

    @property
    def t(self) -> Array:
        """Moderated t statistics, ``(n_regions,)``."""
        return self.estimate / self.standard_error

    @property
    def testable(self) -> NDArray[np.bool_]:
        """Which regions were tested, ``(n_regions,)``."""
        return ~np.isnan(self.p_value)


def level_weights(
    testable: NDArray[np.bool_], level: NDArray[np.intp], share: Array | None = None
) -> Array:
    r"""Weights of regions: each level the same in all, split equally over its testable regions.

    Parameters
    ----------
    testable
        Which regions are tested, ``(n_regions,)``.
    level
        Number of each region's level, ``(n_regions,)``.
    share
        Weight of each level, ``(n_levels,)``; equal by default.
    """
    n_testable = np.bincount(level, weights=testable)
    each = (np.ones(len(n_testable)) if share is None else share) / np.maximum(n_testable, 1.0)
    weights = np.where(testable, each[level], 0.0)
    return weights / max(float(weights.sum()), np.finfo(float).tiny)


def weighted_median(estimate: Array, fraction: Array) -> float:
    """Change of the region in which the median cell is.

    Parameters
    ----------
    estimate
        Changes of regions, ``(n_regions,)``.
    fraction
        Fraction of all cells in each, ``(n_regions,)``.
    """
    order = np.argsort(estimate, kind="stable")
    below = np.cumsum(fraction[order]) / fraction.sum()
    return float(estimate[order][np.searchsorted(below, 0.5)])


def contrast_fractions(
    fractions: LogFractions,
    contrast: Contrast,
    weights: Array,
    independent: NDArray[np.bool_],
    *,
    shift: float = 0.0,
) -> FractionContrast:
    r"""Moderated test of the contrast in every region.

    With :math:`u = a a^\top` and the residual variance :math:`s_k^2` of :math:`z_k` on
    :math:`df` degrees of freedom, the error variance of :math:`a z_k` is

    .. math::

        u \max\Bigl\{\frac{d_0 T_k + df\,s_k^2}{d_0 + df} + v^b_k - v^r_k,\ v^b_k\Bigr\}, \quad
        v^r_k = \frac1{df} \sum_s (1 - h_s) v_{sk}, \quad
        v^b_k = \frac1u \sum_s a_s^2 v_{sk}, \quad h = \operatorname{diag}(X X^+):

    moderated towards overdispersion plus the sampling variance that :math:`s_k^2` really has, then
    corrected to that of the contrast, and never below it. :math:`t_k` has :math:`\min(d_0 + df,
    df K_{eff})` degrees of freedom, fewer where the correction takes away
    (:meth:`kompot.stats.moderation.Moderation.error`).

    Parameters
    ----------
    fractions
        Log fractions of ``n_regions`` regions.
    contrast
        Contrast of the samples.
    weights
        Of the regions, ``(n_regions,)``, of sum 1, zero where not testable.
    independent
        Regions that do not overlap, on which :math:`K_{eff}` is found, ``(n_regions,)``.
    shift
        To subtract from the estimates, natural log; taken to be known.
    """
    a, df, unit = contrast.weights, contrast.degrees_of_freedom, contrast.unit_variance
    tested = fractions.testable
    variance = np.maximum(contrast.residual_variance(fractions.values), _SMALLEST_VARIANCE)
    of_residuals = (contrast.residual_basis**2).sum(axis=1) @ fractions.sampling_variance / df
    floor = a**2 @ fractions.sampling_variance / unit
    overdispersion = fit_overdispersion(
        variance[tested], of_residuals[tested], fractions.mean[tested], weights[tested], df
    )
    trend = overdispersion(fractions.mean) + of_residuals
    on = tested & independent
    residuals = contrast.residual_basis.T @ fractions.values[:, on] / np.sqrt(trend[on])
    moderation = moderate(
        variance[tested], trend[tested], weights[tested], df, effective_number(residuals)
    )
    excess = floor - of_residuals
    moderated, degrees = moderation.error(variance, trend, excess, floor)
    error = np.sqrt(unit * moderated)
    estimate = contrast.effect(fractions.values) - shift
    p_value = two_sided_p(estimate / error, degrees)
    return FractionContrast(
        estimate=estimate,
        standard_error=np.where(tested, error, np.nan),
        p_value=np.where(tested, p_value, np.nan),
        degrees_of_freedom=degrees,
        weights=weights,
        variance=variance,
        trend=trend,
        excess=excess,
        floor=floor,
        overdispersion=overdispersion,
        moderation=moderation,
        shift=shift,
    )
