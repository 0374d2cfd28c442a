"""From cells to sums per sample: one pass over chunks of cells, each chunk of one sample."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot import threads
from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.gp.regression import SufficientStatistics
from kompot.models.expression_fit import Rows
from kompot.progress import bar
from kompot.stats.region_sums import RegionIndex, RegionSums

__all__ = ["SampleSums", "accumulate_samples"]

Array = NDArray[np.float64]

_CHUNK = 2048
"""Cells at a time."""


@dataclass(frozen=True)
class SampleSums:
    """What one pass over the cells leaves.

    Attributes
    ----------
    statistics
        Sums that determine posteriors, one per set of samples.
    regions
        Sums of each sample in each region; no regions if none were asked for.
    """

    statistics: tuple[SufficientStatistics, ...]
    regions: RegionSums


def accumulate_samples(
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    sample: NDArray[np.intp],
    *,
    sets: NDArray[np.intp] | None = None,
    index: RegionIndex | None = None,
    progress: bool = False,
) -> SampleSums:
    """Sums over the cells of each sample, in one pass over rows.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        Matrices of the same cells, ``(n_cells, n_genes)`` each, whose genes follow one another in
        the sums that determine posteriors; region sums are of the first only.
    sample
        Number of each cell's sample, from 0, ``(n_cells,)``.
    sets
        Number of the set of samples, from 0, to whose sums each sample adds, ``(n_samples,)``;
        by default each sample is its own. A set takes ``8 rank n_genes`` bytes.
    index
        Regions of the cells.
    progress
        Show a progress bar.

    Returns
    -------
    The sums, the same to the last bit for any number of threads.
    """
    n_samples = int(sample.max()) + 1
    sets = np.arange(n_samples) if sets is None else sets
    n_genes = [matrix.shape[1] for matrix in expression]
    statistics = [
        SufficientStatistics.zeros(features.rank, sum(n_genes)) for _ in range(int(sets.max()) + 1)
    ]
    n_regions = 0 if index is None else index.n_regions
    regions = RegionSums.zeros(n_samples, n_regions, features.rank, n_genes[0])

    def sums_of_chunk(
        chunk: tuple[int, NDArray[np.intp]],
    ) -> tuple[int, SufficientStatistics, RegionSums | None]:
        number, cells = chunk
        phi = features(states[cells])
        blocks = [matrix[cells] for matrix in expression]
        part = SufficientStatistics.of(phi, *blocks)
        if index is None:
            return number, part, None
        return number, part, RegionSums.of(index.indicator(cells), phi, blocks[0])

    chunks = list(_chunks_of_samples(sample, n_samples))
    parts = threads.map_batches(sums_of_chunk, chunks)
    for number, part, region_part in bar(parts, "fitting", "chunk", len(chunks), shown=progress):
        statistics[sets[number]] += part
        if region_part is not None:
            regions.add(number, region_part)
    return SampleSums(tuple(statistics), regions)


def _chunks_of_samples(
    sample: NDArray[np.intp], n_samples: int
) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Numbers of samples with some of their cells, increasing."""
    for number in range(n_samples):
        cells = np.flatnonzero(sample == number)
        for rows in row_slices(len(cells), _CHUNK):
            yield number, cells[rows]
