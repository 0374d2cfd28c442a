"""Expression of one set of cells as a function of cell state, with all its variances."""

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.kernels import Kernel
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.linalg import row_slices
from kompot.gp.regression import fit_posterior
from kompot.models.array_store import ArrayStore
from kompot.models.arrays import as_expression, as_states, require_fitted
from kompot.models.condition_samples import sample_labels
from kompot.models.function_estimator import FunctionEstimator
from kompot.models.given_function import callable_of, covariance_of, values_of
from kompot.models.noise_fit import fit_noise
from kompot.models.parameters import Parameters
from kompot.models.row_chunks import Rows
from kompot.models.sample_fit import sum_one_condition
from kompot.models.smoothness import SmoothnessOptions, choose_smoothness
from kompot.models.state_features import features_at
from kompot.settings.checks import number
from kompot.stats.sample_variance import deviation_variance

if TYPE_CHECKING:
    from kompot.gp.observation_noise import NoiseVariance

__all__ = ["ExpressionModel"]

Array = NDArray[np.float64]


class ExpressionModel(Parameters):
    r"""Smooth expression of all genes over cell states, and how sure and how variable it is.

    A Gaussian-process regression of one set of cells (:class:`FunctionEstimator`). Three variances
    say what the mean does not: the posterior's (``covariance``, the same for all genes), that of
    single cells around the function (``obs_variance``, of each gene as a function of cell state,
    from leverage-corrected residuals: :mod:`kompot.gp.observation_noise`), and that between samples
    (``sample_variance``, :mod:`kompot.stats.sample_variance`). ``total_variance`` is the sum of
    those that the model has: the variance of a cell of a new sample.

    Parameters
    ----------
    n_landmarks
        Largest rank of the features; None for no limit but the number of cells.
    use_empirical_variance
        Whether to estimate the observation variance, in a second pass over the cells.
    eps
        Added to the total variance before its root is taken, not negative.
    random_state
        Seed of the landmarks; None is 0, so that results repeat.
    batch_size
        Cells predicted at a time; None or 0 for all.
    store_arrays_on_disk, disk_storage_dir
        Whether and where samples' own fits are kept in files; None for whether they would take
        more than 80 % of the available memory.
    function_predictor
        Function to use instead of fitting one: a callable that gives expression
        ``(n_cells, n_genes)`` at states ``(n_cells, n_dims)``, with a method ``covariance`` if
        variances are wanted, such as a fitted :class:`FunctionEstimator`.
    obs_variance_predictor, variance_predictor
        The same for the observation variance and the variance between samples (called with
        ``diag`` if it takes that), ``(n_cells, n_genes)``.
    kernel
        Name of the covariance function, a key of :data:`kompot.gp.KERNELS`.
    tol
        Prior variance that features may leave on average (of 1).

    Attributes
    ----------
    function_ : FunctionEstimator
        The fitted function, with its ``features_`` and ``posterior_``.
    noise_ : NoiseVariance or None
        Observation variance.
    deviations_ : list of ndarray
        How samples differ, ``(rank, n_genes)`` each; empty without samples.
    gene_names_ : list of str or None
        Names of the genes, if the model was fitted to AnnData.
    """

    def __init__(  # noqa: PLR0917 the documented order of arguments
        self,
        n_landmarks: int | None = None,
        use_empirical_variance: bool = False,
        eps: float = 1e-8,
        random_state: int | None = None,
        batch_size: int | None = 500,
        store_arrays_on_disk: bool | None = None,
        disk_storage_dir: str | None = None,
        function_predictor: Any = None,
        obs_variance_predictor: Any = None,
        variance_predictor: Any = None,
        *,
        kernel: str = "matern52",
        tol: float = 1e-6,
    ) -> None:
        self.n_landmarks = n_landmarks
        self.use_empirical_variance = use_empirical_variance
        self.eps = eps
        self.random_state = random_state
        self.batch_size = batch_size
        self.store_arrays_on_disk = store_arrays_on_disk
        self.disk_storage_dir = disk_storage_dir
        self.function_predictor = function_predictor
        self.obs_variance_predictor = obs_variance_predictor
        self.variance_predictor = variance_predictor
        self.kernel = kernel
        self.tol = tol

    def fit(  # noqa: PLR0917 the documented order of arguments
        self,
        X: ArrayLike,
        y: Any,
        sigma: float | str = 1.0,
        ls: float | str | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
        sample_indices: ArrayLike | None = None,
    ) -> Self:
        """Fit all genes at once.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        y
            Expression, ``(n_cells,)`` or ``(n_cells, n_genes)``, an array or a sparse matrix.
        sigma, ls, ls_factor
            Noise standard deviation, length scale and multiple of its estimate, as in
            :class:`FunctionEstimator`.
        landmarks
            Landmarks to use instead of drawing them, ``(n_landmarks, n_dims)``.
        sample_indices
            Sample of each cell, ``(n_cells,)``; at least two samples of two cells.

        Raises
        ------
        ValueError
            If shapes disagree, numbers are not finite or a parameter is out of range.
        """
        states = as_states(X, "X")
        expression = as_expression(y, "y", len(states))
        sample = None
        if sample_indices is not None:
            labels = sample_labels(sample_indices, len(states), "sample_indices")
            sample = np.unique(labels, return_inverse=True)[1].astype(np.intp)
        return self.fit_cells(
            states,
            expression,
            sigma=sigma,
            ls=ls,
            ls_factor=ls_factor,
            landmarks=landmarks,
            sample=sample,
        )

    def fit_cells(
        self,
        states: Array,
        expression: Rows,
        *,
        sigma: float | str = 1.0,
        ls: float | str | None = None,
        ls_factor: float = 10.0,
        landmarks: ArrayLike | None = None,
        sample: NDArray[np.intp] | None = None,
        progress: bool = False,
    ) -> Self:
        """Fit from anything whose rows can be sliced, reading it by rows.

        Parameters
        ----------
        states
            Cell states, ``(n_cells, n_dims)``, finite float64.
        expression
            ``(n_cells, n_genes)``.
        sigma, ls, ls_factor, landmarks
            As in :meth:`fit`.
        sample
            Number of each cell's sample, from 0 without gaps, ``(n_cells,)``.
        progress
            Show a progress bar.
        """
        wanted = SmoothnessOptions(ls, ls_factor, sigma, self.kernel, self.random_state)
        self._check_parameters(sample)
        if self.function_predictor is not None:
            return self
        condition = np.zeros(len(states), np.intp)
        heuristic = partial(estimate_length_scale, states)
        chosen = choose_smoothness(wanted, states, expression, condition, heuristic)
        features = features_at(
            states,
            self.kernel,
            chosen.length_scale,
            max_rank=self.n_landmarks,
            tol=self.tol,
            landmarks=landmarks,
            seed=self.random_state,
        )
        store = ArrayStore(self.store_arrays_on_disk, self.disk_storage_dir)
        sums, self.deviations_ = sum_one_condition(
            features, states, expression, sample, chosen.sigma, store=store, progress=progress
        )
        posterior = fit_posterior(sums, chosen.sigma)
        self.function_ = FunctionEstimator(batch_size=self.batch_size).of(
            features, posterior, chosen
        )
        self.gene_names_: list[str] | None = None
        self.noise_: NoiseVariance | None = None
        if self.use_empirical_variance:
            (self.noise_,) = fit_noise(
                features, states, [expression], condition, [posterior], [sums], progress=progress
            )
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Smooth expression at cell states ``(n_cells, n_dims)``: ``(n_cells, n_genes)``."""
        states = self._states(X)
        if self.function_predictor is None:
            return self.function_.predict(states)
        return values_of(self.function_predictor, states, "function_predictor")

    def gradient(self, X: ArrayLike) -> Array:
        """Gradient of the functions at cell states, ``(n_cells, n_dims, n_genes)``."""
        states = self._states(X)
        gradient: Array = self.predictor.gradient(states)
        return gradient

    def covariance(self, X: ArrayLike, diag: bool = True) -> Array:
        """Posterior covariance of the function, the same for all genes.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        diag
            Only the variances, ``(n_cells,)``; otherwise all of ``(n_cells, n_cells)``.
        """
        return covariance_of(self.predictor, self._states(X), diag=diag)

    def obs_variance(self, X: ArrayLike) -> Array:
        """Variance of single cells around the function, ``(n_cells, n_genes)``.

        Raises
        ------
        ValueError
            If the model has none (``use_empirical_variance``).
        """
        states = self._states(X)
        if self.obs_variance_predictor is not None:
            return values_of(self.obs_variance_predictor, states, "obs_variance_predictor")
        noise = getattr(self, "noise_", None)
        if noise is None:
            msg = "The model has no observation variance: fit it with use_empirical_variance=True."
            raise ValueError(msg)
        features = self.function_.features_
        rows = row_slices(len(states), self.batch_size)
        return np.concatenate([noise(features(states[r])) for r in rows])

    def sample_variance(self, X: ArrayLike, diag: bool = True) -> Array:
        """Variance of each gene's function between samples.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        diag
            Only the variances, ``(n_cells, n_genes)``; otherwise all of
            ``(n_cells, n_cells, n_genes)``.

        Raises
        ------
        ValueError
            If the model has none (``sample_indices``).
        """
        states = self._states(X)
        if self.variance_predictor is not None:
            return values_of(self.variance_predictor, states, "variance_predictor", diag=diag)
        if not self.has_sample_variance:
            msg = "The model has no variance between samples: fit it with `sample_indices`."
            raise ValueError(msg)
        features = self.function_.features_
        if diag:
            rows = row_slices(len(states), self.batch_size)
            parts = [deviation_variance(features(states[r]), self.deviations_) for r in rows]
            return np.concatenate(parts)
        phi = features(states)
        functions = [phi @ one for one in self.deviations_]
        return np.sum([np.einsum("ig,jg->ijg", one, one) for one in functions], axis=0)

    def total_variance(self, X: ArrayLike, diag: bool = True) -> Array:
        """Sum of the posterior variance and the observation and sample variances that there are.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        diag
            Only the variances, ``(n_cells, n_genes)``, or ``(n_cells, 1)`` if they are the same
            for all genes; otherwise a first axis of cells more. Single cells vary independently,
            so that their variance is on the diagonal only.
        """
        states = self._states(X)
        total = self.covariance(states, diag=diag)[..., None]
        if self.has_sample_variance:
            total = total + self.sample_variance(states, diag=diag)
        if not self.has_empirical_variance:
            return total
        noise = self.obs_variance(states)
        if diag:
            return total + noise
        total = total + np.zeros(noise.shape[1])
        cells = np.arange(len(states))
        total[cells, cells] += noise
        return total

    def std(self, X: ArrayLike) -> Array:
        """Root of the total variance and ``eps``, of the shape of :meth:`total_variance`."""
        return np.sqrt(self.total_variance(X) + self.eps)

    @property
    def predictor(self) -> Any:
        """The function as a callable, the fitted one or the one that was given."""
        if self.function_predictor is not None:
            return self.function_predictor
        require_fitted(self, "function_")
        return self.function_

    @property
    def landmarks(self) -> Array:
        """Landmarks of the features, ``(rank, n_dims)``."""
        require_fitted(self, "function_")
        return self.function_.features_.landmarks

    @property
    def ls(self) -> float:
        """Length scale used."""
        require_fitted(self, "function_")
        return self.function_.ls_

    @property
    def sigma(self) -> float:
        """Noise standard deviation used."""
        require_fitted(self, "function_")
        return self.function_.sigma_

    @property
    def cov_func(self) -> Kernel:
        """Covariance function, to be called with two matrices of states."""
        require_fitted(self, "function_")
        return self.function_.features_.kernel

    @property
    def has_sample_variance(self) -> bool:
        """Whether there is a variance between samples."""
        return self.variance_predictor is not None or bool(getattr(self, "deviations_", []))

    @property
    def has_empirical_variance(self) -> bool:
        """Whether there is an observation variance."""
        return self.obs_variance_predictor is not None or (
            getattr(self, "noise_", None) is not None
        )

    def _states(self, X: ArrayLike) -> Array:
        """States, of the width of those fitted."""
        if self.function_predictor is not None:
            callable_of(self.function_predictor, "function_predictor")
            return as_states(X, "X")
        require_fitted(self, "function_")
        return as_states(X, "X", self.landmarks.shape[1])

    def _check_parameters(self, sample: NDArray[np.intp] | None) -> None:
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("tol", self.tol, least=0, below=1)
        number("eps", self.eps, least=0)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        if self.function_predictor is None:
            return
        if sample is not None:
            msg = (
                "The variance between samples needs their fits, but a function was given: leave "
                "the samples out, or give `variance_predictor`."
            )
            raise ValueError(msg)
        if self.use_empirical_variance and self.obs_variance_predictor is None:
            msg = (
                "The observation variance needs a fit, but a function was given: give "
                "`obs_variance_predictor`, too, or use_empirical_variance=False."
            )
            raise ValueError(msg)
