r"""Whether expression follows where an embedding puts the cells of a sample.

An embedding that is not integrated moves cells although they express the same. The state effect
then predicts differences between conditions that no gene shows.
"""

import numpy as np
from numpy.typing import NDArray

from kompot.stats.ancova import AdjustedMeans
from kompot.stats.commonest import FEWEST_GENES
from kompot.stats.design import Design

__all__ = ["state_agreement"]

Array = NDArray[np.float64]

_FEWEST_CELLS = 50
"""That express a gene: of others little is predicted."""
_SMALLEST = 1e-12


def state_agreement(
    means: AdjustedMeans,
    region: int,
    design: Design,
    taking_part: NDArray[np.bool_] | None = None,
) -> tuple[float, float]:
    r"""How much of the difference that states predict is there, and its standard error.

    The slope through genes of the difference of raw means on what adjusting takes out of it,

    .. math::
        b = \frac{\sum_g w_g\,p_g\,d_g}{\sum_g w_g\,p_g^2}, \quad
        d_g = \sum_s a_s \bar y_{sg}, \quad p_g = \sum_s a_s (\bar y_{sg} - z_{sg}), \quad
        \operatorname{var}(b) = \frac{\sum_g w_g^2 p_g^2 (d_g - b\,p_g)^2}
                                     {\big(\sum_g w_g p_g^2\big)^2}

    (White 1980, *Econometrica* 48, 817), both less their medians, with :math:`a` the weights of the
    contrast and :math:`1/w_g` the residual variance between samples, half of it that of the median
    gene. It is 1 if samples hold other states, and 0 if only the embedding says so. Genes that
    change add noise, since they do not know of states.

    Donors can differ in many genes together. Since :math:`b - 1 = \sum_s a_s t_s` with
    :math:`t_s = \sum_g w_g p_g z_{sg} / \sum_g w_g p_g^2`, the variance of these between samples
    gives an error that minds it; the larger of the two is returned.

    Parameters
    ----------
    means
        Means of a level.
    region
        Its region.
    design
        Whose contrast is asked.
    taking_part
        Samples with enough cells there, ``(n_samples,)``; None for all.

    Returns
    -------
    NaN both if fewer than 150 genes can be looked at, or states predict nothing.
    """
    genes = means.expressing[region] >= _FEWEST_CELLS
    samples = np.ones(len(means.raw), dtype=bool) if taking_part is None else taking_part
    contrast = design.contrast_of(samples)
    if contrast is None or genes.sum() < FEWEST_GENES:
        return np.nan, np.nan
    raw = means.raw[samples, region][:, genes]
    adjusted = means.adjusted[samples, region][:, genes]
    variance = contrast.residual_variance(adjusted)
    weight = 1.0 / np.maximum(0.5 * (variance + np.median(variance)), _SMALLEST)
    found = contrast.effect(raw)
    predicted = found - contrast.effect(adjusted)
    found, predicted = found - np.median(found), predicted - np.median(predicted)
    information = float(weight @ np.square(predicted))
    if information <= _SMALLEST:
        return np.nan, np.nan
    slope = float(weight @ (predicted * found)) / information
    left = weight * predicted * (found - slope * predicted)
    of_genes = float(np.sqrt(np.square(left).sum())) / information
    along = (adjusted @ (weight * predicted) / information)[:, None]
    of_samples = np.sqrt(contrast.unit_variance * contrast.residual_variance(along)).item()
    return slope, max(of_genes, of_samples)
