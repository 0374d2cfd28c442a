"""Share of each sample's cells in each region, in logs, and its sampling error."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogFractions", "count_cells", "log_fractions", "relative_to"]

Array = NDArray[np.float64]

_PSEUDO_COUNT = 0.5
_SMALLEST_EXPECTED = 0.5
"""Expected cells below this count as this, or the Poisson variance would explode."""
_SMALLEST_MEAN = 2.0
"""Cells per sample, on average, that a region and its complement need to be tested."""


@dataclass(frozen=True)
class LogFractions:
    r"""Log fractions of samples in regions.

    Attributes
    ----------
    values
        :math:`z_{sk}`, natural log, ``(n_samples, n_regions)``.
    sampling_variance
        Variance of :math:`z_{sk}` from drawing cells, ``(n_samples, n_regions)``.
    mean
        Fraction of the cells of compared samples in each region, ``(n_regions,)``.
    testable
        Whether a region holds enough cells, ``(n_regions,)``.
    """

    values: Array
    sampling_variance: Array
    mean: Array
    testable: NDArray[np.bool_]


def count_cells(
    sample: NDArray[np.intp], labels: NDArray[np.intp], n_samples: int, n_regions: int
) -> Array:
    """Cells of each sample in each region, ``(n_samples, n_regions)``.

    Parameters
    ----------
    sample
        Number of each cell's sample, ``(n_cells,)``.
    labels
        Number of each cell's region, ``(n_cells,)``; -1 for a cell in none.
    n_samples, n_regions
        How many there are.
    """
    inside = labels >= 0
    pairs = sample[inside] * n_regions + labels[inside]
    counts = np.bincount(pairs, minlength=n_samples * n_regions)
    return counts.reshape(n_samples, n_regions).astype(np.float64)


def log_fractions(
    counts: Array, totals: Array, compared: NDArray[np.bool_] | None = None
) -> LogFractions:
    r"""Log fractions with a pseudo-count, and their Poisson variance.

    .. math::

        z_{sk} = \log\frac{n_{sk} + 1/2}{N_s + 1}, \qquad
        v_{sk} = \frac{1}{\max(N_s \bar p_k, 1/2)}, \qquad
        \bar p_k = \frac{\sum_s n_{sk} + 1/2}{\sum_s N_s},

    the last over samples that are compared. A region is testable if these have 2 cells in it on
    average, and 2 outside: the share of a region that holds all cells cannot change.

    Parameters
    ----------
    counts
        :math:`n_{sk}`, ``(n_samples, n_regions)``.
    totals
        :math:`N_s`, cells of each sample in all, ``(n_samples,)``, positive.
    compared
        Which samples are compared, ``(n_samples,)``; None for all.
    """
    compared = np.ones(len(totals), dtype=bool) if compared is None else compared
    size = totals[:, None]
    mean = (counts[compared].sum(axis=0) + _PSEUDO_COUNT) / totals[compared].sum()
    inside = counts[compared].mean(axis=0)
    outside = (size - counts)[compared].mean(axis=0)
    return LogFractions(
        values=np.log((counts + _PSEUDO_COUNT) / (size + 2.0 * _PSEUDO_COUNT)),
        sampling_variance=1.0 / np.maximum(size * mean, _SMALLEST_EXPECTED),
        mean=mean,
        testable=(inside >= _SMALLEST_MEAN) & (outside >= _SMALLEST_MEAN),
    )


def relative_to(fractions: LogFractions, reference: LogFractions) -> LogFractions:
    r"""Log ratios of each sample's cells in regions to its cells in a reference.

    :math:`z_{sk} - z_{sr}`, whose sampling variance is :math:`v_{sk} + v_{sr}` for regions that
    share no cells with the reference, and less for others. What donors and the draw of cells do
    to the reference is then in the residuals of every region, and their errors allow for it. The
    reference itself is not testable.

    Parameters
    ----------
    fractions
        Of ``n_regions`` regions.
    reference
        Of one region.
    """
    values = fractions.values - reference.values
    return replace(
        fractions,
        values=values,
        sampling_variance=fractions.sampling_variance + reference.sampling_variance,
        testable=fractions.testable & values.any(axis=0),
    )
