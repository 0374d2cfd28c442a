r"""Factors by which whole samples express more or less, whatever the gene.

Normalised counts are shares. Where some genes rise, shares of all others fall, and with the quality
of a sample all may be off by one factor.
"""

import numpy as np
from numpy.typing import NDArray

from kompot.stats.commonest import FEWEST_GENES, commonest
from kompot.stats.compressed_counts import expanded
from kompot.stats.region_sums import RegionSums

__all__ = ["log_sample_scales"]

Array = NDArray[np.float64]

_LARGEST_VARIANCE = 0.25
"""Of a log ratio: genes with fewer than about four counts in a sample say little of its factor."""
_ROUNDS = 5
_SMALLEST = 1e-12


def log_sample_scales(sums: RegionSums) -> Array:
    r"""Log of each sample's factor: the commonest log ratio of observed to expected counts.

    .. math::
        O_{sg} = \sum_k W_{sk}\,g^{-1}(\bar y_{skg}), \quad
        E_{sg} = \sum_k W_{sk}\,\frac{\sum_t W_{tk}\,g^{-1}(\bar y_{tkg})/f_t}{\sum_t W_{tk}},
        \quad r_{sg} = \log \frac{O_{sg}}{E_{sg}},

    with counts compressed by :math:`g` (:mod:`kompot.stats.compressed_counts`): what a sample's own
    mixture of regions would express is compared with what it does (indirect standardisation, in 5
    rounds from :math:`f_t = 1` on), so that its composition hardly counts.

    :math:`\log f_s` is where most of the :math:`r_{sg}` are
    (:func:`kompot.stats.commonest.commonest`), with sampling variances
    :math:`v_g W_s / (\sum_k W_{sk} m_{kg})^2` where :math:`m` and :math:`v` are the mean and the
    variance between cells of a region. It stands for a trimmed mean of M-values (Robinson & Oshlack
    2010, *Genome Biology* 11, R25).

    Parameters
    ----------
    sums
        Sums of compressed counts in regions that together hold every cell once.

    Returns
    -------
    ``(n_samples,)``; 0 for a sample of which fewer than 150 genes say enough.
    """
    weight = sums.weight
    counts = expanded(sums.values / np.maximum(weight, _SMALLEST)[:, :, None])
    observed = np.einsum("sk,skg->sg", weight, counts)
    relative = _relative_variance(sums)
    usable = (relative < _LARGEST_VARIANCE) & (observed > 0)
    per_region = np.maximum(weight.sum(axis=0), _SMALLEST)
    found = np.zeros(len(weight))
    for _ in range(_ROUNDS):
        shares = weight * np.exp(-found)[:, None] / per_region
        expected = weight @ np.einsum("sk,skg->kg", shares, counts)
        for s in np.flatnonzero(usable.sum(axis=1) >= FEWEST_GENES):
            genes = usable[s]
            ratio = np.log(observed[s, genes] / expected[s, genes])
            found[s] = commonest(ratio, relative[s, genes])
    return found


def _relative_variance(sums: RegionSums) -> Array:
    """Variance of a log ratio from sampling cells, ``(n_samples, n_genes)``."""
    weight = sums.weight
    divisor = np.maximum(weight, _SMALLEST)[:, :, None]
    scatter = sums.squares.sum(axis=0) - np.einsum("skg,skg->g", sums.values, sums.values / divisor)
    n_free = max(sums.n_cells.sum() - np.count_nonzero(sums.n_cells), 1.0)
    variance = np.maximum(scatter / n_free, _SMALLEST)
    expected = weight @ (
        sums.values.sum(axis=0) / np.maximum(weight.sum(axis=0), _SMALLEST)[:, None]
    )
    return variance * weight.sum(axis=1)[:, None] / np.maximum(expected, _SMALLEST) ** 2
