r"""Features of low rank: :math:`\Phi\Phi^\top \approx K` by randomly pivoted Cholesky.

A smooth kernel on real cell states has numerical rank of tens to hundreds. Pivots (landmarks)
:math:`U` are drawn among the cells with probability proportional to the variance that the features
do not explain yet, until that residual is below a tolerance (Chen, Epperly, Tropp & Webber 2025,
*Comm. Pure Appl. Math.* 78, 995, algorithm 2.1); several pivots a round by rejection (Epperly,
Tropp & Webber 2024, *arXiv* 2410.03969, algorithm 2), which has the same distribution.
No ``n_cells x n_cells`` matrix is ever formed.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kompot import threads
from kompot.gp.backend import accelerator, numpy_only
from kompot.gp.cell_order import lexicographic_order
from kompot.gp.kernels import Kernel
from kompot.gp.linalg import row_slices, whiten
from kompot.memory.expression_sizes import FEATURE_CHUNK
from kompot.memory.features import PIVOTS, POOL, wider

__all__ = ["FeatureMap", "effective_tolerance", "fit_features", "residual_variance"]

Array = NDArray[np.float64]

_MARGIN = 0.95
"""Residual that the first pool may have, over that of all cells: with the landmarks it has less."""
_FLOOR = 1e-12
"""Residual variance that cannot be told from rounding; no pivot is placed there."""
_LEAST_EXPLAINED = 1e-9
"""Share of the prior variance at the cells that given landmarks must explain."""


@dataclass(frozen=True)
class FeatureMap:
    r"""Features :math:`\phi(x) = L^{-1} k(U, x)` with :math:`LL^\top = k(U, U)`.

    Attributes
    ----------
    kernel
        Covariance function of unit variance.
    landmarks
        Pivots :math:`U`, ``(rank, n_dims)``.
    factor
        Lower Cholesky factor :math:`L` of their covariance, ``(rank, rank)``.
    residual_mean, residual_max
        Of :math:`k(x,x) - |\phi(x)|^2` over the cells on which the map was made.
    """

    kernel: Kernel
    landmarks: Array
    factor: Array
    residual_mean: float = np.nan
    residual_max: float = np.nan

    @property
    def rank(self) -> int:
        """Number of features."""
        return len(self.landmarks)

    def __call__(self, states: Array) -> Array:
        """Features ``(n_cells, rank)`` of cell states ``(n_cells, n_dims)``."""
        if (device := accelerator()) is not None and device.has_kernel(self.kernel):
            return device.features(self.kernel, self.landmarks, self.factor, states)
        return whiten(self.factor, self.kernel(states, self.landmarks))


def residual_variance(phi: Array) -> Array:
    r"""Prior variance that features do not explain, :math:`1 - |\phi(x)|^2`, ``(n_cells,)``."""
    residual = 1.0 - np.einsum("ij,ij->i", phi, phi)
    return np.maximum(residual, 0.0, out=residual)


def effective_tolerance(
    tol: float, states: Array, kernel: Kernel, rng: np.random.Generator
) -> float:
    r"""Residual variance that may be left on average, so that distances stay exact to about 1e-3.

    :math:`tol \cdot \min(1, 20 v) \cdot \min(1, \sqrt{2000 / n})`. The prior variance *between*
    cells :math:`v = 1 - \overline{k(x, x')}` is small where the length scale is long, and what
    tells cells apart is then in small variances. And the more cells, the smaller the variances
    that they resolve: at a fixed residual the error of a distance grew as :math:`\sqrt n`.

    Parameters
    ----------
    tol
        For up to 2,000 cells and a length scale within the data.
    states
        Cell states, ``(n_cells, n_dims)``.
    kernel
        Covariance function of unit variance.
    rng
        Chooses the cells on which :math:`v` is computed.
    """
    sample = states[rng.choice(len(states), min(len(states), 300), replace=False)]
    between = float(1.0 - kernel(sample, sample).mean())
    return tol * min(1.0, 20.0 * between) * min(1.0, np.sqrt(2e3 / len(states)))


@numpy_only()
def fit_features(
    states: Array,
    kernel: Kernel,
    *,
    max_rank: int | None = None,
    tol: float = 1e-6,
    landmarks: Array | None = None,
    rng: np.random.Generator | None = None,
) -> FeatureMap:
    r"""Find landmarks among the cells, or factorise given ones.

    They are drawn from the cells in an order of their states, so that the order in which the cells
    come does not matter. NumPy draws them in any case: the draws hang on the last digits of
    residuals, and a run through JAX has the same landmarks.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    kernel
        Covariance function of unit variance.
    max_rank
        Largest number of landmarks; None for no limit but the number of cells.
    tol
        Stop when the mean residual variance over the cells is below, of 1; less where small
        variances matter more (:func:`effective_tolerance`). Zero goes on to rounding.
    landmarks
        Use these, ``(n_landmarks, n_dims)``, less those that depend numerically on the others,
        and draw none.
    rng
        Source of random pivots; None is seed 0.

    Returns
    -------
    Feature map with the residual that it reached on ``states``.

    Raises
    ------
    ValueError
        If given landmarks are too far from the cells to say anything about them.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    if landmarks is not None:
        found, _ = _draw_landmarks(None, landmarks, kernel, len(landmarks), 0.0, rng)
        residual = _residual_at(found, states)
        if residual.mean() > 1.0 - _LEAST_EXPLAINED:
            msg = (
                f"`landmarks` are too far from the cells: at a length scale of "
                f"{kernel.length_scale:.3g} they say nothing about them. Give places among the "
                "cells in the same embedding, or leave `landmarks` out."
            )
            raise ValueError(msg)
        return _with_residual(found, residual)

    n_cells, states = len(states), states[lexicographic_order(states)]
    tol = effective_tolerance(tol, states, kernel, rng)
    max_rank = n_cells if max_rank is None else min(max_rank, n_cells)
    if n_cells <= POOL:
        return _with_residual(*_draw_landmarks(None, states, kernel, max_rank, tol, rng))
    pool = rng.choice(n_cells, POOL, replace=False)
    start: FeatureMap | None = None
    weight: Array | None = None
    while True:
        goal = _MARGIN * tol
        found, _ = _draw_landmarks(start, states[pool], kernel, max_rank, goal, rng, weight)
        residual = _residual_at(found, states)
        found = _with_residual(found, residual)
        remaining = np.where(residual > _FLOOR, residual, 0.0)
        if found.residual_mean < tol or found.rank >= max_rank or not remaining.any():
            return found
        start = found
        pool, weight = _second_pool(remaining, rng)


