"""From cells to the noise of each gene: a second pass, after the functions are fitted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot import threads
from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.gp.observation_noise import NoiseVariance, SquaredResiduals
from kompot.gp.regression import Posterior, SufficientStatistics
from kompot.memory.expression_sizes import FIT_CHUNK, NOISE_ELEMENTS
from kompot.models.row_chunks import Rows, rows_of_chunk, streamed_chunks
from kompot.progress import bar
from kompot.stats.own_noise import ErrorCovariance, state_bins

__all__ = ["OwnNoise", "fit_noise", "fit_own_noise"]

Array = NDArray[np.float64]


def fit_noise(  # noqa: PLR0917
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    condition: NDArray[np.intp],
    posteriors: Sequence[Posterior],
    statistics: Sequence[SufficientStatistics],
    *,
    progress: bool = False,
) -> tuple[NoiseVariance, ...]:
    """Noise variance of every gene in each condition, as a function of cell state.

    Every row is read once more, a chunk at a time; residuals are never held for all cells.

    Parameters
    ----------
    features, states, expression, condition
        As for :func:`kompot.models.cell_sums.accumulate`.
    posteriors, statistics
        Fit of each condition, with the genes of all matrices one after the other, and its sums.
    progress
        Show a progress bar.
    """
    n_genes = sum(matrix.shape[1] for matrix in expression)

    slices = list(row_slices(len(states), min(FIT_CHUNK, max(64, NOISE_ELEMENTS // n_genes))))
    plan = [np.arange(rows.start, rows.stop) for rows in slices]

    def sums_of_chunk(chunk: tuple[int, dict[int, Any]]) -> list[SquaredResiduals | None]:
        number, read = chunk
        rows = slices[number]
        phi = features(states[rows])
        sums: list[SquaredResiduals | None] = []
        for c, posterior in enumerate(posteriors):
            cells = np.flatnonzero(condition[rows] == c)
            if not len(cells):
                sums.append(None)
                continue
            found = {place: block[cells] for place, block in read.items()}
            blocks = rows_of_chunk(expression, rows.start + cells, found)
            values = np.hstack([_dense(block) for block in blocks])
            sums.append(SquaredResiduals.of(posterior, phi[cells], values))
        return sums

    totals = [SquaredResiduals.zeros(features.rank, n_genes) for _ in posteriors]
    parts = threads.map_batches(sums_of_chunk, streamed_chunks(expression, plan))
    for chunk in bar(parts, "noise", "chunk", len(slices), shown=progress):
        for total, part in zip(totals, chunk, strict=True):
            if part is not None:
                total += part
    return tuple(
        total.smoothed(posterior, sums.total)
        for total, posterior, sums in zip(totals, posteriors, statistics, strict=True)
    )


@dataclass(frozen=True)
class OwnNoise:
    """The noise of every gene in both conditions, and how unsure it makes their functions.

    Attributes
    ----------
    noise
        Noise variance of each condition as a function of cell state.
    errors
        Covariance of the weights' errors of each condition.
    """

    noise: tuple[NoiseVariance, NoiseVariance]
    errors: tuple[ErrorCovariance, ErrorCovariance]

    def genes(self, chosen: slice) -> "OwnNoise":
        """The same of some genes only."""
        first, second = (one.genes(chosen) for one in self.noise)
        error1, error2 = (one.genes(chosen) for one in self.errors)
        return OwnNoise((first, second), (error1, error2))


def fit_own_noise(  # noqa: PLR0917
    features: FeatureMap,
    states: Array,
    expression: Sequence[Rows],
    condition: NDArray[np.intp],
    posteriors: tuple[Posterior, Posterior],
    statistics: Sequence[SufficientStatistics],
    *,
    progress: bool = False,
) -> OwnNoise:
    """Noise of every gene in two conditions, and the errors of their weights.

    Parameters
    ----------
    features, states, expression, condition, posteriors, statistics, progress
        As for :func:`fit_noise`.
    """
    noise = fit_noise(
        features, states, expression, condition, posteriors, statistics, progress=progress
    )
    bins = state_bins(states, features.rank)
    n_bins = int(bins.max()) + 1
    grams = np.zeros((2, n_bins, features.rank, features.rank))
    totals = np.zeros((2, n_bins, features.rank))

    def sums_of_chunk(chunk: tuple[int, NDArray[np.intp]]) -> tuple[int, Array, Array]:
        number, cells = chunk
        phi = features(states[cells])
        return number, phi.T @ phi, phi.sum(axis=0)

    codes = condition * n_bins + bins
    chunks = (
        (number, cells[rows])
        for number in range(2 * n_bins)
        for cells in [np.flatnonzero(codes == number)]
        for rows in row_slices(len(cells), FIT_CHUNK)
    )
    for number, gram, total in threads.map_batches(sums_of_chunk, chunks):
        grams[divmod(number, n_bins)] += gram
        totals[divmod(number, n_bins)] += total
    first, second = (
        ErrorCovariance.of(
            posteriors[c],
            noise[c],
            grams[c],
            totals[c],
            np.bincount(bins[condition == c], minlength=n_bins).astype(float),
        )
        for c in (0, 1)
    )
    return OwnNoise((noise[0], noise[1]), (first, second))


def _dense(values: Any) -> Array:
    """A copy of rows as float64."""
    return np.array(values.toarray() if sparse.issparse(values) else values, dtype=np.float64)
