"""Density of two conditions as functions of cell state, and how surely they differ."""

from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot import memory, threads
from kompot.gp.backend import compiled
from kompot.gp.cell_features import CellFeatures
from kompot.gp.cell_order import in_order, lexicographic_order
from kompot.gp.density import NeighborLikelihood
from kompot.gp.halves import HALF_NEIGHBORS
from kompot.gp.laplace import available_optimizer
from kompot.gp.linalg import row_slices
from kompot.memory.expression_sizes import FEATURE_CHUNK
from kompot.models.arrays import as_states, require_fitted
from kompot.models.density_estimator import DensityEstimator
from kompot.models.fitted_abundance import FittedAbundance
from kompot.models.fold_change_summary import fold_change_summary
from kompot.models.fold_change_variance import UNCERTAINTIES, FoldChangeVariance
from kompot.models.given_density import check_given, given_sample_variance, predict_given
from kompot.models.label_ratio import LabelRatio, fit_label_ratio
from kompot.models.parameters import Parameters
from kompot.models.sample_densities import (
    ConditionCells,
    SampleDensities,
    fit_sample_densities,
    number_samples,
)
from kompot.models.shared_density import (
    fit_densities,
    neighbors_within,
    prior_variances,
    ratio_normalization,
    shared_parameters,
)
from kompot.progress import bar
from kompot.settings.abundance import DAThresholdSettings
from kompot.settings.checks import PARAM_SCHEMES, RATIOS, choice, number

