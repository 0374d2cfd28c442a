"""Expression of two conditions as functions of cell state, and how surely they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.features import FeatureMap, fit_features, residual_variance
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.linalg import row_slices
from kompot.gp.regression import Posterior, fit_posterior
from kompot.models.arrays import as_expression, as_states, check_positive, require_fitted
from kompot.models.expression_fit import Rows, Stacked, accumulate
from kompot.models.parameters import Parameters
from kompot.progress import bar
from kompot.stats.fold_change import fold_change_zscores, standard_deviation
from kompot.stats.mahalanobis import difference_covariance, mahalanobis, null_spectrum
from kompot.stats.tail_probability import weighted_chi_square_sf

__all__ = ["PARAM_SCHEMES", "DifferentialExpression", "GeneScores"]

Array = NDArray[np.float64]

PARAM_SCHEMES = ("condition1", "condition2", "symmetric", "pooled")
"""From which cells the length scale is estimated."""


@dataclass(frozen=True)
class GeneScores:
    r"""What is known of each gene as a whole, every array ``(n_genes,)``.

    Attributes
    ----------
    mean_lfc
        Mean fold change over the cells fitted, natural log.
    mahalanobis
        Length of the fold-change function in units of its posterior uncertainty.
    ptp
        Probability of a larger distance if both conditions followed the same function, with the
        gene's own noise variance (see :func:`kompot.stats.mahalanobis.null_spectrum`).
    """

    mean_lfc: Array
    mahalanobis: Array
    ptp: Array


class DifferentialExpression(Parameters):
    r"""Compare the expression of two conditions as functions of cell state.

    Each condition :math:`c` is a Gaussian-process regression in the same features :math:`\phi`,
    with posterior weights :math:`v_c \sim N(\hat v_c, B_c^{-1})`. The fold change at a cell is
    :math:`\phi(x)(\hat v_2 - \hat v_1)`; see :class:`FunctionEstimator` for the regression.

    Parameters
    ----------
    n_landmarks
        Largest rank of the features; None for no limit but the number of cells.
    eps
        Jitter of the fold change's covariance at the landmarks, not negative.
    random_state
        Seed of the landmarks.
    batch_size
        Cells predicted at a time; None or 0 for all.
    kernel
        Name of the covariance function, a key of :data:`kompot.gp.KERNELS`.
    tol
        Prior variance that features may leave on average (of 1).
    param_scheme
        From which cells the length scale is estimated: ``"condition1"``, ``"condition2"``,
        ``"pooled"`` (all), or ``"symmetric"`` (geometric mean of both, weighted by their numbers
        of cells), which makes exchanging the conditions change nothing but the sign.

    Attributes
    ----------
    features_ : FeatureMap
        Shared features; ``features_.landmarks`` and the residual they leave.
    posterior1_, posterior2_ : Posterior
        Posteriors of the conditions.
    statistics1_, statistics2_ : SufficientStatistics
        Sums over the cells of the conditions.
    null_delta_ : ndarray
        The same as ``delta_`` for the shuffled genes.
    delta_ : ndarray
        :math:`\hat v_2 - \hat v_1`, ``(rank, n_genes)``, natural log.
    ls_ : float
        Length scale used.
    """

    def __init__(
        self,
        n_landmarks: int | None = None,
        *,
        eps: float = 1e-8,
        random_state: int | None = None,
        batch_size: int | None = 500,
        kernel: str = "matern52",
        tol: float = 1e-6,
        param_scheme: str = "condition1",
    ) -> None:
        self.n_landmarks = n_landmarks
        self.eps = eps
        self.random_state = random_state
        self.batch_size = batch_size
        self.kernel = kernel
        self.tol = tol
        self.param_scheme = param_scheme

    def fit(
        self,
        X1: ArrayLike,
        y1: Any,
        X2: ArrayLike,
        y2: Any,
        *,
        sigma: float = 1.0,
        ls: float | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
    ) -> Self:
        """Fit both conditions.

        Parameters
        ----------
        X1, X2
            Cell states of the conditions, ``(n_cells, n_dims)``.
        y1, y2
            Their expression, ``(n_cells, n_genes)``, arrays or sparse matrices, natural log.
        sigma
            Noise standard deviation, positive.
        ls
            Length scale in units of the embedding; None estimates it.
        ls_factor
            Multiple of the estimate.
        landmarks
            Landmarks to use instead of drawing them, ``(n_landmarks, n_dims)``.

        Raises
        ------
        ValueError
            If shapes disagree, numbers are not finite or a parameter is out of range.
        """
        states1 = as_states(X1, "X1")
        states2 = as_states(X2, "X2", states1.shape[1])
        expression1 = as_expression(y1, "y1", len(states1))
        expression2 = as_expression(y2, "y2", len(states2))
        if expression1.shape[1] != expression2.shape[1]:
            msg = f"`y1` has {expression1.shape[1]} genes but `y2` has {expression2.shape[1]}."
            raise ValueError(msg)
        condition = np.repeat([0, 1], [len(states1), len(states2)])
        states = np.vstack([states1, states2])
        return self.fit_cells(
            states,
            Stacked(expression1, expression2),
            condition,
            sigma=sigma,
            ls=ls,
            ls_factor=ls_factor,
            landmarks=landmarks,
        )

    def fit_cells(
        self,
        states: Array,
        expression: Rows,
        condition: NDArray[np.intp],
        *,
        sigma: float = 1.0,
        ls: float | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
        null_expression: Sequence[Rows] = (),
        progress: bool = False,
    ) -> Self:
        """Fit both conditions from cells in any order, reading expression once, by rows.

        Parameters
        ----------
        states
            Cell states, ``(n_cells, n_dims)``, finite float64.
        expression
            Anything whose rows can be sliced, ``(n_cells, n_genes)``, natural log.
        condition
            0 or 1 for each cell, ``(n_cells,)``.
        sigma, ls, ls_factor, landmarks
            As in :meth:`fit`.
        null_expression
            Matrices of shuffled genes to fit in the same pass, ``(n_cells, n_null)`` each; only
            their distances are kept (:meth:`null_distances`).
        progress
            Show a progress bar.
        """
        self._check_parameters(sigma, ls, ls_factor)
        self.sigma_ = sigma
        self.ls_ = self._length_scale(states, condition, ls_factor) if ls is None else float(ls)
        if landmarks is not None:
            landmarks = as_states(landmarks, "landmarks", states.shape[1])
        self.features_: FeatureMap = fit_features(
            states,
            make_kernel(self.kernel, self.ls_),
            max_rank=self.n_landmarks,
            tol=self.tol,
            landmarks=landmarks,
            rng=np.random.default_rng(self.random_state),
        )
        matrices = [expression, *null_expression]
        sums = accumulate(self.features_, states, matrices, condition, progress)
        self.statistics1_, self.statistics2_ = sums
        self.posterior1_: Posterior = fit_posterior(self.statistics1_, sigma)
        self.posterior2_: Posterior = fit_posterior(self.statistics2_, sigma)
        self.delta_: Array = self.posterior2_.weights - self.posterior1_.weights
        self._split_null(expression.shape[1])
        return self

    def _split_null(self, n_genes: int) -> None:
        """Keep of the shuffled genes, which come last, only the difference of their weights."""
        self.null_delta_: Array = self.delta_[:, n_genes:]
        self.delta_ = self.delta_[:, :n_genes]
        self.statistics1_, self.statistics2_ = (
            sums.first_genes(n_genes) for sums in (self.statistics1_, self.statistics2_)
        )
        self.posterior1_, self.posterior2_ = (
            posterior.first_genes(n_genes) for posterior in (self.posterior1_, self.posterior2_)
        )

    def null_distances(self) -> Array:
        """Mahalanobis distances of the shuffled genes, ``(n_null,)``."""
        require_fitted(self, "delta_")
        return mahalanobis(self.null_delta_, self.fold_change_covariance())

    def score(self) -> GeneScores:
        """Mean fold change over the cells fitted, distance and tail probability of each gene."""
        require_fitted(self, "delta_")
        covariance = self.fold_change_covariance()
        distance = mahalanobis(self.delta_, covariance)
        weights = null_spectrum(
            self.posterior1_.covariance, self.posterior2_.covariance, covariance
        )
        noise = self.noise_variance()
        ratio = np.divide(
            (distance * self.sigma_) ** 2, noise, out=np.zeros_like(distance), where=noise > 0
        )
        ptp = weighted_chi_square_sf(ratio, weights)
        return GeneScores(self.mean_fold_change(), distance, ptp)

    def truncation_error(self) -> float:
        r"""About how much the distances would change with more features, relative.

        The largest change of a gene's distance when the last quarter of the features is left out.
        Features are nested, so this takes no pass over the cells. On real and simulated data it
        was between half and three times the largest true error. Genes at less than a tenth of the
        largest distance are not counted.
        """
        require_fitted(self, "delta_")
        distance = mahalanobis(self.delta_, self.fold_change_covariance())
        counted = distance > 0.1 * distance.max()
        rank = max(1, 3 * self.features_.rank // 4)
        first, second = (
            fit_posterior(sums.first_features(rank), self.sigma_)
            for sums in (self.statistics1_, self.statistics2_)
        )
        covariance = difference_covariance(
            first.covariance, second.covariance, self.features_.factor[:rank, :rank], self.eps
        )
        shorter = mahalanobis(second.weights - first.weights, covariance)
        change = np.abs(shorter[counted] / distance[counted] - 1.0)
        return float(np.max(change, initial=0.0))

    def mean_fold_change(self) -> Array:
        """Mean fold change of each gene over the cells fitted, ``(n_genes,)``, natural log."""
        require_fitted(self, "delta_")
        total = self.statistics1_.total + self.statistics2_.total
        n_cells = self.statistics1_.n_cells + self.statistics2_.n_cells
        mean: Array = total @ self.delta_ / n_cells
        return mean

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
        ``(n_cells, n_genes)``, ``condition1_std``, ``condition2_std`` ``(n_cells,)`` and
        ``mean_log_fold_change`` over these cells ``(n_genes,)``; natural log.
        """
        require_fitted(self, "delta_")
        states = as_states(X_new, "X_new", self.features_.landmarks.shape[1])
        slices = list(row_slices(len(states), self.batch_size))
        parts = [
            self.predict_chunk(states[rows])
            for rows in bar(slices, "predicting", "batch", shown=progress)
        ]
        result = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        result["fold_change_zscores"] = fold_change_zscores(
            result["fold_change"], result["condition1_std"], result["condition2_std"]
        )
        result["mean_log_fold_change"] = result["fold_change"].mean(axis=0)
        if compute_mahalanobis:
            scores = self.score()
            result["mahalanobis_distances"], result["ptp"] = scores.mahalanobis, scores.ptp
        return result

    def predict_chunk(self, states: Array, genes: bool = True) -> dict[str, Array]:
        """Standard deviations and, unless declined, all genes' functions at some cells."""
        phi = self.features_(states)
        residual = residual_variance(phi)
        part = {
            f"condition{c}_std": standard_deviation(posterior.variance(phi), residual, self.eps)
            for c, posterior in ((1, self.posterior1_), (2, self.posterior2_))
        }
        if genes:
            part["condition1_imputed"] = self.posterior1_.mean(phi)
            part["condition2_imputed"] = self.posterior2_.mean(phi)
            part["fold_change"] = part["condition2_imputed"] - part["condition1_imputed"]
        return part

    def covariance(self, X: ArrayLike) -> Array:
        r"""Posterior covariance of the fold change between cells, ``(n_cells, n_cells)``.

        :math:`\phi (B_1^{-1} + B_2^{-1}) \phi^\top`, and twice what the features leave of the
        prior, :math:`2 (k - \phi\phi^\top)`.
        """
        require_fitted(self, "delta_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        phi = self.features_(states)
        total = self.posterior1_.covariance + self.posterior2_.covariance
        total[np.diag_indices_from(total)] -= 2.0
        return phi @ total @ phi.T + 2.0 * self.features_.kernel(states, states)

    def _check_parameters(self, sigma: float, ls: float | None, ls_factor: float) -> None:
        check_positive(sigma=sigma, ls_factor=ls_factor, **({} if ls is None else {"ls": ls}))
        if not (np.isfinite(self.eps) and self.eps >= 0):
            msg = f"`eps` must be finite and not negative, got {self.eps!r}."
            raise ValueError(msg)
        if self.param_scheme not in PARAM_SCHEMES:
            msg = f"`param_scheme` must be one of {PARAM_SCHEMES}, got {self.param_scheme!r}."
            raise ValueError(msg)

    def _length_scale(self, states: Array, condition: NDArray[np.intp], ls_factor: float) -> float:
        """Length scale by the scheme."""
        if self.param_scheme == "pooled":
            return estimate_length_scale(states, ls_factor)
        if self.param_scheme == "symmetric":
            scales = [estimate_length_scale(states[condition == c], ls_factor) for c in (0, 1)]
            sizes = [(condition == c).sum() for c in (0, 1)]
            return float(np.exp(np.average(np.log(scales), weights=sizes)))
        source = int(self.param_scheme == "condition2")
        return estimate_length_scale(states[condition == source], ls_factor)

    def fold_change_covariance(self) -> Array:
        r"""Covariance :math:`M` of ``delta_``, with jitter, ``(rank, rank)``."""
        return difference_covariance(
            self.posterior1_.covariance,
            self.posterior2_.covariance,
            self.features_.factor,
            self.eps,
        )

    def noise_variance(self) -> Array:
        """Residual variance of each gene around both fits, ``(n_genes,)``."""
        fits = [(self.posterior1_, self.statistics1_), (self.posterior2_, self.statistics2_)]
        squares = np.sum([p.residual_squares(sums) for p, sums in fits], axis=0)
        freedom = sum(sums.n_cells - p.residual_degrees_of_freedom for p, sums in fits)
        variance: Array = squares / max(freedom, 1.0)
        return variance
