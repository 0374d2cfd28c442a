r"""P-values with an error variance learned from all genes, whatever its distribution.

With few samples the variance of one gene is hardly known, but the distribution of variances over
genes is. :math:`\sigma_g^2 = \rho_g t_g` with a trend :math:`t_g` and :math:`\rho_g` from an
unknown distribution, estimated without assuming its form, gives p-values that are exact on average
over genes under normal errors (Ignatiadis & Sen 2025, *Ann. Stat.* 53, 1: empirical partially
Bayes).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from kompot.gp.linalg import row_slices

__all__ = ["VariancePrior", "fit_variance_prior"]

Array = NDArray[np.float64]

_GRID = 80
_BINS = 400
_STEPS = 300
_SMALLEST_RATIO = 1e-8
_SMALLEST_P = 1e-300
_GENES = 4096
"""Genes at a time, each with an array over the grid."""


@dataclass(frozen=True)
class VariancePrior:
    r"""Distribution of :math:`\rho = \sigma^2 / t` over genes.

    Attributes
    ----------
    grid
        Values of :math:`\rho`, ``(n_grid,)``, increasing.
    weights
        Their probabilities, ``(n_grid,)``.
    degrees_of_freedom
        :math:`d` of the variances from which it was learned.
    """

    grid: Array
    weights: Array
    degrees_of_freedom: int

    def posterior(self, ratio: Array) -> Array:
        r"""Posterior :math:`\pi_{gj} \propto w_j L_{gj}` of each value, ``(n_genes, n_grid)``.

        Parameters
        ----------
        ratio
            :math:`r_g = s_g^2 / t_g`, ``(n_genes,)``.
        """
        with np.errstate(divide="ignore"):  # a value of weight 0 has none after either
            evidence = np.log(self.weights) + _log_likelihood(
                ratio, self.grid, self.degrees_of_freedom
            )
        evidence -= evidence.max(axis=1, keepdims=True)
        np.exp(evidence, out=evidence)
        evidence /= evidence.sum(axis=1, keepdims=True)
        return evidence

    def p_values(
        self,
        effect: Array,
        scale: Array,
        ratio: Array,
        further: tuple[Array, Array] | None = None,
    ) -> tuple[Array, Array]:
        r"""Two-sided p-values of normal effects, averaged over the posterior of their variance.

        .. math:: p_g = \sum_j \pi_{gj}\, 2\,\Phi\big(-|\hat\beta_g| / \sqrt{V_{gj}}\big),
                  \quad V_{gj} = \max(u\, t_g\, \rho_j + e_g,\ l_g)

        Parameters
        ----------
        effect
            :math:`\hat\beta`, ``(n_genes,)``.
        scale
            :math:`u\,t_g`, the variance of the effect were :math:`\rho_g` 1, ``(n_genes,)``.
        ratio
            :math:`r_g`, ``(n_genes,)``.
        further
            Variance :math:`e_g` of the effect that the prior does not know of, also negative, and
            the least variance :math:`l_g` that it has, ``(n_genes,)`` each; None for neither.

        Returns
        -------
        p
            P-values, ``(n_genes,)``, positive.
        variance
            Posterior mean variance of the effect, :math:`\sum_j \pi_{gj} V_{gj}`, ``(n_genes,)``.
        """
        p, variance = np.empty(len(effect)), np.empty(len(effect))
        for genes in row_slices(len(effect), _GENES):
            share = self.posterior(ratio[genes])
            total = np.multiply.outer(scale[genes], self.grid)
            if further is not None:
                extra, least = (part[genes, None] for part in further)
                total = np.maximum(total + extra, least)
            tail = ndtr(np.abs(effect[genes, None]) / -np.sqrt(total))
            p[genes] = 2.0 * np.einsum("gj,gj->g", share, tail)
            variance[genes] = np.einsum("gj,gj->g", share, total)
        return np.clip(p, _SMALLEST_P, 1.0), variance


def fit_variance_prior(
    ratio: Array, degrees_of_freedom: int, admixture: float = 0.0
) -> VariancePrior:
    r"""Nonparametric maximum-likelihood estimate of the distribution of :math:`\rho`.

    :math:`d\,r_g / \rho_g \sim \chi^2_d`. The estimate lives on 80 values, equally spaced in logs;
    300 steps of expectation-maximisation
    :math:`w_j \leftarrow \frac1G \sum_g w_j L_{gj} / \sum_k w_k L_{gk}` on ratios put in 400 bins.

    Parameters
    ----------
    ratio
        :math:`r_g = s_g^2 / t_g`, ``(n_genes,)``.
    degrees_of_freedom
        :math:`d`.
    admixture
        Share of the distribution that is spread evenly, in logs, over the values above its
        geometric mean afterwards, in [0, 1): what is learned from some thousand genes hardly says
        how rare large variances are.
    """
    log_ratio = np.log(np.maximum(ratio, _SMALLEST_RATIO))
    edges = np.linspace(log_ratio.min(), log_ratio.max(), _BINS + 1)
    counts = np.histogram(log_ratio, edges)[0]
    centres = (edges[:-1] + edges[1:])[counts > 0] / 2.0
    counts = counts[counts > 0] / len(ratio)

    chi_square_median = 2.0 * gammaincinv(degrees_of_freedom / 2.0, 0.5)
    lowest = np.log(np.median(ratio) * degrees_of_freedom / chi_square_median) - 3.0
    grid = np.exp(np.linspace(lowest, edges[-1] + 0.1, _GRID))
    likelihood = _log_likelihood(np.exp(centres), grid, degrees_of_freedom)
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    weights = np.full(_GRID, 1.0 / _GRID)
    for _ in range(_STEPS):
        weights = weights * ((counts / (likelihood @ weights)) @ likelihood)
    above = grid >= np.exp(weights @ np.log(grid))
    weights = (1.0 - admixture) * weights + admixture * above / above.sum()
    return VariancePrior(grid, weights, degrees_of_freedom)


def _log_likelihood(ratio: Array, grid: Array, degrees_of_freedom: int) -> Array:
    r"""Log density of a ratio given each :math:`\rho_j`, up to what does not depend on j.

    :math:`r \sim \mathrm{Gamma}(d/2,\ \text{scale } 2\rho/d)`; ``(n_genes, n_grid)``.
    """
    half = degrees_of_freedom / 2.0
    return np.multiply.outer(ratio, -half / grid) - half * np.log(grid)
