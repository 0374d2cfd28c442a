r"""Laplace approximation of the log density in feature space.

With features :math:`\Phi` of rank :math:`r`, :math:`f = \mu + \Phi z` and
:math:`z \sim N(0, s^2 I)`, :math:`s = 1` unless said otherwise, the log posterior of
nearest-neighbour distances is strictly concave with Hessian :math:`-H`,

.. math:: H = s^{-2} I + \Phi^\top \operatorname{diag}(e^{f + \log V}) \Phi.

Newton's method finds its only maximum :math:`\hat z` in a few steps, and
:math:`z \sim N(\hat z, H^{-1})` is the Laplace approximation
(Rasmussen & Williams 2006, section 3.4).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_features import CellFeatures, gram_of, sum_of
from kompot.gp.density import NeighborLikelihood
from kompot.gp.linalg import (
    cholesky_solve,
    explained_cholesky,
    inverse_of,
    product,
    solved_squares,
)
from kompot.user_warnings import warn_user

__all__ = [
    "GRADIENT_LIMIT",
    "OPTIMIZERS",
    "DensityConvergenceWarning",
    "DensityPosterior",
    "available_optimizer",
    "fit_density",
    "laplace_evidence",
]

Array = NDArray[np.float64]

OPTIMIZERS = ("newton", "L-BFGS-B", "advi")
"""How the maximum is found."""

_GRADIENT_GOAL = 1e-9
"""Relative gradient norm at which to stop."""
GRADIENT_LIMIT = 1e-6
"""Relative gradient norm above which the maximum counts as not reached."""
_SUFFICIENT_DECREASE = 1e-4
_SMALLEST_STEP = 2.0**-40
_LOG_EXPONENTIAL_VARIANCE = np.pi**2 / 6.0
_ENOUGH_CELLS = 20_000
"""Cells from which the search starts."""


class DensityConvergenceWarning(UserWarning):
    """The density's maximum was not reached to the accuracy it should have."""


@dataclass(frozen=True)
class DensityPosterior:
    r"""Laplace posterior of the log density :math:`f = \mu + \phi z` of one set of cells.

    Attributes
    ----------
    mu
        Prior mean :math:`\mu`, natural log of cells per unit volume.
    weights
        :math:`\hat z`, ``(rank,)``.
    factor
        Lower Cholesky factor of :math:`H`, ``(rank, rank)``.
    n_cells
        Number of cells.
    gradient_norm
        :math:`\|\nabla\| / \|\Phi^\top 1\|` of the log posterior at :math:`\hat z`: the
        certificate that it is the maximum.
    converged
        Whether that is below 1e-6.
    n_iter
        Steps taken.
    log_evidence
        Laplace log marginal likelihood
        :math:`\log p(r | \hat z) - \tfrac12 |\hat z|^2 / s^2 - \tfrac12 \log\det s^2 H`.
    prior_variance
        :math:`s^2`.
    mean_expected
        Mean over cells of :math:`e^{f + \log V}` at the maximum; near 1.
    """

    mu: float
    weights: Array
    factor: Array
    n_cells: int
    gradient_norm: float
    converged: bool
    n_iter: int
    log_evidence: float
    prior_variance: float
    mean_expected: float

    def mean(self, phi: Array) -> Array:
        r"""Posterior mode :math:`\mu + \phi\hat z` at features ``(n_points, rank)``."""
        return self.mu + product(phi, self.weights, hold=True)

    def variance(self, phi: Array) -> Array:
        r"""Posterior variance :math:`\phi H^{-1}\phi^\top` of the explained part, ``(n_points,)``.

        What features do not explain, :math:`s^2 (1 - |\phi|^2)`, is to be added.
        """
        return solved_squares(self.factor, phi)

    @cached_property
    def covariance(self) -> Array:
        """Posterior covariance of the weights, :math:`H^{-1}`, ``(rank, rank)``."""
        return inverse_of(self.factor)


