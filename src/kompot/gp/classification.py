r"""Laplace approximation of the log odds of a label in feature space.

With features :math:`\Phi` of rank :math:`r`, :math:`f = b + \Phi w` with a known offset :math:`b`,
:math:`w \sim N(0, a^2 I)` and :math:`P(y_i = 1) = \pi_i = 1 / (1 + e^{-f_i})`, the log posterior is
strictly concave with Hessian :math:`-H`,

.. math:: H = a^{-2} I + \Phi^\top \operatorname{diag}(\pi (1 - \pi)) \Phi

(Rasmussen & Williams 2006, sections 3.4 and 3.5). Cells are independent given their states, so
that, unlike that of nearest-neighbour distances, this likelihood is the true one. Over draws of the
labels the gradient varies by :math:`\Phi^\top W \Phi` with
:math:`W = \operatorname{diag}(\pi (1-\pi))`; over those with as many labelled cells, of which
nothing is to be learned, by
:math:`J = \Phi^\top W \Phi - \Phi^\top W 1 1^\top W \Phi / 1^\top W 1`, and the estimate by
:math:`H^{-1} J H^{-1}`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from kompot.gp.cell_features import CellFeatures
from kompot.gp.laplace import GRADIENT_LIMIT, DensityConvergenceWarning, laplace_evidence
from kompot.gp.linalg import cholesky_solve, explained_cholesky, inverse_of
from kompot.user_warnings import warn_user

__all__ = ["LabelPosterior", "fit_labels"]

Array = NDArray[np.float64]

_GOAL = 1e-9
"""Gradient norm, relative to that of the sum of all features, at which to stop."""
_STEPS = 100
_SMALLEST_STEP = 2.0**-40


@dataclass(frozen=True)
class LabelPosterior:
    r"""Laplace posterior of the log odds :math:`b + \phi w`.

    Attributes
    ----------
    weights
        :math:`\hat w`, ``(rank,)``.
    factor
        Lower Cholesky factor of :math:`H`, ``(rank, rank)``.
    information
        :math:`J`, ``(rank, rank)``.
    prior_variance
        :math:`a^2`.
    gradient_norm
        Of the log posterior at :math:`\hat w`, relative to :math:`|\Phi^\top 1|`: the certificate
        that it is the maximum.
    log_evidence
        Laplace log marginal likelihood of the labels.
    """

    weights: Array
    factor: Array
    information: Array
    prior_variance: float
    gradient_norm: float
    log_evidence: float

    @property
    def covariance(self) -> Array:
        """Posterior covariance of the weights, :math:`H^{-1}`, ``(rank, rank)``."""
        return inverse_of(self.factor)

    @property
    def sampling_covariance(self) -> Array:
        r"""Covariance over draws of the labels, :math:`H^{-1} J H^{-1}`, ``(rank, rank)``."""
        half = cholesky_solve(self.factor, self.information)
        covariance = cholesky_solve(self.factor, half.T)
        return (covariance + covariance.T) / 2.0


def fit_labels(
    cells: CellFeatures,
    labels: NDArray[np.bool_],
    offset: float,
    prior_variance: float,
    start: Array | None = None,
) -> LabelPosterior:
    """Laplace posterior of the log odds of a label, by damped Newton steps.

    Parameters
    ----------
    cells
        Features of the cells, of rank ``rank``.
    labels
        Which cells have the label, ``(n_cells,)``.
    offset
        Log odds where all weights are zero, :math:`b`.
    prior_variance
        Of the weights, :math:`a^2`.
    start
        Weights to begin with, ``(rank,)``; zero by default.

    Warns
    -----
    DensityConvergenceWarning
        If the relative gradient norm is not below 1e-6 in the end.
    """
    precision = 1.0 / prior_variance
    scale = max(float(np.linalg.norm(cells.weighted_sum(np.ones(len(cells))))), 1.0)

    def at(weights: Array, log_odds: Array) -> _Iterate:
        chance = expit(log_odds)
        gradient = precision * weights - cells.weighted_sum(labels - chance)
        slope = chance * (1.0 - chance)
        gram = cells.gram(slope)
        hessian = gram + precision * np.eye(len(gram))
        factor = explained_cholesky(hessian, "use fewer landmarks or a longer length scale.")
        norm = float(np.linalg.norm(gradient)) / scale
        return _Iterate(weights, log_odds, slope, gradient, norm, gram, factor)

    weights = np.zeros(cells.features.rank) if start is None else start
    point, steps = at(weights, offset + cells.times(weights)), 0
    while point.gradient_norm >= _GOAL and steps < _STEPS:
        step: Array = -cholesky_solve(point.factor, point.gradient)
        along = cells.times(step)
        length = _step_length(labels, point.log_odds, along, point.weights, step, precision)
        if length == 0.0:
            break
        point = at(point.weights + length * step, point.log_odds + length * along)
        steps += 1
    if point.gradient_norm > GRADIENT_LIMIT:
        warn_user(
            f"The log odds of {len(cells)} cells were not found to full accuracy: after {steps} "
            f"steps the relative gradient norm is {point.gradient_norm:.1e}, above "
            f"{GRADIENT_LIMIT:g}. Give a longer length scale (`ls`).",
            DensityConvergenceWarning,
        )
    drift = cells.weighted_sum(point.slope)
    return LabelPosterior(
        weights=point.weights,
        factor=point.factor,
        information=point.gram - np.outer(drift, drift) / point.slope.sum(),
        prior_variance=prior_variance,
        gradient_norm=point.gradient_norm,
        log_evidence=laplace_evidence(
            _log_likelihood(labels, point.log_odds), point.weights, point.factor, precision
        ),
    )


@dataclass(frozen=True)
class _Iterate:
    r"""A point of the search with all that belongs to it.

    The slope is :math:`\pi (1 - \pi)` of each cell, the Gram matrix
    :math:`\Phi^\top \operatorname{diag}(\pi (1 - \pi)) \Phi` and the factor that of :math:`H`.
    """

    weights: Array
    log_odds: Array
    slope: Array
    gradient: Array
    gradient_norm: float
    gram: Array
    factor: Array


def _step_length(  # noqa: PLR0917
    labels: NDArray[np.bool_],
    log_odds: Array,
    along: Array,
    weights: Array,
    step: Array,
    precision: float,
) -> float:
    """First of 1, 1/2, 1/4, ... that raises the log posterior; 0 if rounding hides it."""
    before = _log_likelihood(labels, log_odds)
    length = 1.0
    while length > _SMALLEST_STEP:
        prior = length * float(weights @ step) + 0.5 * length**2 * float(step @ step)
        gain = _log_likelihood(labels, log_odds + length * along) - before - precision * prior
        if gain >= -1e-12 * abs(before):
            return length
        length /= 2.0
    return 0.0


def _log_likelihood(labels: NDArray[np.bool_], log_odds: Array) -> float:
    r""":math:`-\sum_i \log(1 + e^{-f_i})` with the sign of :math:`f_i` by the label."""
    return -float(np.logaddexp(0.0, np.where(labels, -log_odds, log_odds)).sum())
