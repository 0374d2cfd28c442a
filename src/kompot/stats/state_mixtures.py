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
from kompot.stats.region_sums import RegionSums

__all__ = ["MixtureMeans", "fit_mixtures", "known_clusters", "mixture_means"]

Array = NDArray[np.float64]

_FEWEST_CELLS = 10
"""Of a side in a cluster, to know what is expressed there."""
_FEWEST_SAMPLES = 1.5
_LEAST_SAMPLES = 1.0 / 3.0
"""Of a side in a cluster, and as a share of all of it; samples of few cells count less. What only
one sample holds would explain this sample by itself."""
_MOST_UNKNOWN = 0.2
"""Share of a side's cells in clusters of which too little is known."""
_SPREAD = 0.3
"""Between samples, relative to a gene's mean: genes of many counts do not decide alone."""
_RIDGE = 1e-6
"""Relative to the mean square of a scaled profile."""
_SMALLEST = 1e-12


@dataclass(frozen=True)
class MixtureMeans:
    r"""What mixtures of cell states express.

    Attributes
    ----------
    means
        :math:`\tfrac12\sum_c h(e^{(c)})`, ``(n_samples, n_genes)``; see :func:`mixture_means`.
    noise
        Their covariance from sampling the cells that the mixtures are made of, for a variance
        between cells of 1: :math:`\tfrac14\sum_c F_c \operatorname{diag}(1/W_c) F_c^\top` with
        shares :math:`F_c` and sums :math:`W_c` of the weights of cells in the clusters,
        ``(n_samples, n_samples)``. These cells are also in the means that are compared; that is not
        allowed for.
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
    second: NDArray[np.bool_],
    genes: NDArray[np.intp],
    *,
    clusters: RegionSums,
) -> MixtureMeans | None:
    r"""What each sample's mixture would express, by the states of either side alike.

    A difference of means is one of mixtures and one of expression; which of the two sides says what
    a state expresses is arbitrary, and both count half (Kitagawa 1955, *J. Am. Stat. Assoc.* 50,
    1168):

    .. math::
        M^{(c)}_{kg} = \frac{\sum_{s \in c} W_{sk}\,\bar y_{skg}}{\sum_{s \in c} W_{sk}}, \quad
        e^{(c)}_{sg} = \sum_k f^{(c)}_{sk} M^{(c)}_{kg}, \quad
        \tfrac12\sum_c h\big(e^{(c)}_{sg}\big),

    with :math:`h` the logarithm of counts, or nothing if other values are compared, and shares
    :math:`f` by :func:`fit_mixtures`, where a gene has the error
    :math:`\epsilon_g^2 = v_g / \operatorname{median}_s W_s + 0.3^2\,\overline{\bar y_{sg}^2}`
    (:math:`v` the variance between cells of the region). A cluster is used if a side has ten cells
    there, of several samples.

    Parameters
    ----------
    means
        Means of the region's level.
    region
        Its number in the level.
    taking_part
        Samples that are compared, ``(n_all_samples,)``.
    second
        Samples of the second side, ``(n_all_samples,)``.
    genes
        Which genes.
    clusters
        Sums of all samples in clusters of cell states, whatever the region.

    Returns
    -------
    Of the samples that take part. None with fewer than 150 genes, which may have been chosen
    because they change and would pass for a mixture, or if too many cells of a side are in clusters
    that cannot be used.
    """
    if len(genes) < FEWEST_GENES:
        return None
    weight = means.weight[taking_part, region]
    observed = means.sums.values[taking_part, region][:, genes] / weight[:, None]
    scatter = means.sums.squares[region, genes] / means.weight[:, region].sum()
    scatter = np.maximum(scatter - np.square(means.mean[region, genes]), 0.0)
    error = np.sqrt(scatter / np.median(weight) + _SPREAD**2 * np.square(observed).mean(axis=0))
    total, noise, shared = np.zeros_like(observed), np.zeros((len(weight), len(weight))), 0.0
    for side in (taking_part & ~second, taking_part & second):
        known = known_clusters(clusters, side)
        if known is None:
            return None
        sizes = clusters.weight[side].sum(axis=0)[known]
        sums = np.tensordot(side.astype(np.float64), clusters.values, 1)
        profiles = sums[known][:, genes] / sizes[:, None]
        shares = fit_mixtures(observed, profiles, error)
        fitted = shares @ profiles
        if means.logarithm is not None:
            fitted = means.logarithm.of_region(fitted, region, taking_part)
        total += 0.5 * fitted
        noise += 0.25 * (shares / sizes) @ shares.T
        shared += 0.5 * _shared(shares, second[taking_part])
    return MixtureMeans(total, noise, shared)


def known_clusters(clusters: RegionSums, side: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Clusters that say what a side expresses; None if too many of its cells are in others.

    Samples count by their effective number, (sum of weights)^2 / sum of squares (Kish 1965).

    Parameters
    ----------
    clusters
        Sums of all samples in clusters.
    side
        Which samples.
    """
    n_cells, weight = clusters.n_cells[side].sum(axis=0), clusters.weight[side]
    squares = np.maximum(np.square(weight).sum(axis=0), _SMALLEST)
    n_samples = np.square(weight.sum(axis=0)) / squares
    fewest = max(_FEWEST_SAMPLES, _LEAST_SAMPLES * side.sum())
    known = (n_cells >= _FEWEST_CELLS) & (n_samples >= fewest)
    if n_cells[known].sum() < (1.0 - _MOST_UNKNOWN) * n_cells.sum() or not known.any():
        return None
    return np.asarray(known)


def _shared(shares: Array, second: NDArray[np.bool_]) -> float:
    """Sum over clusters of the smaller of both sides' mean shares."""
    relative = shares / np.maximum(shares.sum(axis=1, keepdims=True), _SMALLEST)
    one, other = (relative[side].mean(axis=0) for side in (~second, second))
    return float(np.minimum(one, other).sum())


def fit_mixtures(observed: Array, profiles: Array, error: Array) -> Array:
    r"""Shares of clusters in samples, by what samples and clusters express.

    .. math::
        f_s = \arg\min_{f \ge 0} \sum_g
          \frac{\big(\bar y_{sg} - \sum_k f_k M_{kg}\big)^2}{\epsilon_g^2}.

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
