r"""Factors by which whole samples express more or less, whatever the gene.

Normalised counts are shares. Where some genes rise, shares of all others fall, and with the depth
or quality of a sample all may be off by one factor.
"""

import numpy as np
from numpy.typing import NDArray

from kompot.stats.compressed_counts import expanded
from kompot.stats.region_sums import RegionSums

__all__ = ["log_sample_scales"]

Array = NDArray[np.float64]

_FEWEST_GENES = 50
_LARGEST_RELATIVE_VARIANCE = 0.25
"""Genes with fewer than about four counts in a sample say little of its factor."""
_TRIMMED_RATIOS, _TRIMMED_LEVELS = 0.3, 0.05
_SMALLEST = 1e-12


def log_sample_scales(sums: RegionSums) -> Array:
    r"""Log of each sample's factor: trimmed mean over genes of log observed over expected.

    .. math::
        O_{sg} = \sum_k W_{sk}\bar y_{skg}, \quad E_{sg} = \sum_k W_{sk} m_{kg}, \quad
        \log f_s = \frac{\sum_g a_{sg} \log \frac{g^{-1}(O_{sg}/W_s)}{g^{-1}(E_{sg}/W_s)}}
          {\sum_g a_{sg}}, \quad
        a_{sg} = \frac{E_{sg}^2}{v_g W_s},

    with :math:`m_{kg}` the mean of all cells in region :math:`k`, :math:`v_g` the variance between
    cells of a sample and region, :math:`W_s = \sum_k W_{sk}` and counts compressed by :math:`g`
    (:mod:`kompot.stats.compressed_counts`): what a sample's own mixture of regions would express
    (indirect standardisation) is compared with what it does, so that its composition does not
    count. The outer 30 % of log ratios and 5 % of levels at each end are left out, and genes known
    to less than half, as in trimmed means of M-values (Robinson & Oshlack 2010, *Genome Biology*
    11, R25).

    Parameters
    ----------
    sums
        Sums of compressed counts in regions that together hold every cell once.

    Returns
    -------
    ``(n_samples,)``; 0 for a sample of which fewer than 50 genes say enough.
    """
    weight = sums.weight
    per_region = np.maximum(weight.sum(axis=0), _SMALLEST)
    expected = weight @ (sums.values.sum(axis=0) / per_region[:, None])
    observed = sums.values.sum(axis=1)
    divisor = np.maximum(weight, _SMALLEST)[:, :, None]
    scatter = sums.squares.sum(axis=0) - np.einsum("skg,skg->g", sums.values, sums.values / divisor)
    n_free = max(sums.n_cells.sum() - np.count_nonzero(sums.n_cells), 1.0)
    variance = np.maximum(scatter / n_free, _SMALLEST)
    found = np.zeros(len(weight))
    for s, (seen, wanted, total) in enumerate(
        zip(observed, expected, weight.sum(axis=1), strict=True)
    ):
        relative = variance * total / np.maximum(wanted, _SMALLEST) ** 2
        usable = (relative < _LARGEST_RELATIVE_VARIANCE) & (seen > 0) & (wanted > 0)
        if np.count_nonzero(usable) >= _FEWEST_GENES:
            means = expanded(seen[usable] / total), expanded(wanted[usable] / total)
            found[s] = _trimmed_mean(*means, 1.0 / relative[usable])
    return found


def _trimmed_mean(observed: Array, expected: Array, precision: Array) -> float:
    """Weighted mean of log ratios without the outer ratios and levels."""
    ratio, level = np.log(observed / expected), np.log(expected)
    kept = _inner(ratio, _TRIMMED_RATIOS) & _inner(level, _TRIMMED_LEVELS)
    return float(np.average(ratio[kept], weights=precision[kept])) if kept.any() else 0.0


def _inner(values: Array, trimmed: float) -> NDArray[np.bool_]:
    low, high = np.quantile(values, [trimmed, 1.0 - trimmed])
    return np.asarray((values >= low) & (values <= high))