def fit_density(
    cells: CellFeatures,
    likelihood: NeighborLikelihood,
    mu: float,
    *,
    optimizer: str = "newton",
    n_iter: int = 100,
    prior_variance: float = 1.0,
) -> DensityPosterior:
    """Laplace posterior of the log density of cells.

    Parameters
    ----------
    cells
        Features of the cells, of rank ``rank``.
    likelihood
        Likelihood of the cells' nearest-neighbour distances.
    mu
        Prior mean of the log density.
    optimizer
        ``"newton"``, or ``"L-BFGS-B"`` for SciPy's quasi-Newton method. ``"advi"`` warns and is
        ``"newton"``: the exact Laplace posterior takes the place of variational inference.
    n_iter
        Most steps to take.
    prior_variance
        Variance :math:`s^2` of the weights beforehand, that is, a multiple of the kernel.

    Warns
    -----
    DensityConvergenceWarning
        If the relative gradient norm is not below 1e-6 in the end.

    Raises
    ------
    ValueError
        If the optimizer is unknown.
    """
    optimizer = available_optimizer(optimizer)
    problem = _LogPosterior(cells, likelihood, mu, 1.0 / prior_variance)
    minimize = _minimize_lbfgs if optimizer == "L-BFGS-B" else _minimize_newton
    state, steps = minimize(problem, problem.start(n_iter), n_iter)
    if state.gradient_norm > GRADIENT_LIMIT:
        warn_user(
            f"The density of {len(cells)} cells was not found to full accuracy: after {steps} "
            f"steps of {optimizer} the relative gradient norm is {state.gradient_norm:.1e}, above "
            f"{GRADIENT_LIMIT:g}. Use optimizer='newton' or more steps (`n_iter`).",
            DensityConvergenceWarning,
        )
    return _posterior(problem, state, steps)


def available_optimizer(name: str) -> str:
    """The optimizer of a name; with a warning ``"newton"`` in place of ``"advi"``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in OPTIMIZERS:
        msg = f"`optimizer` must be one of {OPTIMIZERS}, got {name!r}."
        raise ValueError(msg)
    if name != "advi":
        return name
    warn_user(
        "optimizer='advi' is not available: the exact Laplace posterior is computed by Newton's "
        "method instead. Use optimizer='newton' to silence this."
    )
    return "newton"


@dataclass(frozen=True)
class _Iterate:
    """A point of the search.

    Attributes
    ----------
    weights
        Weights, ``(rank,)``.
    log_density, expected
        Log density and expected counts at the cells, ``(n_cells,)``.
    gradient, gradient_norm
        Of the negative log posterior, ``(rank,)``; its norm relative to that of all features.
    hessian
        ``(rank, rank)``; not summed unless asked for.
    """

    weights: Array
    log_density: Array
    expected: Array
    gradient: Array
    gradient_norm: float
    hessian: Array

    @property
    def is_finite(self) -> bool:
        """Whether no expected count overflows."""
        return bool(np.isfinite(self.expected).all())


class _LogPosterior:
    """Negative log posterior of the weights and its derivatives, each in one pass over the cells.

    Where features are computed anew in each pass, passes are what takes the time.
    """

    def __init__(
        self, cells: CellFeatures, likelihood: NeighborLikelihood, mu: float, precision: float
    ) -> None:
        self.cells, self.likelihood, self.mu, self.precision = cells, likelihood, mu, precision

    def start(self, n_iter: int) -> Array:
        """Weights near the maximum: that of some of the cells, if there are many.

        The sum over every k-th cell, times k, has its maximum within the sampling error of the
        sum over all, from where two or three steps remain instead of six or more.
        """
        stride = -(-len(self.cells) // _ENOUGH_CELLS)
        if stride == 1:
            return self._regression()
        some = slice(None, None, stride)
        cells = CellFeatures(self.cells.features, self.cells.states[some])
        share = len(cells) / len(self.cells)
        part = _LogPosterior(cells, self.likelihood.of_cells(some), self.mu, share * self.precision)
        return _minimize_newton(part, part._regression(), n_iter)[0].weights

    def at(self, weights: Array, *, with_hessian: bool = True) -> _Iterate:
        """The log density of the cells at some weights, gradient and Hessian."""

        def chunk(rows: slice, phi: Array) -> tuple[Array, Array, Array, Array, Array | None]:
            log_density = self.mu + product(phi, weights)
            expected = self.likelihood.of_cells(rows).expected(log_density)
            is_finite = with_hessian and bool(np.isfinite(expected).all())
            gram = gram_of(phi, expected) if is_finite else None
            every = sum_of(phi, np.ones(len(phi)))
            return log_density, expected, every, sum_of(phi, expected), gram

        rank = len(weights)
        densities, counts = [], []
        total, drift, hessian = np.zeros(rank), np.zeros(rank), np.zeros((rank, rank))
        for log_density, expected, every, counted, gram in self.cells.map(chunk):
            densities.append(log_density)
            counts.append(expected)
            total += every
            drift += counted
            if gram is not None:
                hessian += gram
        np.fill_diagonal(hessian, hessian.diagonal() + self.precision)
        gradient = self.precision * weights - total + drift
        norm = float(np.linalg.norm(gradient)) / max(float(np.linalg.norm(total)), 1.0)
        found = np.concatenate(densities), np.concatenate(counts)
        return _Iterate(weights, *found, gradient, norm, hessian)

    def _regression(self) -> Array:
        """Weights of a ridge regression of the nearest-neighbour log density."""
        target = self.likelihood.nearest_neighbor_log_density() - self.mu
        precision = self.cells.gram(np.full(len(target), 1.0 / _LOG_EXPONENTIAL_VARIANCE))
        np.fill_diagonal(precision, precision.diagonal() + self.precision)
        cross = self.cells.weighted_sum(target / _LOG_EXPONENTIAL_VARIANCE)
        return cholesky_solve(_cholesky(precision), cross)


def _minimize_newton(problem: _LogPosterior, start: Array, n_iter: int) -> tuple[_Iterate, int]:
    """Damped Newton steps until the gradient vanishes or rounding ends the descent."""
    point = _finite_start(problem, start)
    for done in range(n_iter):
        if point.gradient_norm < _GRADIENT_GOAL:
            return point, done
        step = -cholesky_solve(_cholesky(point.hessian), point.gradient)
        found = _descended(problem, point, step)
        if found is None:
            return point, done
        point = found
    return point, n_iter


def _finite_start(problem: _LogPosterior, start: Array) -> _Iterate:
    """The start, drawn towards the prior mean until no expected count overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        point = problem.at(start)
        while not point.is_finite:
            start = start / 2.0
            point = problem.at(start)
    return point


