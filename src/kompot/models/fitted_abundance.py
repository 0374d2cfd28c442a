"""What a fitted comparison of densities says at cell states."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot import threads
from kompot.gp.features import FeatureMap
from kompot.gp.linalg import row_slices
from kompot.memory.expression_sizes import FEATURE_CHUNK
from kompot.models.arrays import as_states, require_fitted
from kompot.models.density_estimator import DensityEstimator
from kompot.models.fold_change_gradient import FoldChangeGradient
from kompot.models.fold_change_variance import FoldChangeVariance
from kompot.models.label_ratio import LabelRatio
from kompot.models.sample_densities import SampleDensities
from kompot.models.shared_density import normalized_log_density

__all__ = ["FittedAbundance"]

Array = NDArray[np.float64]


class FittedAbundance(FoldChangeGradient):
    """Predictions of :class:`kompot.DifferentialAbundance`, which fits."""

    features_: FeatureMap
    density1_: DensityEstimator
    density2_: DensityEstimator
    offset_: float
    ratio_: LabelRatio | None
    samples_: SampleDensities | None
    eps: float
    _spread: FoldChangeVariance | LabelRatio

    def covariance(self, X: ArrayLike) -> Array:
        """Posterior covariance of the log fold change between cells, ``(n_cells, n_cells)``."""
        require_fitted(self, "density2_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        phi, own = self._embed(states)
        between = self._deviations(states, phi)
        covariance: Array = self._spread.covariance(own) + between @ between.T
        return covariance

    def mean_fold_change(self, X: ArrayLike) -> tuple[float, float]:
        r"""Mean log fold change over cells, and its posterior variance; natural log.

        :math:`\bar a\, \hat\delta` and :math:`\bar a (C_1 + C_2) \bar a^\top` with the mean
        :math:`\bar a` of the cells' features, plus what features leave, independent in each cell.
        """
        require_fitted(self, "density2_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        n_cells, slices = len(states), list(row_slices(len(states), FEATURE_CHUNK))

        def sums(rows: slice) -> tuple[float, Array, float, Array]:
            phi, own = self._embed(states[rows])
            density1, density2 = self._log_densities(phi, own)
            between = self._deviations(states[rows], phi).sum(axis=0)
            residual = self._spread.residual(own).sum()
            return (density2 - density1).sum(), own.sum(axis=0), residual, between

        parts = threads.map_batches(sums, slices) if len(slices) > 1 else map(sums, slices)
        change, mean, residual, between = (
            np.sum(part, axis=0) / n_cells for part in zip(*parts, strict=True)
        )
        variance = self._spread.variance_of_mean(mean, float(residual), n_cells)
        return float(change), float(variance + float(np.square(between).sum()) + self.eps)

    def _predict_chunk(self, states: Array) -> tuple[Array, Array, Array]:
        """Log densities of both conditions and variance of the difference, of some cells."""
        phi, own = self._embed(states)
        variance = self._spread.variance(own)
        variance += np.square(self._deviations(states, phi)).sum(axis=1)
        return *self._log_densities(phi, own), variance

    def _embed(self, states: Array) -> tuple[Array, Array]:
        """Features of the densities and those of the log fold change, ``(n_cells, rank)``."""
        phi = self.features_(states)
        return phi, phi if self.ratio_ is None else self.ratio_.embed(states)

    def _log_densities(self, phi: Array, own: Array) -> tuple[Array, Array]:
        """Log densities of both conditions at the features of :meth:`_embed`."""
        density1 = normalized_log_density(self.density1_, phi) - self.offset_ / 2.0
        density2 = normalized_log_density(self.density2_, phi) + self.offset_ / 2.0
        if self.ratio_ is None:
            return density1, density2
        more = (self.ratio_.log_ratio(own) - (density2 - density1)) / 2.0
        return density1 - more, density2 + more

    def _deviations(self, states: Array, phi: Array) -> Array:
        """Deviations of the samples, ``(n_cells, n_samples)``; no columns without samples."""
        if self.samples_ is None:
            return np.empty((len(phi), 0))
        own = self.samples_.features is self.features_
        return self.samples_.deviations(phi if own else self.samples_.features(states))

    def gradient(self, X: ArrayLike, of: str = "fold_change") -> Array:
        """Gradient by cell state of the log fold change, or of one condition's log density.

        As in :meth:`kompot.models.fold_change_gradient.FoldChangeGradient.gradient`.
        """
        gradient = super().gradient(X, of)
        if self.ratio_ is None:
            return gradient
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        change = self.ratio_.gradient(states)
        if of == "fold_change":
            return change
        other = super().gradient(X, "condition1" if of == "condition2" else "condition2")
        return (gradient + other + (change if of == "condition2" else -change)) / 2.0

    def _function_weights(self) -> tuple[Array, Array]:
        require_fitted(self, "density2_")
        return self.density1_.posterior_.weights, self.density2_.posterior_.weights
