r"""Marginal likelihood of expression against length scale and noise.

Of each gene, less its mean, :math:`y \sim N(0, a (K_\ell + \sigma^2 I))` with an amplitude
:math:`a` of its own at its maximum :math:`\hat a = y^\top (K + \sigma^2 I)^{-1} y / n`:

.. math:: \log p(y) = -\tfrac n2 \log \hat a - \tfrac12 \log\det(K + \sigma^2 I) + \text{const}

(Rasmussen & Williams 2006, sections 2.3 and 5.4.1), summed over genes and conditions. The weights
of a gene depend on :math:`\sigma`, the noise in units of the prior's standard deviation, but not
on :math:`a`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.evidence import SCALE_FACTORS
from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import make_kernel

__all__ = ["RegressionEvidence", "regression_evidence"]

Array = NDArray[np.float64]

_NOISE = 10.0 ** (np.arange(-2, 7) / 4.0)
"""Noise that is tried, in units of the prior's standard deviation: 0.3 to 32."""
_TOLERANCE = 1e-4
_RANK = 1000


@dataclass(frozen=True)
class RegressionEvidence:
    """Log marginal likelihood against length scale and noise.

    Attributes
    ----------
    length_scales
        Length scales tried, from the longest, ``(n_scales,)``.
    sigmas
        Noise tried, in units of the prior's standard deviation, ``(n_sigmas,)``.
    log_evidence
        At each, up to a constant, ``(n_scales, n_sigmas)``.
    """

    length_scales: Array
    sigmas: Array
    log_evidence: Array

    @property
    def best(self) -> tuple[float, float]:
        """Length scale and noise of largest evidence."""
        scale, noise = np.unravel_index(np.argmax(self.log_evidence), self.log_evidence.shape)
        return float(self.length_scales[scale]), float(self.sigmas[noise])


def regression_evidence(
    states: Array,
    values: list[Array],
    rows: list[NDArray[np.intp]],
    heuristic: float,
    kernel: str,
    *,
    sigma: float | None = None,
    seed: int = 0,
) -> RegressionEvidence:
    r"""Marginal likelihood from ten times the heuristic down to it, until it falls.

    Parameters
    ----------
    states
        Cell states of all conditions, ``(n_cells, n_dims)``.
    values
        Expression of the cells of each condition, ``(n_cells, n_genes)``.
    rows
        Rows of ``states`` of each condition.
    heuristic
        Length scale of :func:`kompot.gp.length_scale.estimate_length_scale` at factor 1.
    kernel
        A key of :data:`kompot.gp.KERNELS`.
    sigma
        The noise, if it is not to be chosen.
    seed
        Of the landmarks.
    """
    sigmas = _NOISE if sigma is None else np.array([sigma])
    curve: list[Array] = []
    scales = [factor * heuristic for factor in SCALE_FACTORS]
    for scale in scales:
        features = fit_features(
            states,
            make_kernel(kernel, scale),
            max_rank=_RANK,
            tol=_TOLERANCE,
            rng=np.random.default_rng(seed),
        )
        parts = [
            _log_evidence(features, states[own], expression, sigmas)
            for own, expression in zip(rows, values, strict=True)
        ]
        curve.append(np.sum(parts, axis=0))
        if len(curve) > 1 and curve[-1].max() < curve[-2].max():
            break
    return RegressionEvidence(np.array(scales[: len(curve)]), sigmas, np.array(curve))


def _log_evidence(features: FeatureMap, states: Array, values: Array, sigmas: Array) -> Array:
    """Of all genes in one condition, ``(n_sigmas,)``."""
    centered = values - values.mean(axis=0)
    squares = np.einsum("ij,ij->j", centered, centered)
    varies = squares > 0
    phi = features(states)
    eigenvalues, vectors = np.linalg.eigh(phi.T @ phi)
    eigenvalues = np.maximum(eigenvalues, 0.0)[:, None]
    cross = np.square(vectors.T @ (phi.T @ centered[:, varies]))
    n_cells, n_rest = len(states), len(states) - len(eigenvalues)
    found = []
    for noise in np.square(sigmas):
        quadratic = (squares[varies] - (cross / (eigenvalues + noise)).sum(axis=0)) / noise
        log_determinant = float(np.log(eigenvalues + noise).sum()) + n_rest * np.log(noise)
        quadratic = np.maximum(quadratic, np.finfo(float).tiny)
        amplitude = float(np.log(quadratic / n_cells).sum())
        found.append(-0.5 * (n_cells * amplitude + varies.sum() * log_determinant))
    return np.array(found)
