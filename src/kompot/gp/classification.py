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

from kompot.gp.cell_features import CellFeatures
from kompot.gp.linalg import cholesky_solve, explained_cholesky

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
        inverse = cholesky_solve(self.factor, np.eye(len(self.factor)))
        return (inverse + inverse.T) / 2.0

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
    """
    precision = 1.0 / prior_variance
    scale = max(float(np.linalg.norm(cells.weighted_sum(np.ones(len(cells))))), 1.0)
    weights = np.zeros(cells.features.rank) if start is None else start
    log_odds = offset + cells.times(weights)
    for _ in range(_STEPS):
        chance = 1.0 / (1.0 + np.exp(-log_odds))
        gradient = precision * weights - cells.weighted_sum(labels - chance)
        weight = chance * (1.0 - chance)
        gram = cells.gram(weight)
        hessian = gram + precision * np.eye(len(gram))
        factor = explained_cholesky(hessian, "use fewer landmarks or a longer length scale.")
        norm = float(np.linalg.norm(gradient)) / scale
        if norm < _GOAL:
            break
        step: Array = -cholesky_solve(factor, gradient)
        along = cells.times(step)
        length = _step_length(labels, log_odds, along, weights, step, precision)
        if length == 0.0:
            break
        weights, log_odds = weights + length * step, log_odds + length * along
    drift = cells.weighted_sum(weight)
    information = gram - np.outer(drift, drift) / weight.sum()
    evidence = (
        _log_likelihood(labels, log_odds)
        - 0.5 * precision * float(weights @ weights)
        - float(np.log(factor.diagonal()).sum())
        + 0.5 * len(factor) * np.log(precision)
    )
    return LabelPosterior(weights, factor, information, prior_variance, norm, evidence)


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