__all__ = ["UNCERTAINTIES", "DifferentialAbundance"]

Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Log densities are then exact to 1e-4 or better with the long default scale."""


class DifferentialAbundance(FittedAbundance, Parameters):
    r"""Compare the density of cells of two conditions as functions of cell state.

    Each condition :math:`c` has its own density, :math:`f_c = \mu_c + \phi z_c`
    (:class:`DensityEstimator`), from the nearest-neighbour distances among its own cells, in
    *shared* features, dimension, length scale and (per cell of the condition) prior mean: what is
    common to both cancels in the log fold change

    .. math:: lfc = (f_2 - \log n_2) - (f_1 - \log n_1) + b.

    The offset :math:`b` makes :math:`e^{lfc}` a ratio of two normalised densities
    (:func:`kompot.stats.abundance.ratio_offset`): if the dimension is not exactly the cells', a
    nearest-neighbour density grows as :math:`n^{d/d_{true}}` and not as :math:`n`, and conditions
    of different size would differ everywhere. :math:`z = lfc / \sqrt{v}` with

    .. math:: v = a (C_1 + C_2) a^\top + (s_1^2 + s_2^2) (1 - |\phi|^2), \quad a = \phi - \bar\phi,

    where :math:`\bar\phi` is the mean of the features that the offset takes out. The prior
    variance :math:`s_c^2` of each density is inversely proportional to its number of cells (1 for
    the larger), so that both are smoothed alike: else equal densities would differ between
    conditions of unequal size. With samples the variance of one new
    sample of each condition is added to :math:`v`
    (:class:`kompot.models.sample_densities.SampleDensities`): a description, no donor-level test.

    Parameters
    ----------
    log_fold_change_threshold, ptp_threshold
        Smallest absolute change (natural log) and largest tail probability of a direction other
        than neutral.
    n_landmarks
        Largest rank of the features; None for no limit but the number of cells.
    use_sample_variance
        Whether samples are used; None if they are given to :meth:`fit`.
    eps
        Added to the variance, not negative.
    jit_compile
        Compute through JAX (extra ``kompot[jax]``), on a GPU if it finds one.
    density_predictor1, density_predictor2
        Densities to compare instead of fitting: a fitted :class:`DensityEstimator`, or a callable
        that gives log densities ``(n_cells,)`` at states ``(n_cells, n_dims)``, called with
        ``normalize=True`` if it takes that and else expected to be normalised, and that has a
        method ``variance`` or ``uncertainty``. Both or none.
    variance_predictor1, variance_predictor2
        Variance between samples: callables that give it at states, ``(n_cells,)``, called with
        ``diag=True`` if they take that.
    random_state
        Seed of the landmarks; None is 0, so that results repeat.
    batch_size
        Cells predicted at a time; None or 0 for 4096.
    uncertainty
        What :math:`C_c` is (:func:`kompot.models.fold_change_variance.weight_spread`).
        ``"sampling"``: variance of the estimate over draws of the cells, which makes z standard
        where nothing changed, however little the cells say, but leaves out what the prior smooths
        away. ``"laplace"``: the posterior's, which trusts the nearest-neighbour likelihood.
        ``"robust"``: sampling and prior together, for the distance to the truth.
    ratio_normalized
        Whether to use the offset; without it :math:`b = 0` and :math:`\bar\phi = 0`.
    ratio
        Where the log fold change comes from. ``"densities"``: the difference of the two.
        ``"labels"``: a Gaussian process for the log odds that a cell is of condition 2, its length
        scale (if `ls` is no number) and variance chosen by marginal likelihood
        (:mod:`kompot.models.label_ratio`): several times more exact, and fit for local changes.
        It has features of its own, for which landmarks and `tol` do not count. The log densities
        then share it equally, so that it stays their difference.

    Attributes
    ----------
    density1_, density2_ : DensityEstimator
        Densities of the conditions.
    features_ : FeatureMap
        Shared features.
    ls_, d_ : float
        Length scale and dimension used.
    offset_ : float
        :math:`b`, half of it in each condition's log density.
    evidence_ : ScaleEvidence or None
        Evidence against length scale, with ``ls="evidence"``.
    ratio_ : LabelRatio or None
        With ``ratio="labels"``.
    samples_ : SampleDensities or None
    """

    def __init__(  # noqa: PLR0917
        self,
        log_fold_change_threshold: float = 1.0,
        ptp_threshold: float = 0.05,
        n_landmarks: int | None = None,
        use_sample_variance: bool | None = None,
        eps: float = 1e-12,
        jit_compile: bool = False,
        density_predictor1: Any = None,
        density_predictor2: Any = None,
        variance_predictor1: Any = None,
        variance_predictor2: Any = None,
        random_state: int | None = None,
        batch_size: int | None = None,
        *,
        uncertainty: str = "sampling",
        ratio_normalized: bool = True,
        ratio: str = "densities",
    ) -> None:
        self.log_fold_change_threshold = log_fold_change_threshold
        self.ptp_threshold = ptp_threshold
        self.n_landmarks = n_landmarks
        self.use_sample_variance = use_sample_variance
        self.eps = eps
        self.jit_compile = jit_compile
        self.density_predictor1 = density_predictor1
        self.density_predictor2 = density_predictor2
        self.variance_predictor1 = variance_predictor1
        self.variance_predictor2 = variance_predictor2
        self.random_state = random_state
        self.batch_size = batch_size
        self.uncertainty = uncertainty
        self.ratio_normalized = ratio_normalized
        self.ratio = ratio

    def fit(  # noqa: PLR0917
        self,
        X1: ArrayLike,
        X2: ArrayLike,
        landmarks: ArrayLike | None = None,
        ls_factor: float = 10.0,
        condition1_sample_indices: ArrayLike | None = None,
        condition2_sample_indices: ArrayLike | None = None,
        sample_estimator_ls: float | None = None,
        sync_parameters: bool = False,
        allow_single_condition_variance: bool = False,
        *,
        param_scheme: str = "condition1",
        **density_kwargs: Any,
    ) -> Self:
        """Fit both conditions.

        Parameters
        ----------
        X1, X2
            Cell states of the conditions, ``(n_cells, n_dims)``.
        landmarks
            Landmarks to use, ``(n_landmarks, n_dims)``.
        ls_factor
            Multiple of the length-scale heuristic.
        condition1_sample_indices, condition2_sample_indices
            Sample of each cell, ``(n_cells,)``: adds the variance between samples.
        sample_estimator_ls
            Length scale of the samples' densities; None for that of the conditions.
        sync_parameters
            The same as ``param_scheme="symmetric"``.
        allow_single_condition_variance
            Whether one condition with several samples is enough.
        param_scheme
            From which cells the shared parameters come
            (:func:`kompot.models.shared_density.shared_parameters`); ``"symmetric"`` makes
            exchanging the conditions change nothing but the sign.
        **density_kwargs
            Parameters of :class:`DensityEstimator`, such as ``ls`` (a number or
            ``"evidence"``), ``d``, ``d_method``, ``mu``, ``kernel``, ``tol``, ``optimizer``;
            ``nn_distances`` of the cells of condition 1 and then 2, each among its own.

        Raises
        ------
        ValueError
            If shapes disagree, numbers are not finite, or samples or parameters cannot be used.
        TypeError
            If a keyword is unknown.
        """
        states1 = as_states(X1, "X1")
        states2 = as_states(X2, "X2", states1.shape[1])
        condition = np.repeat([0, 1], [len(states1), len(states2)])
        sample = number_samples(
            condition,
            (condition1_sample_indices, condition2_sample_indices),
            wanted=self.use_sample_variance,
            allow_single=allow_single_condition_variance,
        )
        return self.fit_cells(
            np.vstack([states1, states2]),
            condition,
            sample=sample,
            sample_estimator_ls=sample_estimator_ls,
            landmarks=landmarks,
            ls_factor=ls_factor,
            param_scheme="symmetric" if sync_parameters else param_scheme,
            **density_kwargs,
        )

    @threads.single_threaded_products()
    @compiled
    def fit_cells(
        self,
        states: Array,
        condition: NDArray[np.intp],
        *,
        landmarks: ArrayLike | None = None,
        ls_factor: float = 10.0,
        param_scheme: str = "condition1",
        sample: NDArray[np.intp] | None = None,
        sample_estimator_ls: float | None = None,
        **density_kwargs: Any,
    ) -> Self:
        """Fit both conditions from cells in any order.

        Parameters
        ----------
        states
            Cell states, ``(n_cells, n_dims)``, finite float64.
        condition
            0 or 1 for each cell, ``(n_cells,)``.
        landmarks, ls_factor, param_scheme, **density_kwargs
            As in :meth:`fit`; ``nn_distances`` in the order of the cells.
        sample
            Number of each cell's sample within its condition, -1 for none, ``(n_cells,)``
            (:func:`kompot.models.sample_densities.number_samples`); None for no samples.
        sample_estimator_ls
            As in :meth:`fit`.
        """
        self._check_parameters(sample, param_scheme, sample_estimator_ls)
        if self.density_predictor1 is not None:
            return self
        settings = self._settings(landmarks, ls_factor, density_kwargs)
        settings.check_parameters()
        settings.set_params(optimizer=available_optimizer(settings.optimizer))  # warns once
        order = lexicographic_order(states)
        places = [np.flatnonzero(condition[order] == c) for c in (0, 1)]
        rows = [order[where] for where in places]
        states, cells = states[order], [states[r] for r in rows]
        n_neighbors = 1 if self.uncertainty == "laplace" else HALF_NEIGHBORS
        distances, near = neighbors_within(settings, cells, rows, n_neighbors)
        shared = shared_parameters(settings, cells, distances, param_scheme)
        memory.release()
        likelihoods = [NeighborLikelihood.of_distances(one, shared.d) for one in distances]
        variances = prior_variances([len(one) for one in cells])
        features, self.evidence_ = settings.find_features(
            states, list(zip(cells, likelihoods, variances, strict=True)), shared.heuristic
        )
        memory.release()
        embedded = [CellFeatures(features, one) for one in cells]
        densities = fit_densities(settings, embedded, likelihoods, shared)
        for density, one, where in zip(densities, distances, rows, strict=True):
            density.nn_distances_, density.evidence_ = in_order(one, where), self.evidence_
        self.density1_, self.density2_, self.features_ = *densities, features
        self.ls_, self.d_ = features.kernel.length_scale, shared.d
        self.offset_, center = 0.0, np.zeros(features.rank)
        if self.ratio_normalized:
            self.offset_, center = ratio_normalization(densities, embedded, places)
        self.ratio_: LabelRatio | None = None
        if self.ratio == "labels":
            embedded.clear()
            self.ratio_ = fit_label_ratio(
                states,
                condition[order] == 1,
                shared.heuristic,
                kernel=settings.kernel,
                ls=None if isinstance(settings.ls, str) else settings.ls,
                posterior_variance=self.uncertainty != "sampling",
                seed=self.random_state or 0,
            )
        self._spread: FoldChangeVariance | LabelRatio = self.ratio_ or FoldChangeVariance.of(
            densities, embedded, near, center=center, uncertainty=self.uncertainty
        )
        embedded.clear()
        near.clear()
        memory.release()
        self.samples_: SampleDensities | None = None
        if sample is not None:
            members = [sample[r] for r in rows]
            self.samples_ = fit_sample_densities(
                settings,
                [ConditionCells(*c) for c in zip(cells, members, densities, strict=True)],
                sample_estimator_ls,
                normalized=self.ratio_normalized,
            )
        memory.release()
        return self

    @compiled
    def predict(
        self,
        X_new: ArrayLike,
        log_fold_change_threshold: float | None = None,
        ptp_threshold: float | None = None,
        progress: bool = True,
    ) -> dict[str, Any]:
        """Both log densities and their difference at cell states.

        Parameters
        ----------
        X_new
            Cell states, ``(n_cells, n_dims)``.
        log_fold_change_threshold, ptp_threshold
            Other thresholds than the model's.
        progress
            Show a progress bar.

        Returns
        -------
        ``log_density_condition1``, ``log_density_condition2`` (each normalised to its condition),
        ``log_fold_change``, ``log_fold_change_uncertainty`` (a variance),
        ``log_fold_change_zscore``, ``neg_log10_fold_change_ptp`` (one-sided) and
        ``log_fold_change_direction`` (up, neutral or down), each ``(n_cells,)``; natural log.
        """
        wanted = (log_fold_change_threshold, ptp_threshold)
        own = (self.log_fold_change_threshold, self.ptp_threshold)
        thresholds = [o if w is None else w for w, o in zip(wanted, own, strict=True)]
        DAThresholdSettings(*thresholds)
        given = (self.density_predictor1, self.density_predictor2)
        if given[0] is None:
            require_fitted(self, "density2_")
            n_dims = self.features_.landmarks.shape[1]
            states, chunk = as_states(X_new, "X_new", n_dims), self._predict_chunk
        else:
            self._check_parameters()
            states, chunk = as_states(X_new, "X_new"), partial(predict_given, given)
        slices = list(row_slices(len(states), self.batch_size or FEATURE_CHUNK))
        each = threads.map_batches if given[0] is None else map
        parts = each(lambda rows: chunk(states[rows]), slices)
        shown = bar(parts, "predicting", "batch", len(slices), shown=progress)
        density1, density2, variance = (np.concatenate(a) for a in zip(*shown, strict=True))
        for name in ("variance_predictor1", "variance_predictor2"):
            variance = variance + given_sample_variance(getattr(self, name), states, name)
        return fold_change_summary(density1, density2, variance + self.eps, *thresholds)

    def _settings(
        self, landmarks: ArrayLike | None, ls_factor: float, density_kwargs: dict[str, Any]
    ) -> DensityEstimator:
        """A density with the parameters of this model."""
        own = {"n_landmarks": self.n_landmarks, "random_state": self.random_state}
        chosen = {"tol": TOLERANCE, "landmarks": landmarks, "ls_factor": ls_factor}
        return DensityEstimator(**own | chosen | density_kwargs)

    def _check_parameters(
        self,
        sample: Any = None,
        param_scheme: str = "condition1",
        sample_estimator_ls: float | None = None,
    ) -> None:
        choice("param_scheme", param_scheme, PARAM_SCHEMES)
        number("sample_estimator_ls", sample_estimator_ls, above=0, optional=True)
        DAThresholdSettings(self.log_fold_change_threshold, self.ptp_threshold)
        number("eps", self.eps, least=0)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        choice("uncertainty", self.uncertainty, UNCERTAINTIES)
        choice("ratio", self.ratio, RATIOS)
        if self.ratio == "labels" and self.density_predictor1 is not None:
            msg = "ratio='labels' needs cells to fit, but densities were given; leave `ratio` out."
            raise ValueError(msg)
        check_given(self.density_predictor1, self.density_predictor2, sample)