def _second_pool(residual: Array, rng: np.random.Generator) -> tuple[NDArray[np.intp], Array]:
    """The cells that are explained worst and others at random, with weights in their mean residual.

    Few cells far from all others, which the first pool missed, are then among them; the weighted
    mean estimates that of all cells.
    """
    n_cells, n_worst = len(residual), POOL // 10
    order = np.argpartition(residual, n_cells - n_worst)
    worst, others = order[-n_worst:], order[:-n_worst]
    others = rng.choice(others, min(len(others), POOL - n_worst), replace=False)
    weight = np.full(n_worst + len(others), (n_cells - n_worst) / len(others))
    weight[:n_worst] = 1.0
    return np.concatenate([worst, others]), weight * len(weight) / n_cells


def _residual_at(found: FeatureMap, states: Array) -> Array:
    """Residual variance at cell states, ``(n_cells,)``."""
    parts = threads.map_batches(
        lambda rows: residual_variance(found(states[rows])), row_slices(len(states), FEATURE_CHUNK)
    )
    return np.concatenate(list(parts))


def _with_residual(found: FeatureMap, residual: Array) -> FeatureMap:
    """The map with what it left of the variance of the cells."""
    return replace(found, residual_mean=float(residual.mean()), residual_max=float(residual.max()))


