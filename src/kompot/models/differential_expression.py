"""Expression of two conditions as functions of cell state, and how surely they differ."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot import memory
from kompot.gp.backend import compiled
from kompot.gp.features import FeatureMap
from kompot.gp.length_scale import length_scale_by_scheme
from kompot.gp.regression import Posterior, fit_posterior
from kompot.models.array_store import ArrayStore
from kompot.models.arrays import require_fitted
from kompot.models.condition_samples import requested_samples, split_by_condition
from kompot.models.expression_scores import (
    GeneScores,
    gene_distances,
    noise_variance,
    tail_probability,
    truncation_error,
)
from kompot.models.fitted_expression import FittedExpression
from kompot.models.noise_fit import OwnNoise, fit_own_noise
from kompot.models.row_chunks import Rows
from kompot.models.sample_fit import sum_conditions
from kompot.models.smoothness import SmoothnessOptions, choose_smoothness
from kompot.models.stacked_conditions import stack_conditions
from kompot.models.state_features import features_at
from kompot.settings.checks import PARAM_SCHEMES, choice, number
from kompot.stats.mahalanobis import landmark_jitter
from kompot.stats.own_noise import tail_with_own_noise
from kompot.stats.region_sums import RegionIndex

__all__ = ["DifferentialExpression", "GeneScores"]

Array = NDArray[np.float64]


class DifferentialExpression(FittedExpression):
    r"""Compare the expression of two conditions as functions of cell state.

    Each condition :math:`c` is a Gaussian-process regression in the same features :math:`\phi`,
    with posterior weights :math:`v_c \sim N(\hat v_c, B_c^{-1})`. The fold change at a cell is
    :math:`\phi(x)(\hat v_2 - \hat v_1)`; see :class:`FunctionEstimator` for the regression.

    Parameters
    ----------
    n_landmarks
        Largest rank of the features; None for no limit but the number of cells.
    use_sample_variance
        Whether distances and standard deviations allow for the variance between samples; None for
        whether samples are given.
    use_empirical_variance
        Whether each gene has noise of its own, as a function of cell state, from its residuals in a
        second pass: what the uncertainty of fold changes is then made of, which stay the same.
    eps
        Jitter of the fold change's covariance at the landmarks, not negative.
    random_state
        Seed of the landmarks; None is 0, so that results repeat.
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
    jit_compile
        Compute through JAX (extra ``kompot[jax]``), on a GPU if it finds one.
    model1, model2, function_predictor1, ...
        Functions to compare instead of fitting (:class:`kompot.ModelSettings`): nothing is fitted.

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
    deviations1_, deviations2_ : list of ndarray
        How the samples of a condition differ (:mod:`kompot.stats.sample_variance`); empty without
        samples.
    region_index_, donor_sums_
        Regions and sums in them, if they were asked for.
    delta_ : ndarray
        :math:`\hat v_2 - \hat v_1`, ``(rank, n_genes)``, natural log.
    ls_, sigma_ : float
        Length scale and noise used.
    evidence_ : RegressionEvidence or None
        Evidence against length scale, with ``ls="evidence"``.
    """

    def __init__(
        self,
        n_landmarks: int | None = None,
        *,
        use_sample_variance: bool | None = None,
        use_empirical_variance: bool = False,
        eps: float = 1e-8,
        random_state: int | None = None,
        batch_size: int | None = 500,
        kernel: str = "matern52",
        tol: float = 1e-6,
        param_scheme: str = "condition1",
        jit_compile: bool = False,
        model1: Any = None,
        model2: Any = None,
        function_predictor1: Any = None,
        function_predictor2: Any = None,
        obs_variance_predictor1: Any = None,
        obs_variance_predictor2: Any = None,
        variance_predictor1: Any = None,
        variance_predictor2: Any = None,
    ) -> None:
        self.n_landmarks, self.use_sample_variance = n_landmarks, use_sample_variance
        self.use_empirical_variance = use_empirical_variance
        self.eps, self.random_state, self.batch_size = eps, random_state, batch_size
        self.kernel, self.tol, self.param_scheme = kernel, tol, param_scheme
        self.jit_compile = jit_compile
        self.model1, self.model2 = model1, model2
        self.function_predictor1 = function_predictor1
        self.function_predictor2 = function_predictor2
        self.obs_variance_predictor1 = obs_variance_predictor1
        self.obs_variance_predictor2 = obs_variance_predictor2
        self.variance_predictor1 = variance_predictor1
        self.variance_predictor2 = variance_predictor2

    def fit(
        self,
        X1: ArrayLike,
        y1: Any,
        X2: ArrayLike,
        y2: Any,
        *,
        sigma: float | str = 1.0,
        ls: float | str | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
        condition1_sample_indices: ArrayLike | None = None,
        condition2_sample_indices: ArrayLike | None = None,
        allow_single_condition_variance: bool = False,
    ) -> Self:
        """Fit both conditions.

        Parameters
        ----------
        X1, X2
            Cell states of the conditions, ``(n_cells, n_dims)``.
        y1, y2
            Their expression, ``(n_cells, n_genes)``, arrays or sparse matrices, natural log.
        sigma, ls
            Noise standard deviation, positive, and length scale in units of the embedding; None
            estimates it; either or both ``"evidence"``, as in :class:`FunctionEstimator`.
        ls_factor
            Multiple of the estimate.
        landmarks
            Landmarks to use instead of drawing them, ``(n_landmarks, n_dims)``.
        condition1_sample_indices, condition2_sample_indices
            Sample of each cell of a condition, ``(n_cells,)``.
        allow_single_condition_variance
            Whether the samples of one condition are enough.

        Raises
        ------
        ValueError
            If shapes disagree, numbers are not finite or a parameter is out of range.
        """
        if self.injected() is not None:
            return self
        states, expression, condition = stack_conditions((X1, y1), (X2, y2))
        labels = condition1_sample_indices, condition2_sample_indices
        return self.fit_cells(
            states,
            expression,
            condition,
            sigma=sigma,
            ls=ls,
            ls_factor=ls_factor,
            landmarks=landmarks,
            sample=split_by_condition(labels, condition),
            allow_single_condition_variance=allow_single_condition_variance,
        )

    @compiled
    def fit_cells(
        self,
        states: Array,
        expression: Rows,
        condition: NDArray[np.intp],
        *,
        sigma: float | str = 1.0,
        ls: float | str | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
        null_expression: Sequence[Rows] = (),
        sample: NDArray[np.intp] | None = None,
        allow_single_condition_variance: bool = False,
        regions: Callable[[FeatureMap], RegionIndex] | None = None,
        store: ArrayStore | None = None,
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
        sample
            Number of each cell's sample, from 0, ``(n_cells,)``; each sample is of one condition.
        allow_single_condition_variance
            As in :meth:`fit`.
        regions
            Finds regions of the cells, given their features, in which to sum expression per sample
            in the same pass.
        store
            Where the samples' own fits are kept, ``8 n_samples rank n_genes`` bytes.
        progress
            Show a progress bar.
        """
        wanted = SmoothnessOptions(ls, ls_factor, sigma, self.kernel, self.random_state)
        self._check_parameters()
        self._made.clear()
        self.__dict__.pop("mahalanobis_distances_", None)  # of an earlier fit
        samples = requested_samples(
            self.use_sample_variance, sample, condition, allow_single_condition_variance
        )
        by_scheme = partial(length_scale_by_scheme, states, condition, self.param_scheme)
        chosen = choose_smoothness(wanted, states, expression, condition, by_scheme)
        self.ls_, self.sigma_, self.evidence_ = chosen.length_scale, chosen.sigma, chosen.evidence
        self.features_: FeatureMap = features_at(
            states,
            self.kernel,
            self.ls_,
            max_rank=self.n_landmarks,
            tol=self.tol,
            landmarks=landmarks,
            seed=self.random_state,
        )
        memory.release()
        self.region_index_ = None if regions is None else regions(self.features_)
        sums = sum_conditions(
            self.features_,
            states,
            [expression, *null_expression],
            condition,
            samples=samples,
            index=self.region_index_,
            sigma=self.sigma_,
            store=store,
            progress=progress,
        )
        memory.release()
        self.statistics1_, self.statistics2_ = sums.statistics
        self.deviations1_, self.deviations2_ = sums.deviations
        self.donor_sums_ = sums.donors
        self.posterior1_: Posterior = fit_posterior(self.statistics1_, self.sigma_)
        self.posterior2_: Posterior = fit_posterior(self.statistics2_, self.sigma_)
        self.delta_: Array = self.posterior2_.weights - self.posterior1_.weights
        self.own_noise_: OwnNoise | None = None
        if self.use_empirical_variance:
            self.own_noise_ = fit_own_noise(
                self.features_,
                states,
                [expression, *null_expression],
                condition,
                self._posteriors(),
                sums.statistics,
                progress=progress,
            )
        self._split_null(expression.shape[1])
        memory.release()
        return self

    def _split_null(self, n_genes: int) -> None:
        """Keep of the shuffled genes, which come last, only what their distances need."""
        deviations = self.deviations1_, self.deviations2_
        self.null_deviations_ = [one[:, n_genes:] for ones in deviations for one in ones]
        self.deviations1_, self.deviations2_ = (
            [one[:, :n_genes] for one in ones] for ones in deviations
        )
        self.null_noise_: OwnNoise | None = None
        if self.own_noise_ is not None:
            self.null_noise_ = self.own_noise_.genes(slice(n_genes, None))
            self.own_noise_ = self.own_noise_.genes(slice(n_genes))
        self.null_delta_: Array = self.delta_[:, n_genes:]
        self.delta_ = self.delta_[:, :n_genes]
        self.statistics1_, self.statistics2_ = (
            sums.first_genes(n_genes) for sums in (self.statistics1_, self.statistics2_)
        )
        self.posterior1_, self.posterior2_ = (
            posterior.first_genes(n_genes) for posterior in (self.posterior1_, self.posterior2_)
        )

    @compiled
    def null_distances(self) -> Array:
        """Mahalanobis distances of the shuffled genes, ``(n_null,)``."""
        require_fitted(self, "delta_")
        return self._distances(self.null_delta_, self.null_deviations_, self.null_noise_)

    @compiled
    def score(self) -> GeneScores:
        """Mean fold change over the cells fitted, distance and tail probability of each gene."""
        require_fitted(self, "delta_")
        deviations = [*self.deviations1_, *self.deviations2_]
        distance = self._distances(self.delta_, deviations, self.own_noise_)
        if self.own_noise_ is None:
            scaled, noise = distance * self.sigma_, self.noise_variance()
            ptp = tail_probability(scaled, self._posteriors(), self._jitter(), noise)
        else:
            ptp = tail_with_own_noise(distance, self.own_noise_.errors, self._jitter())
        return GeneScores(self.mean_fold_change(), distance, ptp)

    def truncation_error(self) -> float:
        """About how much distances (without samples) would change with more features, relative."""
        require_fitted(self, "delta_")
        return truncation_error(
            self._distances(self.delta_, [], None),
            (self.statistics1_, self.statistics2_),
            self.features_.factor,
            sigma=self.sigma_,
            eps=self.eps,
        )

    def _check_parameters(self) -> None:
        number("eps", self.eps, least=0)
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("tol", self.tol, least=0, below=1)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        choice("param_scheme", self.param_scheme, PARAM_SCHEMES)

    def fold_change_covariance(self) -> Array:
        r"""Covariance :math:`M` of ``delta_``, with jitter, ``(rank, rank)``; without samples."""
        return self.posterior1_.covariance + self.posterior2_.covariance + self._jitter()

    def _distances(self, delta: Array, deviations: list[Array], own: OwnNoise | None) -> Array:
        """Distances; those of the genes without samples and own noise are made once."""

        def made() -> Array:
            return gene_distances(delta, self._posteriors(), self._jitter(), deviations, own)

        if delta is not self.delta_ or deviations or own is not None:
            return made()
        return self._once("distances", made)

    def _jitter(self) -> Array:
        """What ``eps`` adds to the covariance of ``delta_``, ``(rank, rank)``."""
        return self._once("jitter", lambda: landmark_jitter(self.features_.factor, self.eps))

    def _once(self, name: str, make: Callable[[], Array]) -> Array:
        """What is made of the fit when it is first asked for, with this ``eps``."""
        if (name, self.eps) not in self._made:
            self._made[name, self.eps] = make()
        return self._made[name, self.eps]

    @cached_property
    def _made(self) -> dict[tuple[str, float], Array]:
        return {}

    def noise_variance(self) -> Array:
        """Residual variance of each gene around both fits, ``(n_genes,)``."""
        statistics = self.statistics1_, self.statistics2_
        return noise_variance(list(zip(self._posteriors(), statistics, strict=True)))
