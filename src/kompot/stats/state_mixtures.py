r"""What samples would express if nothing but their mixture of cell states mattered.

Where the states of two conditions are apart in the embedding, states cannot tell which cells of one
are like which of the other. Expression can: the mean of all genes in a sample is a mixture of what
clusters of cells express, and a few shares explain thousands of genes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.stats.ancova import AdjustedMeans
from kompot.stats.commonest import FEWEST_GENES
from kompot.stats.design import Contrast
from kompot.stats.region_sums import RegionSums

__all__ = ["MixtureMeans", "fit_mixtures", "mixture_means"]

Array = NDArray[np.float64]

_FEWEST_CELLS = 10
"""Of a condition in a cluster, to know what is expressed there."""
_SPREAD = 0.3
"""Between samples, relative to a gene's mean: genes of many counts do not decide alone."""
_RIDGE = 1e-6
_SMALLEST_WEIGHT = 1e-9


@dataclass(frozen=True)
class MixtureMeans:
    """What mixtures of cell states express.

    Attributes
    ----------
    means
        ``(n_samples, n_genes)``.
    noise
        Covariance of the samples' means from sampling the cells that the mixtures are made of, for
        a variance between cells of 1, ``(n_samples, n_samples)``.
    shared
        How alike the two sides' mixtures are, 0 to 1: the sum over clusters of the smaller of their
        mean shares, mean of what the clusters of either side say.
    """

    means: Array
    noise: Array
    shared: float


def mixture_means(
    means: AdjustedMeans,
    region: int,
    taking_part: NDArray[np.bool_],
    contrast: Contrast,
    genes: NDArray[np.intp],
    *,
    clusters: RegionSums,
) -> MixtureMeans | None:
    r"""What each sample's mixture would express, by the states of either side alike.

    A difference of means is one of mixtures and one of expression; which of the two sides says what
    a state expresses is arbitrary, and both count half (Kitagawa 1955, *J. Am. Stat. Assoc.* 50,
    1168). With :math:`e^{(c)}` of :func:`fit_mixtures` and :math:`h` the logarithm of counts, or
    nothing if other values are compared, they are :math:`\tfrac12\sum_c h(e^{(c)})`.

    Parameters
    ----------
    means
        Means of the region's level.
    region
        Its number in the level.
    taking_part
        Samples that are compared, ``(n_all_samples,)``.
    contrast
        Of these samples: one side has positive, the other negative weights.
    genes
        Which genes.
    clusters
        Sums of all samples in clusters of cell states.

    Returns
    -------
    Of the samples that take part. None with fewer than 150 genes, which may have been chosen
    because they change and would pass for a mixture, or if a side has 10 cells in no cluster.
    """
    if len(genes) < FEWEST_GENES:
        return None
    weight = means.weight[taking_part, region]
    observed = means.sums.values[taking_part, region][:, genes] / weight[:, None]
    scatter = means.sums.squares[region, genes] / means.weight[:, region].sum()
    scatter = np.maximum(scatter - np.square(means.mean[region, genes]), 0.0)
    error = np.sqrt(scatter / np.median(weight) + _SPREAD**2 * np.square(observed).mean(axis=0))
    total, noise = np.zeros_like(observed), np.zeros((len(weight), len(weight)))
    shared = 0.0
    for side in (-contrast.weights, contrast.weights):
        chosen = np.zeros(len(taking_part))
        chosen[taking_part] = side > _SMALLEST_WEIGHT * np.abs(side).max()
        known = chosen @ clusters.n_cells >= _FEWEST_CELLS
        if not known.any():
            return None
        sizes = (chosen @ clusters.weight)[known]
        profiles = np.tensordot(chosen, clusters.values, 1)[known][:, genes] / sizes[:, None]
        shares = fit_mixtures(observed, profiles, error)
        fitted = shares @ profiles
        if means.logarithm is not None:
            fitted = means.logarithm.of_region(fitted, region, taking_part)
        total += 0.5 * fitted
        noise += 0.25 * (shares / sizes) @ shares.T
        shared += 0.5 * _shared(shares, contrast.weights)
    return MixtureMeans(total, noise, shared)


def _shared(shares: Array, weights: Array) -> float:
    """Sum over clusters of the smaller of both sides' mean shares."""
    relative = shares / np.maximum(shares.sum(axis=1, keepdims=True), _SMALLEST_WEIGHT)
    one, other = (relative[sign * weights > 0].mean(axis=0) for sign in (-1.0, 1.0))
    return float(np.minimum(one, other).sum())


def fit_mixtures(observed: Array, profiles: Array, error: Array) -> Array:
    r"""Shares of clusters in samples, by what samples and clusters express.

    .. math::
        f_s = \arg\min_{f \ge 0} \sum_g
          \frac{\big(\bar y_{sg} - \sum_k f_k M_{kg}\big)^2}{\epsilon_g^2}, \quad
        e_{sg} = \sum_k f_{sk} M_{kg}.

    A mean of cells *is* such a mixture if nothing but shares differs, and genes that change hardly
    move shares that thousands of genes decide (deconvolution by non-negative least squares; Abbas
    et al. 2009, *PLoS ONE* 4, e6098). Shares need not add up to 1: they take up the factor of a
    sample. A trace of a ridge makes them unique where clusters express the same.

    Parameters
    ----------
    observed
        Means of samples, ``(n_samples, n_genes)``.
    profiles
        Means of clusters :math:`M`, ``(n_clusters, n_genes)``.
    error
        :math:`\epsilon`, ``(n_genes,)``; a gene with 0 does not count.

    Returns
    -------
    ``(n_samples, n_clusters)``.
    """
    from scipy.optimize import nnls  # type: ignore[attr-defined]  # where states are apart only

    scale = np.divide(1.0, error, out=np.zeros_like(error), where=error > 0)
    scaled = (profiles * scale).T
    n_clusters = len(profiles)
    ridge = np.sqrt(_RIDGE / n_clusters) * np.linalg.norm(scaled)
    q, r = np.linalg.qr(np.vstack([scaled, ridge * np.eye(n_clusters)]))
    targets = (observed * scale) @ q[: len(scaled)]
    return np.array([nnls(r, target)[0] for target in targets])