def _descended(problem: _LogPosterior, point: _Iterate, step: Array) -> _Iterate | None:
    """Where the first of 1, 1/2, 1/4, ... steps that gains enough leads; None if none does.

    One does that lowers the objective, or halves the gradient: near the maximum the objective
    changes by less than its rounding error. Its change is summed from the changes at each cell.
    """
    slope = float(point.gradient @ step)
    precision, length = problem.precision, 1.0
    while length > _SMALLEST_STEP:
        with np.errstate(over="ignore", invalid="ignore"):
            found = problem.at(point.weights + length * step)
            along = found.log_density - point.log_density
            change = float(point.expected @ np.expm1(along)) - float(along.sum())
        change += length * precision * float(point.weights @ step)
        change += 0.5 * length**2 * precision * float(step @ step)
        lower = change <= _SUFFICIENT_DECREASE * length * slope
        if found.is_finite and (lower or found.gradient_norm <= 0.5 * point.gradient_norm):
            return found
        length /= 2.0
    return None


def _minimize_lbfgs(problem: _LogPosterior, start: Array, n_iter: int) -> tuple[_Iterate, int]:
    """SciPy's limited-memory quasi-Newton method."""
    from scipy.optimize import minimize  # for this choice only

    def objective(weights: Array) -> tuple[float, Array]:
        point = problem.at(weights, with_hessian=False)
        prior = 0.5 * problem.precision * (weights @ weights)
        value = prior - point.log_density.sum() + point.expected.sum()
        return float(value), point.gradient

    start = _finite_start(problem, start).weights
    options = {"maxiter": n_iter, "maxcor": 30, "ftol": 1e-15, "gtol": _GRADIENT_GOAL}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return problem.at(found.x), int(found.nit)


def _posterior(problem: _LogPosterior, point: _Iterate, steps: int) -> DensityPosterior:
    factor = _cholesky(point.hessian)
    log_likelihood = problem.likelihood.log_likelihood(point.log_density)
    log_evidence = laplace_evidence(log_likelihood, point.weights, factor, problem.precision)
    return DensityPosterior(
        mu=problem.mu,
        weights=point.weights,
        factor=factor,
        n_cells=len(problem.cells),
        gradient_norm=point.gradient_norm,
        converged=point.gradient_norm < GRADIENT_LIMIT,
        n_iter=steps,
        log_evidence=log_evidence,
        prior_variance=1.0 / problem.precision,
        mean_expected=float(point.expected.mean()),
    )


def laplace_evidence(
    log_likelihood: float, weights: Array, factor: Array, precision: float
) -> float:
    r"""Laplace log marginal likelihood of data at the maximum of the posterior.

    :math:`\log p(y | \hat z) - \tfrac12 |\hat z|^2 / s^2 - \tfrac12 \log\det s^2 H`.

    Parameters
    ----------
    log_likelihood
        :math:`\log p(y | \hat z)`.
    weights
        :math:`\hat z`, ``(rank,)``.
    factor
        Lower Cholesky factor of :math:`H`, ``(rank, rank)``.
    precision
        :math:`1 / s^2`.
    """
    return (
        log_likelihood
        - 0.5 * precision * float(weights @ weights)
        - float(np.log(factor.diagonal()).sum())
        + 0.5 * len(factor) * np.log(precision)
    )


def _cholesky(precision: Array) -> Array:
    return explained_cholesky(precision, "use fewer landmarks or a longer length scale.")
