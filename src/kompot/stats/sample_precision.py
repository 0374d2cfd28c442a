r"""Which samples say more than others, and what an effect among them is worth.

The value :math:`z_s` of a sample has variance :math:`\sigma^2 + v\,C_{ss}`, up to what is common to
all samples: that between donors, and that of sampling cells, about :math:`v / n_s`. A sample with
few cells counts less. The weights are the same for all genes of a region, but the error of each is
that of its own :math:`\sigma^2` and :math:`v`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from kompot.stats.design import Contrast

__all__ = ["WeightedSamples", "weigh_samples"]

Array = NDArray[np.float64]

_OUTLYING = 0.95
"""Ratios above this quantile count as that quantile."""


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
        :math:`u (N_e - \kappa N_r)`: variance of the effect from sampling cells beyond what the
        residual variance brings with it, for :math:`v = 1`; may be negative.
    least
        :math:`u N_e`: all of it.
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
        \tau = \max\Big(\frac1{Gc} \sum_g \min\Big(\frac{s_g^2}{v_g}, q\Big)
        - \frac{\mathrm{tr}(Q^\top C Q)}{df},\ 0\Big),

    with :math:`s_g^2` the residual variance of unweighted samples, :math:`q` the 95 % quantile of
    these ratios, so that few genes that donors tell apart do not decide, and :math:`c` the mean of
    :math:`\chi^2_{df} / df` cut in the same way: :math:`\tau` is the variance between donors in
    units of that between cells, of a typical gene. Least squares of the scaled
    values :math:`g_s z_s` leave a residual variance :math:`s'^2` of mean
    :math:`\sigma^2 D_r + v N_r`, and their effect has variance
    :math:`u(\sigma^2 D_e + v N_e)`: :math:`D = \mathrm{diag}(g^2)` and :math:`N_{st} = g_s C_{st}
    g_t` are the two kinds of noise, :math:`r` in the residuals
    (:meth:`kompot.stats.design.Contrast.residual_noise`) and :math:`e` in the effect, in units of
    :math:`u`. Hence

    .. math:: u\,(\kappa s'^2 + v\,(N_e - \kappa N_r)), \quad \kappa = D_e / D_r,

    has the variance of the effect as its mean for every gene, whatever its own :math:`\sigma^2`
    is. But :math:`\kappa` is at least 1. Where donors weigh less on the effect than on the
    residuals (few small samples against many large ones), counting on it made too many p-values of
    simulated counts small: 1.5 times as many below 0.01.

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
    typical = np.minimum(ratio, np.quantile(ratio, _OUTLYING)).mean()
    typical /= _mean_of_cut_chi_square(contrast.degrees_of_freedom)
    precision = 1.0 / (max(typical - contrast.residual_noise(noise), 0.0) + 1.0 / n_cells)
    scale = np.sqrt(precision / precision.mean())

    scaled = contrast.of_scaled(scale)
    between, sampling = np.diag(scale**2), scale[:, None] * noise * scale
    kappa = scaled.noise(between) / scaled.unit_variance / scaled.residual_noise(between)
    unit, least = scaled.unit_variance * max(kappa, 1.0), scaled.noise(sampling)
    excess = least - unit * scaled.residual_noise(sampling)
    return WeightedSamples(scale[:, None] * values, scaled, unit, excess, least)


def _mean_of_cut_chi_square(degrees_of_freedom: int) -> float:
    r"""Mean of :math:`\min(\chi^2_d / d,\ q)` with its own quantile :math:`q`."""
    half = degrees_of_freedom / 2.0
    quantile = gammaincinv(half, _OUTLYING)
    return float(gammainc(half + 1.0, quantile) + (1.0 - _OUTLYING) * quantile / half)
