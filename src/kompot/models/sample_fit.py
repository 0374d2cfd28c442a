"""From cells to conditions and how their samples differ, in one pass over the cells."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.features import FeatureMap
from kompot.gp.regression import SufficientStatistics, fit_posterior
from kompot.memory import dense_bytes
from kompot.models.array_store import ArrayStore
from kompot.models.cell_sums import Wanted, accumulate, sums_by_sample
from kompot.models.condition_samples import ConditionSamples, too_few_samples
from kompot.models.normalized_counts import count_scale
from kompot.models.row_chunks import Rows
from kompot.stats.donor_sums import DonorSums
from kompot.stats.region_sums import RegionIndex
from kompot.stats.sample_variance import sample_deviations

__all__ = [
    "ConditionSums",
    "sum_conditions",
    "sum_one_condition",
    "sum_samples",
]

Array = NDArray[np.float64]

Cells = NDArray[np.intp]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConditionSums:
    """What is known of two conditions after one pass over the cells.

    Attributes
    ----------
    statistics
        Sums that determine the posterior of each condition.
    deviations
        How the samples of each condition differ (:mod:`kompot.stats.sample_variance`); none
        without samples.
    donors
        What the donor-level test needs; None without samples or regions.
    """

    statistics: Sequence[SufficientStatistics]
    deviations: tuple[list[Array], list[Array]]
    donors: DonorSums | None


def sum_conditions(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    condition: NDArray[np.intp],
    *,
    samples: ConditionSamples | None,
    index: RegionIndex | None,
    sigma: float,
    store: ArrayStore | None,
    progress: bool,
) -> ConditionSums:
    """Sums over the cells of two conditions, with their samples if there are any.

    Samples' own fits take ``8 n_samples rank n_genes`` bytes in the store; the sums that they
    are made from are in memory for one sample at a time.

    Parameters
    ----------
    features, states, expression, progress
        As for :func:`kompot.models.cell_sums.sums_by_sample`.
    condition
        0 or 1 for each cell, ``(n_cells,)``.
    samples
        The samples of the conditions; None for none.
    index
        Regions in which samples are compared, by the counts behind log-normalised expression if
        it is that; None for none.
    sigma
        Noise standard deviation of the samples' own fits.
    store
        Where these are kept; None for memory as long as they fit.
    """
    if samples is None:
        sums = accumulate(features, states, expression, condition, progress)
        return ConditionSums(sums, ([], []), None)
    scale = None if index is None else count_scale(expression[0], states)
    return _sum_samples(
        features,
        states,
        expression,
        samples,
        wanted=Wanted(index, scale),
        sigma=sigma,
        store=store,
        progress=progress,
    )


def sum_one_condition(
    features: FeatureMap,
    states: Array,
    expression: Rows,
    sample: NDArray[np.intp] | None,
    sigma: float,
    *,
    store: ArrayStore,
    progress: bool,
) -> tuple[SufficientStatistics, list[Array]]:
    """Sums over all cells, and how their samples differ if there are any.

    Parameters
    ----------
    features, states, expression, progress
        As for :func:`kompot.models.cell_sums.sums_by_sample`; one matrix of expression.
    sample
        Number of each cell's sample, from 0 without gaps, ``(n_cells,)``; None for none.
    sigma, store
        As for :func:`sum_conditions`.

    Raises
    ------
    ValueError
        If fewer than 2 samples have 2 cells.
    """
    if sample is None:
        everything = np.zeros(len(states), np.intp)
        (total,) = accumulate(features, states, [expression], everything, progress)
        return total, []
    sizes = np.bincount(sample)
    samples = ConditionSamples(sample, np.zeros_like(sizes), sizes)
    if len(samples.varying(0)) < 2:
        raise too_few_samples(len(samples.varying(0)))
    sums = _sum_samples(
        features, states, [expression], samples, sigma=sigma, store=store, progress=progress
    )
    return sums.statistics[0], sums.deviations[0]


def sum_samples(
    features: FeatureMap,
    states: Array,
    expression: Rows,
    sample: NDArray[np.intp],
    index: RegionIndex,
    *,
    n_samples: int,
    counts: bool = True,
    progress: bool = False,
) -> DonorSums:
    """What the donor-level test needs of the cells, in one pass.

    Parameters
    ----------
    features, states, expression, sample, progress
        As for :func:`kompot.models.cell_sums.sums_by_sample`; one matrix of expression.
    index
        Regions of the cells.
    n_samples
        Number of samples.
    counts
        Whether the counts behind log-normalised expression are summed if it is that.
    """
    none = np.zeros(n_samples, np.intp)  # none is large enough to be fitted on its own
    samples = ConditionSamples(sample, none, none)
    scale = count_scale(expression, states) if counts else None
    wanted = Wanted(index, scale, posteriors=scale is None)
    sums = _sum_samples(features, states, [expression], samples, wanted=wanted, progress=progress)
    assert sums.donors is not None
    return sums.donors.with_cells(sums.statistics)


def _sum_samples(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    samples: ConditionSamples,
    *,
    wanted: Wanted | None = None,
    sigma: float = 1.0,
    store: ArrayStore | None = None,
    progress: bool = False,
) -> ConditionSums:
    """Sums over the cells of the conditions that samples are of, sample by sample."""
    wanted = Wanted() if wanted is None else wanted
    n_genes = [matrix.shape[1] for matrix in expression]
    n_fitted = sum(n_genes) if wanted.posteriors else 0
    conditions = range(int(samples.condition.max()) + 1)
    totals = [SufficientStatistics.zeros(features.rank, n_fitted) for _ in conditions]
    weights: list[list[Array]] = [[], []]
    donors = None
    if wanted.index is not None:
        shape = len(samples.condition), wanted.index.n_regions, features.rank, n_genes[0]
        donors = DonorSums.zeros(*shape, of_counts=wanted.scale is not None)
    counted = set(np.concatenate([samples.varying(0), samples.varying(1)]).tolist())
    size = dense_bytes(len(counted), features.rank, sum(n_genes))
    keep = (ArrayStore() if store is None else store).keeper(size)
    for found in sums_by_sample(
        features, states, expression, samples.codes, wanted=wanted, progress=progress
    ):
        c = int(samples.condition[found.number])
        if donors is not None and found.regions is not None:
            donors.add(found.number, found.regions, found.counted)
        totals[c] += found.statistics
        if found.number in counted:
            weights[c].append(keep(fit_posterior(found.statistics, sigma).weights))
    first, second = (sample_deviations(ones) if len(ones) >= 2 else [] for ones in weights)
    return ConditionSums(totals, (first, second), donors)
