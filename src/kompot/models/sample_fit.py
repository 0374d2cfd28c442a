"""From cells to sums per sample and to conditions, one pass over chunks of one sample's cells."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.gp.regression import SufficientStatistics, fit_posterior
from kompot.memory import dense_bytes
from kompot.models.array_store import ArrayStore
from kompot.models.chunk_sums import grouped_sums
from kompot.models.condition_samples import ConditionSamples
from kompot.models.expression_fit import accumulate
from kompot.models.row_chunks import Rows, is_streamed, rows_of_chunk, streamed_chunks
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.sample_variance import sample_deviations

__all__ = [
    "ConditionSums",
    "SampleSums",
    "sum_conditions",
    "sum_one_condition",
    "sum_samples",
    "sums_by_sample",
]

Array = NDArray[np.float64]

Cells = NDArray[np.intp]
_Chunk = tuple[int, Array, Any, list[Any]]
"""Number of a sample, states of some of its cells, their regions and their expression."""

log = logging.getLogger(__name__)

_CHUNK = 2048
"""Cells at a time."""
_SHARE = 0.25
"""Share of the available memory for the sums of samples that are made in one pass over a store."""


@dataclass(frozen=True)
class SampleSums:
    """What the cells of one sample leave.

    Attributes
    ----------
    number
        Of the sample.
    statistics
        Sums that determine its posterior.
    regions
        Its sums in each region, as those of the only sample; None if no regions were asked for.
    """

    number: int
    statistics: SufficientStatistics
    regions: RegionSums | None

    def __iadd__(self, other: "SampleSums") -> Self:
        """Add the sums over more cells of the sample."""
        self.statistics.__iadd__(other.statistics)
        if self.regions is not None and other.regions is not None:
            self.regions.add(0, other.regions)
        return self


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
        As for :func:`sums_by_sample`.
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
        As for :func:`sums_by_sample`; one matrix of expression.
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
        As for :func:`sums_by_sample`; one matrix of expression.
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


def sums_by_sample(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    sample: NDArray[np.intp],
    *,
    index: RegionIndex | None = None,
    progress: bool = False,
) -> Iterator[SampleSums]:
    """Sums over the cells of each sample, one sample after the other.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        Matrices of the same cells, ``(n_cells, n_genes)`` each, whose genes follow one another in
        the sums that determine posteriors; region sums are of the first only. Every row is read
        once, a chunk at a time; of a store with many samples as often as memory asks for
        (:func:`_passes`).
    sample
        Number of each cell's sample, from 0, ``(n_cells,)``.
    index
        Regions of the cells.
    progress
        Show a progress bar.

    Yields
    ------
    The sums of each sample, the same to the last bit for any number of threads.
    """
    chunks = list(_chunks_of_samples(sample))
    n_kept = sum(matrix.shape[1] for matrix in expression)
    passes = list(_passes(chunks, expression, 2 * dense_bytes(features.rank, n_kept)))

    def prepared(number: int, cells: Cells, read: dict[int, Any]) -> _Chunk:
        indicator = None if index is None else index.indicator(cells)
        return number, states[cells], indicator, rows_of_chunk(expression, cells, read)

    found: dict[int, SampleSums] = {}
    counts = Counter(number for number, _ in chunks)
    n_added: Counter[int] = Counter()
    waiting = deque(counts)
    read_chunks = (
        (chosen[place][0], partial(prepared, *chosen[place], read))
        for chosen in passes
        for place, read in streamed_chunks(expression, [cells for _, cells in chosen])
    )
    for number, part, n_chunks in grouped_sums(
        _sums_of_chunk, features, read_chunks, counts, progress=progress
    ):
        if number in found:
            found[number] += part
        else:
            found[number] = part
        n_added[number] += n_chunks
        while waiting and n_added[waiting[0]] == counts[waiting[0]]:
            yield found.pop(waiting.popleft())


def _sums_of_chunk(features: FeatureMap, chunk: _Chunk) -> SampleSums:
    """Sums over a chunk of one sample's cells."""
    number, states, indicator, blocks = chunk
    phi = features(states)
    regions = None if indicator is None else RegionSums.of(indicator, phi, blocks[0])
    return SampleSums(number, SufficientStatistics.of(phi, *blocks), regions)


def _passes(
    chunks: list[tuple[int, Cells]], expression: Sequence[Rows], n_bytes: int
) -> Iterator[list[tuple[int, Cells]]]:
    """Chunks of as many samples as may be summed in one pass over a store.

    Its rows are read from the first to the last, so that the sums of all samples grow together;
    so many samples are taken at a time as fit into a share of the available memory. Whatever is in
    memory is read sample by sample: one pass serves all.

    Parameters
    ----------
    chunks
        Number of the sample and cells, in the order of samples.
    expression
        The matrices.
    n_bytes
        Size of one sample's sums.
    """
    stored = [matrix for matrix in expression if is_streamed(matrix)]
    if not stored:
        yield chunks
        return
    n_bytes += _CHUNK * sum(matrix.row_bytes for matrix in stored)
    at_a_time = max(1, int(_SHARE * psutil.virtual_memory().available) // n_bytes)
    numbers = list(dict(chunks))
    n_passes = -(-len(numbers) // at_a_time)
    if n_passes > 1:
        log.info("reading the expression %d times, %d samples each", n_passes, at_a_time)
    for start in range(0, len(numbers), at_a_time):
        chosen = set(numbers[start : start + at_a_time])
        yield [chunk for chunk in chunks if chunk[0] in chosen]


def _chunks_of_samples(sample: NDArray[np.intp]) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Numbers of samples with some of their cells, increasing."""
    order = np.argsort(sample, kind="stable")
    starts = np.searchsorted(sample[order], np.arange(int(sample.max()) + 2))
    for number, (start, stop) in enumerate(pairwise(starts)):
        for rows in row_slices(stop - start, _CHUNK):
            yield number, order[start + rows.start : start + rows.stop]
