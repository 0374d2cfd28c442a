"""One p-value from several, and false discovery rates of hypotheses of unequal weight."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cauchy_combination", "weighted_benjamini_hochberg"]

Array = NDArray[np.float64]

_SMALLEST = 1e-300
"""Below this the Cauchy quantile of a p-value would overflow."""


def cauchy_combination(
    p: ArrayLike, weights: ArrayLike | None = None, *, largest: float = 1.0 - 1e-7
) -> Array:
    r"""One p-value of several that may depend on one another.

    .. math:: T = \frac{\sum_k w_k \cot(\pi p_k)}{\sum_k w_k}, \qquad
              p = \operatorname{arccot}(T) / \pi

    whose small values hold for any dependence that normal statistics usually have
    (Liu & Xie 2020, *J. Am. Stat. Assoc.* 115, 393). The cotangent is
    :math:`\tan(\pi(1/2 - p))` without the loss of digits near zero.

    Parameters
    ----------
    p
        P-values, ``(n_tests, ...)``; NaN where there is no test.
    weights
        Not negative, to be broadcast to ``p`` (``(n_tests,)`` gives each test one weight);
        equal by default.
    largest
        Larger p-values count as this, so that one near 1 does not outweigh all others.

    Returns
    -------
    ``(...)``; NaN where no test has weight.

    Examples
    --------
    >>> cauchy_combination([[0.01], [0.5], [np.nan]]).round(4)
    array([0.02])
    """
    values = np.asarray(p, dtype=np.float64)
    share = np.ones(1) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.ndim == 1:
        share = share.reshape(-1, *(1,) * (values.ndim - 1))
    tested = ~np.isnan(values)
    clipped = np.clip(np.where(tested, values, 0.5), _SMALLEST, largest)
    share = np.where(tested, share, 0.0)
    total = share.sum(axis=0)
    with np.errstate(invalid="ignore"):
        statistic = (share / np.tan(np.pi * clipped)).sum(axis=0) / total
    return np.asarray(np.arctan2(1.0, statistic) / np.pi)


def weighted_benjamini_hochberg(p: ArrayLike, weights: ArrayLike | None = None) -> Array:
    r"""Smallest weighted false discovery rate at which each hypothesis is called.

    .. math:: q_{(i)} = \min_{j \ge i} p_{(j)} \frac{\sum_l w_l}{\sum_{l \le j} w_{(l)}}

    The rate is the expected share of the *weight* called that is false
    (Benjamini & Hochberg 1997, *Scand. J. Stat.* 24, 407). Equal weights give
    :func:`kompot.stats.fdr.benjamini_hochberg`.

    Parameters
    ----------
    p
        P-values, ``(n_tests,)``; NaN where there is no test.
    weights
        Not negative, ``(n_tests,)``; equal by default.

    Returns
    -------
    ``(n_tests,)``; NaN where there is no test or it has no weight.

    Examples
    --------
    >>> weighted_benjamini_hochberg([0.01, 0.04, 0.5], [1.0, 2.0, 1.0]).round(4)
    array([0.04  , 0.0533, 0.5   ])
    """
    values = np.asarray(p, dtype=np.float64)
    share = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    counted = ~np.isnan(values) & (share > 0)
    found, cost = values[counted], share[counted]
    order = np.argsort(found, kind="stable")
    rate = found[order] * (cost.sum() / np.cumsum(cost[order]))
    adjusted = np.empty_like(found)
    adjusted[order] = np.minimum(np.minimum.accumulate(rate[::-1])[::-1], 1.0)
    result = np.full(values.shape, np.nan)
    result[counted] = adjusted
    return result
