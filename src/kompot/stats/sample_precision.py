r"""Which samples say more than others, and what an effect among them is worth.

The value :math:`z_s` of a sample has variance :math:`\sigma^2 + v\,C_{ss}`: that between donors,
and that of sampling cells, about :math:`v / n_s`. A sample with few cells counts less. The weights
are the same for all genes of a region, but the error of each is that of its own :math:`\sigma^2`
and :math:`v`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.stats.design import Contrast

__all__ = ["WeightedSamples", "weigh_samples"]

Array = NDArray[np.float64]

_OUTLYING = 0.95
"""Genes that vary more between donors than this share of all count as those just there."""


@dataclass(frozen=True)
class WeightedSamples:
    r"""Values of samples scaled to about equal variances, and the contrast of these.

    Attributes
    ----------
    values
        :math:`g_s z_s`, ``(n_samples, n_genes)``.
    contrast
        Of these values.
    unit_variance
        :math:`u\kappa`: variance of the effect in units of the residual variance, if that were
        between donors alone.
    excess
        Variance of the effect beyond that from sampling cells, for :math:`v = 1`; may be negative.
    least
        All its variance from sampling cells, for :math:`v = 1`.
    """

    values: Array
    contrast: Contrast
    unit_variance: float
    excess: float
    least: float


def weigh_samples(
    contrast: Contrast, values: Array, within: Array, noise: Array, n_cells: Array
) -> WeightedSamples:
    r"""Weigh samples by what their numbers of cells say of the variance of their values.

    .. math::
        g_s^2 \propto \frac{1}{\tau + 1/n_s}, \quad
        \tau = \max\Big(\frac1G \sum_g \frac{s_g^2}{v_g} - \frac{\mathrm{tr}(Q^\top C Q)}{df},
        \ 0\Big),

    with :math:`s_g^2` the residual variance among equal samples: :math:`\tau` is the variance
    between donors in units of that between cells, of a typical gene. Least squares of the scaled
    values :math:`g_s z_s` leave a residual variance :math:`s'^2` of mean
    :math:`\sigma^2 D_r + v N_r`, and their effect has variance
    :math:`u(\sigma^2 D_e + v N_e)`: :math:`D = \mathrm{diag}(g^2)` and :math:`N_{st} = g_s C_{st}
    g_t` are the two kinds of noise, :math:`r` as residuals see them
    (:meth:`kompot.stats.design.Contrast.seen`) and :math:`e` as the effect has them, in units of
    :math:`u`. Hence the variance of the effect is

    .. math:: u\,(\kappa s'^2 + v\,(N_e - \kappa N_r)), \quad \kappa = D_e / D_r,

    for every gene, whatever its own :math:`\sigma^2` is. But :math:`\kappa` is at least 1. Where
    donors weigh less on the effect than on the residuals (few small samples against many large
    ones), counting on it made twice as many p-values small as should be.

    Parameters
    ----------
    contrast
        Of the samples, unweighted.
    values
        :math:`z`, ``(n_samples, n_genes)``.
    within
        :math:`v`, ``(n_genes,)``, positive.
    noise
        :math:`C`, ``(n_samples, n_samples)``.
    n_cells
        :math:`n_s`, positive, ``(n_samples,)``.
    """
    ratio = contrast.residual_variance(values) / within
    ratio = np.minimum(ratio, np.quantile(ratio, _OUTLYING))
    donors = max(float(ratio.mean()) - contrast.seen(noise), 0.0)
    precision = 1.0 / (donors + 1.0 / n_cells)
    scale = np.sqrt(precision / precision.mean())

    scaled = contrast.of_scaled(scale)
    between, sampling = np.diag(scale**2), scale[:, None] * noise * scale
    kappa = max(scaled.noise(between) / (scaled.unit_variance * scaled.seen(between)), 1.0)
    unit, least = scaled.unit_variance * kappa, scaled.noise(sampling)
    return WeightedSamples(
        scale[:, None] * values, scaled, unit, least - unit * scaled.seen(sampling), least
    )
