"""From cells to sums per sample or condition: one pass over chunks of cells, all genes at once."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kompot.gp.features import FeatureMap
from kompot.gp.linalg import by_columns, joined_columns, row_slices
from kompot.gp.regression import SufficientStatistics
from kompot.memory import available_bytes, dense_bytes
from kompot.memory.expression_sizes import FIT_CHUNK, fit_chunk
from kompot.models.chunk_sums import grouped_sums
from kompot.models.normalized_counts import CountScale
from kompot.models.row_chunks import Rows, is_streamed, rows_of_chunk, streamed_chunks
from kompot.stats.region_sums import RegionIndex, RegionSums

__all__ = ["SampleSums", "Wanted", "accumulate", "sums_by_sample"]

Array = NDArray[np.float64]

Cells = NDArray[np.intp]
_Chunk = tuple[int, Array, Any, list[Any]]
"""Number of a sample, states of some of its cells, their regions and their expression."""

log = logging.getLogger(__name__)

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
        Sums that determine its posterior; of no genes if they were not asked for.
    regions
        Its sums in each region, as those of the only sample; None if no regions were asked for.
    counted
        The first sums, of the counts that were summed in regions; None for none.
    """

    number: int
    statistics: SufficientStatistics
    regions: RegionSums | None = None
    counted: SufficientStatistics | None = None

    def __iadd__(self, other: "SampleSums") -> Self:
        """Add the sums over more cells of the sample."""
        self.statistics.__iadd__(other.statistics)
        if self.regions is not None and other.regions is not None:
            self.regions.add(0, other.regions)
        if self.counted is not None and other.counted is not None:
            self.counted.__iadd__(other.counted)
        return self


@dataclass(frozen=True)
class Wanted:
    """Which sums over the cells of samples are made.

    Attributes
    ----------
    index
        Regions of the cells in which the first matrix is summed; None for none.
    scale
        By which counts are summed there, and not values as they are; None for values.
    posteriors
        Whether sums that determine posteriors are made.
    """

    index: RegionIndex | None = None
    scale: CountScale | None = None
    posteriors: bool = True


def accumulate(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    condition: Cells,
    progress: bool = False,
) -> tuple[SufficientStatistics, ...]:
    """Sums over the cells of each condition, in one pass.

    Parameters
    ----------
    features, states, expression, progress
        As for :func:`sums_by_sample`.
    condition
        Number of the condition of each cell, from 0, ``(n_cells,)``.

    Returns
    -------
    The sums of condition 0, 1, ..., the same to the last bit for any number of threads, for
    expression on disk and on a cluster.
    """
    n_genes = sum(matrix.shape[1] for matrix in expression)
    empty = SufficientStatistics.zeros(features.rank, n_genes)
    found = sums_by_sample(features, states, expression, condition, progress=progress)
    sums = {part.number: part.statistics for part in found}
    return tuple(sums.get(number, empty) for number in range(int(condition.max()) + 1))


def sums_by_sample(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    sample: NDArray[np.intp],
    *,
    wanted: Wanted | None = None,
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
    wanted
        Which sums; None for those that determine posteriors.
    progress
        Show a progress bar.

    Yields
    ------
    The sums of each sample, the same to the last bit for any number of threads.
    """
    wanted = Wanted() if wanted is None else wanted
    chunks = list(_chunks_of_samples(sample))
    n_kept = wanted.posteriors * sum(matrix.shape[1] for matrix in expression)
    n_kept += (wanted.scale is not None) * expression[0].shape[1]
    passes = list(_passes(chunks, expression, 2 * dense_bytes(features.rank, n_kept)))

    def prepared(number: int, cells: Cells, read: dict[int, Any]) -> _Chunk:
        indicator = None if wanted.index is None else wanted.index.indicator(cells)
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
    summed = partial(_sums_of_chunk, scale=wanted.scale, posteriors=wanted.posteriors)
    for number, part, n_chunks in grouped_sums(
        summed, features, read_chunks, counts, progress=progress
    ):
        if number in found:
            found[number] += part
        else:
            found[number] = part
        n_added[number] += n_chunks
        while waiting and n_added[waiting[0]] == counts[waiting[0]]:
            yield found.pop(waiting.popleft())


def _sums_of_chunk(
    features: FeatureMap, chunk: _Chunk, *, scale: CountScale | None, posteriors: bool
) -> SampleSums:
    """Sums over a chunk of one sample's cells."""
    number, states, indicator, blocks = chunk
    roots = np.zeros(0) if scale is None else scale.root_weights(blocks[0])
    for place, block in enumerate(blocks):
        blocks[place] = by_columns(block)  # the rows are let go
    phi = features(states)
    regions, counted = None, None
    if indicator is not None and scale is not None:
        weighted = phi * roots[:, None], scale.compressed(blocks[0], roots)
        regions = RegionSums.of(indicator, *weighted, roots)
        counted = SufficientStatistics.of(*weighted)
        del weighted
    elif indicator is not None:
        regions = RegionSums.of(indicator, phi, blocks[0])
    if posteriors:
        statistics = SufficientStatistics.of(phi, *joined_columns(blocks))
    else:
        statistics = SufficientStatistics.zeros(phi.shape[1], 0)
    return SampleSums(number, statistics, regions, counted)


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
    n_bytes += FIT_CHUNK * sum(matrix.row_bytes for matrix in stored)
    at_a_time = max(1, int(_SHARE * available_bytes()) // n_bytes)
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
        for rows in row_slices(stop - start, fit_chunk(stop - start)):
            yield number, order[start + rows.start : start + rows.stop]
