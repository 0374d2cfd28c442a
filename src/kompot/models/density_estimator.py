"""Density of cells over their states."""

from collections.abc import Callable
from typing import Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.backend import compiled
from kompot.gp.cell_features import CellFeatures
from kompot.gp.cell_order import lexicographic_order
from kompot.gp.density import NeighborLikelihood, prior_mean_log_density
from kompot.gp.evidence import ScaleEvidence, length_scale_by_evidence
from kompot.gp.features import FeatureMap, residual_variance
from kompot.gp.gradients import function_gradient
from kompot.gp.kernels import KERNELS
from kompot.gp.laplace import OPTIMIZERS, DensityPosterior, fit_density
from kompot.gp.length_scale import length_scale_of_distances
from kompot.gp.linalg import row_slices
from kompot.gp.local_dimension import fractal_dimension
from kompot.gp.neighbors import nearest_distinct_distances
from kompot.models.arrays import as_states, check_positive, require_fitted
from kompot.models.parameters import Parameters
from kompot.models.state_features import features_at
from kompot.settings.checks import choice, number

__all__ = ["D_METHODS", "DensityEstimator", "refuse_one_place"]

Array = NDArray[np.float64]

D_METHODS = ("fractal", "embedding")
"""How the dimension is found if it is not given."""


class DensityEstimator(Parameters):
    r"""Log density of cells as a smooth function of cell state.

    :math:`f \sim GP(\mu, k)` with the likelihood of nearest-neighbour distances in :math:`d`
    dimensions (Mellon: Otto et al. 2024, *Nature Methods* 21, 1185; formula in
    :mod:`kompot.gp.density`), in features of low rank, at its exact maximum and with the Laplace
    posterior around it (:mod:`kompot.gp.laplace`). Densities are natural logs of cells per unit
    volume in :math:`d` dimensions; ``normalize=True`` subtracts the log number of cells. Copies of
    a cell share the distance to the nearest cell elsewhere. The order of the cells does not matter.

    Parameters
    ----------
    d
        Dimension :math:`d`, positive; None estimates it.
    d_method
        ``"fractal"``: mean local fractal dimension
        (:func:`kompot.gp.local_dimension.fractal_dimension`); ``"embedding"``: number of columns.
    mu
        Prior mean of the log density; None for the 1st percentile over cells of the log density
        that makes each distance most likely, minus 10.
    ls
        Length scale in units of the embedding; None for the heuristic (see ``ls_factor``);
        ``"evidence"`` for the scale of largest marginal likelihood among 1 to 10 times the
        heuristic (:func:`kompot.gp.evidence.length_scale_by_evidence`).
    ls_factor
        Multiple of the heuristic :math:`\exp(3 + \text{mean} \log d_{nn})`.
    nn_distances
        Distances to the nearest distinct cell, ``(n_cells,)``, if they are known.
    kernel
        Name of the covariance function, a key of :data:`kompot.gp.KERNELS`.
    n_landmarks
        Largest rank; None for no limit but the number of cells.
    landmarks
        Landmarks to use instead of drawing them, ``(n_landmarks, n_dims)``.
    tol
        Prior variance that features may leave on average (see
        :func:`kompot.gp.features.fit_features`).
    optimizer
        ``"newton"``, ``"L-BFGS-B"``, or ``"advi"``, which warns and is ``"newton"``.
    n_iter
        Most steps of the optimizer.
    random_state
        Seed of the landmarks; None is 0, so that results repeat.
    batch_size
        Cells predicted at a time; None or 0 for all.
    jit_compile
        Compute through JAX (extra ``kompot[jax]``), on a GPU if it finds one.

    Attributes
    ----------
    d_, mu_, ls_ : float
        Dimension, prior mean and length scale used.
    nn_distances_ : ndarray
        Nearest-neighbour distances, ``(n_cells,)``.
    features_ : FeatureMap
        Feature map of rank ``features_.rank``.
    posterior_ : DensityPosterior
        Laplace posterior of the weights.
    converged_, gradient_norm_, n_iter_
        Certificate of the maximum: whether the relative gradient norm is below 1e-6, that norm,
        and steps taken.
    log_evidence_ : float
        Laplace log marginal likelihood.
    evidence_ : ScaleEvidence or None
        Evidence against length scale, with ``ls="evidence"``.
    """

    def __init__(
        self,
        *,
        d: float | None = None,
        d_method: str = "fractal",
        mu: float | None = None,
        ls: float | str | None = None,
        ls_factor: float = 1.0,
        nn_distances: ArrayLike | None = None,
        kernel: str = "matern52",
        n_landmarks: int | None = 5000,
        landmarks: ArrayLike | None = None,
        tol: float = 1e-7,
        optimizer: str = "newton",
        n_iter: int = 100,
        random_state: int | None = 0,
        batch_size: int | None = 4096,
        jit_compile: bool = False,
    ) -> None:
        self.d = d
        self.d_method = d_method
        self.mu = mu
        self.ls = ls
        self.ls_factor = ls_factor
        self.nn_distances = nn_distances
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.landmarks = landmarks
        self.tol = tol
        self.optimizer = optimizer
        self.n_iter = n_iter
        self.random_state = random_state
        self.batch_size = batch_size
        self.jit_compile = jit_compile

    @compiled
    def fit(self, X: ArrayLike, y: None = None) -> Self:
        """Estimate the density of cells.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        y
            Ignored; for scikit-learn.

        Raises
        ------
        ValueError
            If states or distances are not finite, all cells are in one place, or a parameter is
            out of range.

        Warns
        -----
        DensityConvergenceWarning
            If the maximum was not reached to full accuracy.
        """
        self.check_parameters()
        states = as_states(X, "X")
        order = lexicographic_order(states)
        states, distances = states[order], self.neighbor_distances(states)[order]
        d = self.dimension(states)
        likelihood = NeighborLikelihood.of_distances(distances, d)
        heuristic = length_scale_of_distances(distances, 1.0)
        features, evidence = self.find_features(states, [(states, likelihood, 1.0)], heuristic)
        mu = prior_mean_log_density(distances, d) if self.mu is None else float(self.mu)
        self.fit_posterior(CellFeatures(features, states), likelihood, d, mu)
        self.evidence_: ScaleEvidence | None = evidence
        self.nn_distances_ = np.empty_like(distances)
        self.nn_distances_[order] = distances
        return self

    @compiled
    def predict(self, X: ArrayLike, normalize: bool = False) -> Array:
        """Log density at cell states ``(n_cells, n_dims)``: ``(n_cells,)``, natural log.

        Parameters
        ----------
        X
            Cell states.
        normalize
            Subtract the log number of cells fitted: share of cells per unit volume.
        """
        require_fitted(self, "posterior_")
        log_density = self._by_batch(X, self.posterior_.mean)
        return log_density - np.log(self.posterior_.n_cells) if normalize else log_density

    @compiled
    def variance(self, X: ArrayLike) -> Array:
        r"""Posterior variance of the log density, ``(n_cells,)``.

        :math:`\phi H^{-1} \phi^\top + k(x, x) - |\phi|^2`: Laplace's, and what the features leave
        of the prior.
        """
        require_fitted(self, "posterior_")
        posterior = self.posterior_
        return self._by_batch(
            X,
            lambda phi: posterior.variance(phi) + posterior.prior_variance * residual_variance(phi),
        )

    @compiled
    def covariance(self, X: ArrayLike) -> Array:
        """Posterior covariance of the log density between cells, ``(n_cells, n_cells)``."""
        require_fitted(self, "posterior_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        phi = self.features_(states)
        unexplained = self.features_.kernel(states, states) - phi @ phi.T
        posterior = self.posterior_
        return phi @ posterior.covariance @ phi.T + posterior.prior_variance * unexplained

    def gradient(self, X: ArrayLike) -> Array:
        """Gradient of the log density at cell states, ``(n_cells, n_dims)``.

        Exact for every kernel (:func:`kompot.gp.gradients.function_gradient`).
        """
        require_fitted(self, "posterior_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        return function_gradient(self.features_, self.posterior_.weights, states)

    def check_parameters(self) -> None:
        """Refuse parameters that are out of range, by name.

        Raises
        ------
        ValueError
            With the parameter, what was found and what is allowed.
        """
        choice("d_method", self.d_method, D_METHODS)
        choice("optimizer", self.optimizer, OPTIMIZERS)
        choice("kernel", self.kernel, tuple(KERNELS))
        check_positive(ls_factor=self.ls_factor, n_iter=self.n_iter)
        if self.d is not None:
            check_positive(d=self.d)
        if isinstance(self.ls, str) and self.ls != "evidence":
            msg = f'`ls` must be a positive number, None or "evidence", got {self.ls!r}.'
            raise ValueError(msg)
        if isinstance(self.ls, (int, float)):
            check_positive(ls=self.ls)
        if self.mu is not None and not np.isfinite(self.mu):
            msg = f"`mu` must be finite, got {self.mu!r}."
            raise ValueError(msg)
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("tol", self.tol, least=0, below=1)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)

    def neighbor_distances(self, states: Array) -> Array:
        """Distances to the nearest distinct cell, given or found, ``(n_cells,)``.

        Raises
        ------
        ValueError
            If all cells are in one place, or given distances do not fit or are not positive.
        """
        if self.nn_distances is not None:
            return self.known_distances(len(states))
        return refuse_one_place(nearest_distinct_distances(states))

    def known_distances(self, n_cells: int) -> Array:
        """Distances that were given, ``(n_cells,)``, checked."""
        given = np.asarray(self.nn_distances, dtype=np.float64)
        if given.shape != (n_cells,):
            msg = f"`nn_distances` has shape {given.shape} but there are {n_cells} cells."
            raise ValueError(msg)
        bad = ~(np.isfinite(given) & (given > 0))
        if bad.any():
            msg = (
                f"`nn_distances` must be positive and finite; {int(bad.sum())} are not "
                f"(first: {np.flatnonzero(bad)[:5].tolist()}). For copies of a cell give the "
                "distance to the nearest cell elsewhere."
            )
            raise ValueError(msg)
        return given

    def dimension(self, states: Array) -> float:
        """Dimension given, of the embedding, or fractal."""
        if self.d is not None:
            return float(self.d)
        return fractal_dimension(states) if self.d_method == "fractal" else float(states.shape[1])

    def find_features(
        self,
        states: Array,
        parts: list[tuple[Array, NeighborLikelihood, float]],
        heuristic: float,
    ) -> tuple[FeatureMap, ScaleEvidence | None]:
        """Features at the length scale given, of the heuristic, or of largest evidence.

        Parameters
        ----------
        states
            Cell states among which landmarks are drawn, ``(n_cells, n_dims)``.
        parts
            Sets of cells that share the features, with their likelihoods and prior variances.
        heuristic
            Length scale by the heuristic at ``ls_factor`` 1.
        """
        landmarks = self.landmarks
        if landmarks is not None:
            landmarks = as_states(landmarks, "landmarks", states.shape[1])
        seed = 0 if self.random_state is None else self.random_state
        if self.ls == "evidence":
            return length_scale_by_evidence(
                states,
                parts,
                heuristic,
                self.kernel,
                max_rank=self.n_landmarks,
                tol=self.tol,
                landmarks=landmarks,
                seed=seed,
            )
        scale = self.ls_factor * heuristic if self.ls is None else float(self.ls)
        features = features_at(
            states,
            self.kernel,
            scale,
            max_rank=self.n_landmarks,
            tol=self.tol,
            landmarks=landmarks,
            seed=seed,
        )
        return features, None

    def fit_posterior(
        self,
        cells: CellFeatures,
        likelihood: NeighborLikelihood,
        d: float,
        mu: float,
        *,
        prior_variance: float = 1.0,
    ) -> Self:
        """Fit in given features: the last step of :meth:`fit`, for densities that share them."""
        self.posterior_: DensityPosterior = fit_density(
            cells,
            likelihood,
            mu,
            optimizer=self.optimizer,
            n_iter=int(self.n_iter),
            prior_variance=prior_variance,
        )
        self.features_ = cast("FeatureMap", cells.features)
        self.d_, self.mu_, self.ls_ = d, mu, self.features_.kernel.length_scale
        return self

    @property
    def converged_(self) -> bool:
        """Whether the relative gradient norm is below 1e-6."""
        return self.posterior_.converged

    @property
    def gradient_norm_(self) -> float:
        """Relative gradient norm at the maximum."""
        return self.posterior_.gradient_norm

    @property
    def n_iter_(self) -> int:
        """Steps taken."""
        return self.posterior_.n_iter

    @property
    def log_evidence_(self) -> float:
        """Laplace log marginal likelihood."""
        return self.posterior_.log_evidence

    def _by_batch(self, X: ArrayLike, value: Callable[[Array], Array]) -> Array:
        """A function of features at cell states, some at a time."""
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        rows = row_slices(len(states), self.batch_size)
        return np.concatenate([value(self.features_(states[r])) for r in rows])


def refuse_one_place(distances: Array) -> Array:
    """Distances to the nearest distinct cell as they are, ``(n_cells,)``.

    Raises
    ------
    ValueError
        If there is none: all cells have one state.
    """
    if not np.isfinite(distances).all():
        msg = (
            f"The density of {len(distances)} cells cannot be estimated: all have the same state. "
            "Give an embedding in which cells differ."
        )
        raise ValueError(msg)
    return distances