def _draw_landmarks(  # noqa: PLR0917
    start: FeatureMap | None,
    pool: Array,
    kernel: Kernel,
    max_rank: int,
    tol: float,
    rng: np.random.Generator,
    weight: Array | None = None,
) -> tuple[FeatureMap, Array]:
    """Extend a map by pivots drawn from a pool of cells, ``(n_pool, n_dims)``.

    Cells of a pool that was drawn with unequal probability have weights in its mean residual. Also
    returns the residual variance of the pool.
    """
    weight = np.ones(len(pool)) if weight is None else weight
    rank = 0 if start is None else start.rank
    phi = np.empty((len(pool), min(max_rank, rank + PIVOTS)))
    if start is not None:
        for rows in row_slices(len(pool), FEATURE_CHUNK):
            phi[rows, :rank] = start(pool[rows])
    residual = residual_variance(phi[:, :rank])
    chosen: list[int] = []
    while rank < max_rank:
        residual[residual < _FLOOR] = 0.0
        total, left = residual.sum(), float(weight @ residual)
        if left / len(pool) < tol or total == 0.0:
            break
        proposals = rng.choice(len(pool), PIVOTS, p=residual / total)
        pivots, factor = _accept(proposals, pool, phi[:, :rank], residual, kernel, rng)
        pivots, factor = pivots[: max_rank - rank], factor[: max_rank - rank, : max_rank - rank]
        columns = kernel(pool, pool[pivots])
        columns -= phi[:, :rank] @ phi[pivots, :rank].T
        columns = whiten(factor, columns)
        columns = columns[:, : _enough(columns, weight, left - tol * len(pool))]
        pivots = pivots[: columns.shape[1]]
        residual -= np.einsum("ij,ij->i", columns, columns)
        residual[pivots] = 0.0
        phi = _append(phi, rank, columns, max_rank)
        rank += len(pivots)
        chosen.extend(pivots)
    return _assemble(start, kernel, pool[chosen], phi[chosen, :rank]), residual


def _enough(columns: Array, weight: Array, variance: float) -> int:
    """How many of some features explain more than a variance; all of them if they do not."""
    explained = np.cumsum(np.einsum("ij,ij,i->j", columns, columns, weight))
    return min(int(np.searchsorted(explained, variance, side="right")) + 1, len(explained))


def _accept(  # noqa: PLR0917
    proposals: NDArray[np.intp],
    pool: Array,
    phi: Array,
    residual: Array,
    kernel: Kernel,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], Array]:
    """Proposals kept by rejection, one after the other, and the factor of their residual.

    A proposal is kept with the probability that its residual variance, given those kept before,
    has of the residual with which it was proposed.
    """
    cells = pool[proposals]
    remaining = kernel(cells, cells) - phi[proposals] @ phi[proposals].T
    threshold = rng.random(len(proposals)) * residual[proposals]
    threshold[0] = 0.0  # the first is always kept, whatever rounding says
    factor = np.zeros_like(remaining)
    kept: list[int] = []
    for i in range(len(proposals)):
        variance = remaining[i, i]
        if variance <= max(threshold[i], _FLOOR) and kept:
            continue
        column = remaining[:, i] / np.sqrt(max(variance, _FLOOR))
        factor[:, len(kept)] = column
        remaining -= np.outer(column, column)
        kept.append(i)
    return proposals[kept], np.tril(factor[kept, : len(kept)])


def _append(phi: Array, rank: int, columns: Array, max_rank: int) -> Array:
    """Write columns after the first ``rank``, in a wider array if they do not fit."""
    needed = rank + columns.shape[1]
    if needed > phi.shape[1]:
        copy = np.empty((len(phi), wider(phi.shape[1], needed, max_rank)))
        copy[:, :rank] = phi[:, :rank]
        phi = copy
    phi[:, rank:needed] = columns
    return phi


def _assemble(start: FeatureMap | None, kernel: Kernel, landmarks: Array, phi: Array) -> FeatureMap:
    """Map of the old landmarks and new ones with their features ``(n_new, rank)``."""
    if start is None:
        return FeatureMap(kernel, landmarks.copy(), np.tril(phi))
    rank = start.rank + len(landmarks)
    factor = np.zeros((rank, rank))
    factor[: start.rank, : start.rank] = start.factor
    factor[start.rank :] = phi
    return FeatureMap(kernel, np.vstack([start.landmarks, landmarks]), np.tril(factor))
