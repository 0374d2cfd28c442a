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
from kompot.models.cell_sums import accumulate, sums_by_sample
from kompot.models.condition_samples import ConditionSamples, too_few_samples
from kompot.models.row_chunks import Rows
from kompot.stats.region_sums import RegionIndex, RegionSums
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
    regions
        Sums of each sample in each region; None without samples or regions.
    """

    statistics: Sequence[SufficientStatistics]
    deviations: tuple[list[Array], list[Array]]
    regions: RegionSums | None


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
    features, states, expression, index, progress
        As for :func:`kompot.models.cell_sums.sums_by_sample`.
    condition
        0 or 1 for each cell, ``(n_cells,)``.
    samples
        The samples of the conditions; None for none.
    sigma
        Noise standard deviation of the samples' own fits.
    store
        Where these are kept; None for memory as long as they fit.
    """
    if samples is None:
        sums = accumulate(features, states, expression, condition, progress)
        return ConditionSums(sums, ([], []), None)
    return _sum_samples(
        features,
        states,
        expression,
        samples,
        index=index,
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
    progress: bool = False,
) -> tuple[SufficientStatistics, RegionSums]:
    """Sums over all cells, and those of each sample in each region, in one pass.

    Parameters
    ----------
    features, states, expression, sample, index, progress
        As for :func:`kompot.models.cell_sums.sums_by_sample`; one matrix of expression.
    n_samples
        Number of samples.
    """
    none = np.zeros(n_samples, np.intp)  # none is large enough to be fitted on its own
    samples = ConditionSamples(sample, none, none)
    sums = _sum_samples(features, states, [expression], samples, index=index, progress=progress)
    assert sums.regions is not None
    return sums.statistics[0], sums.regions


def _sum_samples(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    samples: ConditionSamples,
    *,
    index: RegionIndex | None = None,
    sigma: float = 1.0,
    store: ArrayStore | None = None,
    progress: bool = False,
) -> ConditionSums:
    """Sums over the cells of the conditions that samples are of, sample by sample."""
    n_genes = [matrix.shape[1] for matrix in expression]
    conditions = range(int(samples.condition.max()) + 1)
    totals = [SufficientStatistics.zeros(features.rank, sum(n_genes)) for _ in conditions]
    weights: list[list[Array]] = [[], []]
    regions = None
    if index is not None:
        n_samples = len(samples.condition)
        regions = RegionSums.zeros(n_samples, index.n_regions, features.rank, n_genes[0])
    counted = set(np.concatenate([samples.varying(0), samples.varying(1)]).tolist())
    size = dense_bytes(len(counted), features.rank, sum(n_genes))
    keep = (ArrayStore() if store is None else store).keeper(size)
    for found in sums_by_sample(
        features, states, expression, samples.codes, index=index, progress=progress
    ):
        c = int(samples.condition[found.number])
        totals[c] += found.statistics
        if regions is not None and found.regions is not None:
            regions.add(found.number, found.regions)
        if found.number in counted:
            weights[c].append(keep(fit_posterior(found.statistics, sigma).weights))
    first, second = (sample_deviations(ones) if len(ones) >= 2 else [] for ones in weights)
    return ConditionSums(totals, (first, second), regions)
