"""What a fitted comparison of expression says at cell states."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.backend import compiled
from kompot.gp.features import FeatureMap
from kompot.gp.regression import Posterior, SufficientStatistics
from kompot.models.arrays import as_states, require_fitted
from kompot.models.expression_prediction import (
    fold_change_covariance_at,
    predict_batches,
    predict_states,
)
from kompot.models.expression_scores import GeneScores
from kompot.models.fold_change_gradient import FoldChangeGradient
from kompot.models.injected_expression import InjectedExpression
from kompot.models.noise_fit import OwnNoise

__all__ = ["FittedExpression"]

Array = NDArray[np.float64]


class FittedExpression(FoldChangeGradient, InjectedExpression):
    """Predictions of :class:`kompot.DifferentialExpression`, which fits."""

    features_: FeatureMap
    posterior1_: Posterior
    posterior2_: Posterior
    statistics1_: SufficientStatistics
    statistics2_: SufficientStatistics
    delta_: Array
    deviations1_: Sequence[Array]
    deviations2_: Sequence[Array]
    own_noise_: OwnNoise | None
    eps: float
    batch_size: int | None

    @abstractmethod
    def score(self) -> GeneScores:
        """Mean fold change over the cells fitted, distance and tail probability of each gene."""

    def mean_fold_change(self) -> Array:
        """Mean fold change of each gene over the cells fitted, ``(n_genes,)``, natural log."""
        require_fitted(self, "delta_")
        total = self.statistics1_.total + self.statistics2_.total
        n_cells = self.statistics1_.n_cells + self.statistics2_.n_cells
        return total @ self.delta_ / n_cells

    @compiled
    def predict(
        self,
        X_new: ArrayLike,
        compute_mahalanobis: bool = False,
        progress: bool = True,
    ) -> dict[str, Array]:
        """Both functions and their difference at cell states.

        Parameters
        ----------
        X_new
            Cell states, ``(n_cells, n_dims)``.
        compute_mahalanobis
            Also give ``mahalanobis_distances`` and ``ptp``, ``(n_genes,)``.
        progress
            Show a progress bar.

        Returns
        -------
        ``condition1_imputed``, ``condition2_imputed``, ``fold_change``, ``fold_change_zscores``
        ``(n_cells, n_genes)``, ``condition1_std``, ``condition2_std`` ``(n_cells,)``, with samples
        ``(n_cells, n_genes)``, and
        ``mean_log_fold_change`` over these cells ``(n_genes,)``; natural log.
        """
        if (given := self.injected()) is not None:
            result = given.predict(X_new, compute_mahalanobis, progress)
        else:
            require_fitted(self, "delta_")
            states = as_states(X_new, "X_new", self.features_.landmarks.shape[1])
            result = predict_batches(self.predict_chunk, states, self.batch_size, progress=progress)
            if compute_mahalanobis:
                scores = self.score()
                result["mahalanobis_distances"], result["ptp"] = scores.mahalanobis, scores.ptp
        if compute_mahalanobis:
            self.mahalanobis_distances_ = result["mahalanobis_distances"]
        return result

    @compiled
    def predict_chunk(self, states: Array, genes: bool = True) -> dict[str, Array]:
        """Standard deviations and, unless declined, all genes' functions at some cells.

        Without genes the standard deviations leave the samples out.
        """
        return predict_states(
            self.features_(states),
            self._posteriors(),
            (self.deviations1_, self.deviations2_),
            eps=self.eps,
            genes=genes,
            own_noise=self.own_noise_,
        )

    @compiled
    def covariance(self, X: ArrayLike) -> Array:
        r"""Posterior covariance of the fold change between cells, ``(n_cells, n_cells)``.

        :math:`\phi (B_1^{-1} + B_2^{-1}) \phi^\top`, and twice what the features leave of the
        prior, :math:`2 (k - \phi\phi^\top)`.
        """
        require_fitted(self, "delta_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        return fold_change_covariance_at(self.features_, self._posteriors(), states)

    def _function_weights(self) -> tuple[Array, Array]:
        require_fitted(self, "delta_")
        return self.posterior1_.weights, self.posterior2_.weights

    def _posteriors(self) -> tuple[Posterior, Posterior]:
        return self.posterior1_, self.posterior2_
