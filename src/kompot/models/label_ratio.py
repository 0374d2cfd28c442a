r"""The ratio of two densities from which condition each cell is of.

By Bayes' rule a cell at :math:`x` is of condition 2 with odds
:math:`\frac{n_2}{n_1} \frac{p_2(x)}{p_1(x)}`: a Gaussian process for the log odds is one for the
log ratio of the densities (Sugiyama, Suzuki & Kanamori 2012, *Density Ratio Estimation in
Machine Learning*, section 4.2). The likelihood is exact and uses each cell in full, where
nearest-neighbour distances overlap. Length scale and variance are those of the ratio, not of the
densities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_features import CellFeatures
from kompot.gp.cell_order import evenly_spaced
from kompot.gp.classification import LabelPosterior, fit_labels
from kompot.gp.features import FeatureMap, residual_variance
from kompot.gp.gradients import function_gradient
from kompot.models.state_features import features_at

__all__ = ["LabelRatio", "fit_label_ratio"]

Array = NDArray[np.float64]

SCALE_FACTORS = (17.8, 10.0, 5.6, 3.2, 1.8)
"""Multiples of the length-scale heuristic that are tried, from the longest."""
PRIOR_VARIANCES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Variances of the log ratio that are tried; 1 is a factor of e."""
_CELLS = 5000
"""Cells by which scale and variance are chosen, about."""
_FEWEST_CELLS = 100
"""Of a condition, or all that it has."""
LABEL_RANK, LABEL_TOLERANCE = 500, 1e-4
"""Largest rank of the features, and the variance that they may leave."""
_CONSTANT = 10.0
"""The constant feature: standard deviation of the mean, in units of the prior's."""


@dataclass(frozen=True)
class _WithConstant:
    """Features and a constant one, so that the two densities need not be normalised alike."""

    features: FeatureMap

    @property
    def rank(self) -> int:
        """Number of features, with the constant."""
        return self.features.rank + 1

    def __call__(self, states: Array) -> Array:
        """Features ``(n_cells, rank)``."""
        phi = self.features(states)
        return np.column_stack([phi, np.full(len(phi), _CONSTANT)])


@dataclass(frozen=True)
class LabelRatio:
    r"""Posterior of the log ratio :math:`r(x) = \log p_2(x) / p_1(x)`.

    Attributes
    ----------
    features
        Feature map of rank ``rank``.
    posterior
        Of the log odds less :math:`\log n_2 / n_1`; the last weight is of the constant.
    spread
        Covariance of the weights over draws of the cells, or their posterior's,
        ``(rank + 1, rank + 1)``.
    """

    features: FeatureMap
    posterior: LabelPosterior
    spread: Array

    def mean(self, states: Array) -> Array:
        """Log ratio at cell states ``(n_cells, n_dims)``: ``(n_cells,)``, natural log."""
        return self.log_ratio(self.embed(states))

    def embed(self, states: Array) -> Array:
        """Features of cell states with a constant one, ``(n_cells, rank + 1)``."""
        return _WithConstant(self.features)(states)

    def log_ratio(self, wide: Array) -> Array:
        """Log ratio at features with a constant one: ``(n_cells,)``, natural log."""
        return wide @ self.posterior.weights

    def variance(self, wide: Array) -> Array:
        """Its variance, ``(n_cells,)``."""
        return np.einsum("ij,ij->i", wide @ self.spread, wide) + self._left(wide)

    def covariance(self, wide: Array) -> Array:
        """Its covariance between cells, ``(n_cells, n_cells)``."""
        covariance: Array = wide @ self.spread @ wide.T
        covariance[np.diag_indices_from(covariance)] += self._left(wide)
        return covariance

    def residual(self, wide: Array) -> Array:
        r"""What the features leave, :math:`1 - |\phi|^2`, ``(n_cells,)``."""
        return residual_variance(wide[:, :-1])

    def variance_of_mean(self, mean: Array, residual: float, n_cells: int) -> float:
        """Variance of its mean over cells; what features leave is independent in each.

        Parameters
        ----------
        mean, residual
            Means over the cells of features with a constant one, ``(rank + 1,)``, and of
            :meth:`residual`.
        n_cells
            Number of cells.
        """
        return float(mean @ self.spread @ mean) + self.posterior.prior_variance * residual / n_cells

    def gradient(self, states: Array) -> Array:
        """Gradient of the log ratio by cell state, ``(n_cells, n_dims)``."""
        return function_gradient(self.features, self.posterior.weights[:-1], states)

    def _left(self, wide: Array) -> Array:
        """Prior variance that the features leave, ``(n_cells,)``."""
        return self.posterior.prior_variance * self.residual(wide)


def fit_label_ratio(
    states: Array,
    is_second: NDArray[np.bool_],
    heuristic: float,
    *,
    kernel: str = "matern52",
    ls: float | None = None,
    posterior_variance: bool = False,
    seed: int = 0,
) -> LabelRatio:
    """Log ratio of the densities of two conditions.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``, in an order that does not depend on the condition.
    is_second
        Which cells are of condition 2, ``(n_cells,)``.
    heuristic
        Length scale of :func:`kompot.gp.length_scale.length_scale_of_distances` at factor 1.
    kernel
        A key of :data:`kompot.gp.KERNELS`.
    ls
        Length scale; None for that of largest marginal likelihood of about 5,000 cells, as the
        prior variance is chosen.
    posterior_variance
        Whether :attr:`LabelRatio.spread` is the posterior covariance.
    seed
        Of the landmarks.
    """
    chosen = _some_cells(is_second)
    some, labels = states[chosen], is_second[chosen]
    best: tuple[float, float, float] | None = None
    for scale in [f * heuristic for f in SCALE_FACTORS] if ls is None else [ls]:
        cells = CellFeatures(_features(some, kernel, scale, seed), some)
        evidence, variance = _best_variance(cells, labels)
        if best is not None and evidence < best[0]:
            break
        best = (evidence, scale, variance)
    assert best is not None
    _, scale, variance = best
    features = _features(states, kernel, scale, seed)
    offset = _log_odds(is_second)
    posterior = fit_labels(CellFeatures(features, states), is_second, offset, variance)
    spread = posterior.covariance if posterior_variance else posterior.sampling_covariance
    return LabelRatio(features.features, posterior, spread)


def _features(states: Array, kernel: str, scale: float, seed: int) -> _WithConstant:
    return _WithConstant(
        features_at(states, kernel, scale, max_rank=LABEL_RANK, tol=LABEL_TOLERANCE, seed=seed)
    )


def _some_cells(is_second: NDArray[np.bool_]) -> NDArray[np.intp]:
    """About 5,000 cells, evenly spaced, and more of a rare condition: at least 100, or all."""
    chosen = np.zeros(len(is_second), dtype=bool)
    chosen[evenly_spaced(len(is_second), _CELLS)] = True
    for members in (np.flatnonzero(~is_second), np.flatnonzero(is_second)):
        if chosen[members].sum() < _FEWEST_CELLS:
            chosen[members[evenly_spaced(len(members), _FEWEST_CELLS)]] = True
    return np.flatnonzero(chosen)


def _best_variance(cells: CellFeatures, labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Largest evidence over the prior variances, and where it is."""
    start: Array | None = None
    found: list[tuple[float, float]] = []
    for variance in PRIOR_VARIANCES:
        posterior = fit_labels(cells, labels, _log_odds(labels), variance, start)
        found.append((posterior.log_evidence, variance))
        start = posterior.weights
    return max(found)


def _log_odds(labels: NDArray[np.bool_]) -> float:
    return float(np.log(labels.sum() / (~labels).sum()))
