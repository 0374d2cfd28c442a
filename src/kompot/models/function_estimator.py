"""A Gaussian-process regression of many genes on cell states."""

from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.backend import compiled
from kompot.gp.features import FeatureMap, residual_variance
from kompot.gp.gradients import function_gradient
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.linalg import row_slices
from kompot.gp.regression import Posterior, fit_posterior
from kompot.models.arrays import as_expression, as_states, require_fitted
from kompot.models.cell_sums import accumulate
from kompot.models.parameters import Parameters
from kompot.models.smoothness import Smoothness, SmoothnessOptions, choose_smoothness
from kompot.models.state_features import features_at
from kompot.settings.checks import number

__all__ = ["FunctionEstimator"]

Array = NDArray[np.float64]


class FunctionEstimator(Parameters):
    r"""Expression as a smooth function of cell state.

    :math:`y_{ig} = f_g(x_i) + \epsilon`, :math:`\epsilon \sim N(0, \sigma^2)`,
    :math:`f_g \sim GP(0, k)`, in features :math:`\phi` of low rank: the posterior mean is
    :math:`\phi(x) B^{-1}\Phi^\top y/\sigma^2` and the covariance
    :math:`\phi(x) B^{-1} \phi(x')^\top` plus what the features leave of the prior,
    with :math:`B = I + \Phi^\top\Phi/\sigma^2`
    (Rasmussen & Williams 2006, section 2.1.2).

    Parameters
    ----------
    sigma
        Noise standard deviation, positive, in the units of ``y``; with ``ls="evidence"`` also
        ``"evidence"``: noise of largest marginal likelihood, in units of each gene's own prior
        standard deviation, which variances then are in, too.
    ls
        Length scale in units of the embedding; None estimates it (see ``ls_factor``);
        ``"evidence"`` for the scale of largest marginal likelihood at this ``sigma``, among 1 to
        10 times the heuristic (:func:`kompot.models.smoothness.choose_smoothness`). The larger
        ``sigma``, the shorter the scale that goes with it.
    ls_factor
        Multiple of the heuristic :math:`\exp(3 + \text{mean} \log d_{nn})`.
    kernel
        Name of the covariance function, a key of :data:`kompot.gp.KERNELS`.
    n_landmarks
        Largest rank; None for no limit but the number of cells.
    landmarks
        Landmarks to use instead of drawing them, ``(n_landmarks, n_dims)``.
    tol
        Prior variance that features may leave on average (of 1).
    random_state
        Seed of the landmarks; None is 0, so that results repeat.
    batch_size
        Cells predicted at a time; None or 0 for all.
    jit_compile
        Compute through JAX (extra ``kompot[jax]``), on a GPU if it finds one.

    Attributes
    ----------
    features_ : FeatureMap
        Feature map of rank ``features_.rank``.
    posterior_ : Posterior
        Posterior of the weights.
    ls_, sigma_ : float
        Length scale and noise used.
    evidence_ : RegressionEvidence or None
        Evidence against length scale and noise, with ``ls="evidence"``.
    """

    def __init__(
        self,
        *,
        sigma: float | str = 1.0,
        ls: float | str | None = None,
        ls_factor: float = 10.0,
        kernel: str = "matern52",
        n_landmarks: int | None = 5000,
        landmarks: ArrayLike | None = None,
        tol: float = 1e-6,
        random_state: int | None = 0,
        batch_size: int | None = 500,
        jit_compile: bool = False,
    ) -> None:
        self.sigma = sigma
        self.ls = ls
        self.ls_factor = ls_factor
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.landmarks = landmarks
        self.tol = tol
        self.random_state = random_state
        self.batch_size = batch_size
        self.jit_compile = jit_compile

    @compiled
    def fit(self, X: ArrayLike, y: Any) -> Self:
        """Fit all columns of ``y`` at once.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        y
            Expression, ``(n_cells,)`` or ``(n_cells, n_genes)``, an array or a sparse matrix.

        Raises
        ------
        ValueError
            If shapes disagree, numbers are not finite or a parameter is out of range.
        """
        wanted = SmoothnessOptions(
            self.ls, self.ls_factor, self.sigma, self.kernel, self.random_state
        )
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("tol", self.tol, least=0, below=1)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        states = as_states(X, "X")
        expression = as_expression(y, "y", len(states))
        condition = np.zeros(len(states), np.intp)
        chosen = choose_smoothness(
            wanted, states, expression, condition, partial(estimate_length_scale, states)
        )
        features = features_at(
            states,
            self.kernel,
            chosen.length_scale,
            max_rank=self.n_landmarks,
            tol=self.tol,
            landmarks=self.landmarks,
            seed=self.random_state,
        )
        (sums,) = accumulate(features, states, [expression], condition)
        return self.of(
            features, fit_posterior(sums, chosen.sigma), chosen, one_gene=np.ndim(y) == 1
        )

    def of(
        self,
        features: FeatureMap,
        posterior: Posterior,
        chosen: Smoothness,
        *,
        one_gene: bool = False,
    ) -> Self:
        """Take over what was fitted elsewhere: the last step of :meth:`fit`."""
        self.features_, self.posterior_ = features, posterior
        self.ls_, self.sigma_, self.evidence_ = chosen.length_scale, chosen.sigma, chosen.evidence
        self._one_gene = one_gene
        return self

    @compiled
    def predict(self, X: ArrayLike) -> Array:
        """Posterior mean at cell states ``(n_cells, n_dims)``: ``(n_cells, n_genes)``.

        One-dimensional if ``y`` was.
        """
        require_fitted(self, "posterior_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        rows = row_slices(len(states), self.batch_size)
        mean = np.concatenate([self.posterior_.mean(self.features_(states[r])) for r in rows])
        return mean[:, 0] if self._one_gene else mean

    __call__ = predict

    def gradient(self, X: ArrayLike) -> Array:
        """Gradient of the posterior mean at cell states, ``(n_cells, n_dims, n_genes)``.

        Exact for every kernel (:func:`kompot.gp.gradients.function_gradient`); without the last
        axis if ``y`` was one-dimensional.
        """
        require_fitted(self, "posterior_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        gradient = function_gradient(self.features_, self.posterior_.weights, states)
        return gradient[:, :, 0] if self._one_gene else gradient

    @compiled
    def covariance(self, X: ArrayLike, diag: bool = True) -> Array:
        """Posterior covariance of the function, the same for all genes, without noise.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        diag
            Only the variances, ``(n_cells,)``; otherwise all of ``(n_cells, n_cells)``.
        """
        require_fitted(self, "posterior_")
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        if diag:
            parts = []
            for rows in row_slices(len(states), self.batch_size):
                phi = self.features_(states[rows])
                parts.append(self.posterior_.variance(phi) + residual_variance(phi))
            return np.concatenate(parts)
        phi = self.features_(states)
        unexplained = self.features_.kernel(states, states) - phi @ phi.T
        return phi @ self.posterior_.covariance @ phi.T + unexplained
