r"""Logarithms of samples' mean counts, on which donors scatter alike whatever a gene's level."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kompot.stats.ancova import AdjustedMeans
from kompot.stats.compressed_counts import LogCounts, expanded, expansion

__all__ = ["log_means"]

Array = NDArray[np.float64]

_PRIOR_COUNTS = 4.0
"""Fewer leave more of the bias of rare genes' logarithms, more shrink fold changes of genes with
few counts."""
_SMALLEST_VARIANCE = 1e-8
_LARGEST_CHANGE = np.log(10.0)
"""Of what states explain: a regression that few cells decide may expect less than nothing."""


def log_means(
    means: AdjustedMeans, log_scale: Array, compared: NDArray[np.bool_] | None = None
) -> AdjustedMeans:
    r"""Means of compressed counts and of their adjustment as logarithms of counts.

    .. math::
        h_k(m) = \log(g^{-1}(m) + c_k), \quad
        \ell_{skg} = \log\Big(\frac{g^{-1}(\bar y_{skg})}{f_s} + c_k\Big)
          + \frac{e^{-m_{kg}/s}}{2} \log\Big(1 + \frac{v_{kg}\,h_k'(m_{kg})^2}{W_{sk}}\Big), \quad
        z_{skg} = \ell_{skg} - \big(h_k(m_{kg} + \Delta_{skg}) - h_k(m_{kg})\big)

    with :math:`g` of :mod:`kompot.stats.compressed_counts` and :math:`\Delta` the state effect by
    which means are adjusted. :math:`c_k = 4 / \operatorname{median}_s W_{sk}` adds four counts to a
    sample of median size, and to any other in proportion to its size (as edgeR does; Robinson,
    McCarthy & Smyth 2010, *Bioinformatics* 26, 139). The second term is what the mean of a
    logarithm of few counts falls short of the logarithm of the mean (exactly for a log-normal):
    with fewer cells or counts a sample has noisier logarithms, but hardly lower ones
    (:math:`c \ll s` is assumed). No mean is taken for less than 0, and no state effect for more
    than a factor of 10. Variances are those of the logarithms, :math:`v\,h'(m)^2`.

    Parameters
    ----------
    means
        Means of compressed counts.
    log_scale
        :math:`\log f_s`, from :func:`kompot.stats.sample_scale.log_sample_scales`,
        ``(n_samples,)``.
    compared
        Which samples are compared in each region, and decide the median, ``(n_samples,
        n_regions)``; None for those with cells there.
    """
    compared = means.weight > 0 if compared is None else compared & (means.weight > 0)
    logarithm = LogCounts(log_scale, _prior(np.where(compared, means.weight, 0.0)))
    prior = logarithm.prior[:, None]
    level = expanded(means.mean) + prior
    slope = expansion(means.mean)
    per_cell = np.square(slope / level)
    within = np.maximum(means.within * per_cell, _SMALLEST_VARIANCE)

    weight = means.weight[:, :, None]
    logs = logarithm.of_regions(means.raw)
    logs += np.log1p(within / np.where(weight > 0, weight, np.inf)) * (0.5 / slope)

    change = np.log(expanded(np.maximum(means.mean + (means.raw - means.adjusted), 0.0)) + prior)
    change -= np.log(level)
    np.clip(change, -_LARGEST_CHANGE, _LARGEST_CHANGE, out=change)
    residual = np.maximum(means.residual * per_cell, _SMALLEST_VARIANCE)
    return replace(
        means,
        raw=logs,
        adjusted=logs - change,
        within=within,
        residual=residual,
        logarithm=logarithm,
    )


def _prior(weight: Array) -> Array:
    """Counts that are added to each region's mean counts of a typical cell, ``(n_regions,)``."""
    present = np.where(weight > 0, weight, np.nan)
    has_any = (weight > 0).any(axis=0)
    median = np.ones(weight.shape[1])
    median[has_any] = np.nanmedian(present[:, has_any], axis=0)
    return _PRIOR_COUNTS / median
