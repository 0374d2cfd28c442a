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
from kompot.models.condition_samples import ConditionSamples
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
    n_genes = [matrix.shape[1] for matrix in expression]
    totals = [SufficientStatistics.zeros(features.rank, sum(n_genes)) for _ in range(2)]
    n_samples = len(samples.condition)
    regions = None
    if index is not None:
        regions = RegionSums.zeros(n_samples, index.n_regions, features.rank, n_genes[0])
    counted = set(np.concatenate([samples.varying(0), samples.varying(1)]).tolist())
    size = dense_bytes(len(counted), features.rank, sum(n_genes))
    keep = (ArrayStore() if store is None else store).keeper(size)
    weights: tuple[list[Array], list[Array]] = ([], [])
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
    counted = np.flatnonzero(np.bincount(sample) >= 2)
    if len(counted) < 2:
        msg = (
            "At least 2 groups with sufficient cells (>= 2) are required, but only "
            f"{len(counted)} valid group(s) found: the variance between samples cannot be "
            "estimated from one."
        )
        raise ValueError(msg)
    n_genes = expression.shape[1]
    total = SufficientStatistics.zeros(features.rank, n_genes)
    keep = store.keeper(dense_bytes(len(counted), features.rank, n_genes))
    weights = []
    for found in sums_by_sample(features, states, [expression], sample, progress=progress):
        total += found.statistics
        if found.number in counted:
            weights.append(keep(fit_posterior(found.statistics, sigma).weights))
    return total, sample_deviations(weights)


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
    n_genes = expression.shape[1]
    total = SufficientStatistics.zeros(features.rank, n_genes)
    regions = RegionSums.zeros(n_samples, index.n_regions, features.rank, n_genes)
    for found in sums_by_sample(
        features, states, [expression], sample, index=index, progress=progress
    ):
        total += found.statistics
        if found.regions is not None:
            regions.add(found.number, found.regions)
    return total, regions
