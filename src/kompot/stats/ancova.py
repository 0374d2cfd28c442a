r"""Means of samples in regions, freed of where in a region each sample's cells lie.

Expression changes with cell state, so samples whose cells lie elsewhere have other means without
any effect. Analysis of covariance (Fisher 1932) with a Gaussian process as the covariate: the state
effect is learned only from differences *between cells of one sample in one region*, so that it
cannot take up differences between samples, and is then taken out of their means.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.linalg import row_slices
from kompot.stats.compressed_counts import LogCounts
from kompot.stats.region_sums import RegionSums

__all__ = ["RIDGES", "AdjustedMeans", "adjusted_means"]

Array = NDArray[np.float64]

RIDGES = 10.0 ** np.arange(0.0, -6.1, -0.5)
"""Ratios of noise to prior variance among which cross-validation chooses."""
_SMALLEST_SQUARES = 1e-12
_SMALLEST_VARIANCE = 1e-8
_GENES = 4096
"""Genes at a time."""


@dataclass(frozen=True)
class AdjustedMeans:
    r"""What samples express in the regions of one level.

    Attributes
    ----------
    sums
        The sums that they were made from.
    phi
        Mean features :math:`\bar\phi_{sk}`, ``(n_samples, n_regions, rank)``.
    raw
        Means :math:`\bar y_{skg}`, ``(n_samples, n_regions, n_genes)``; of counts, logarithms of
        these (:mod:`kompot.stats.log_means`), and `adjusted` alike, but not `mean`.
    adjusted
        :math:`z_{skg} = \bar y_{skg} - (\bar\phi_{sk} - m_k)^\top V_g`, the same shape.
    mean
        Mean of all cells, ``(n_regions, n_genes)``.
    within
        Variance between cells of a sample, pooled over samples, ``(n_regions, n_genes)``.
    residual
        The same about the state effect, ``(n_regions, n_genes)``: each region's share of
        :math:`\mathrm{RSS}_g(\lambda) / (N - e(\lambda))`.
    ridge
        :math:`\lambda`, chosen by generalised cross-validation.
    freedom
        Effective degrees of freedom of the state effect at that ridge.
    inverse_root
        :math:`R` with :math:`R^\top R = (A + \lambda I)^{-1}`, ``(rank, rank)``.
    logarithm
        What turned them into logarithms of mean counts (:mod:`kompot.stats.log_means`); None if
        they are not.
    """

    sums: RegionSums
    phi: Array
    raw: Array
    adjusted: Array
    mean: Array
    within: Array
    residual: Array
    ridge: float
    freedom: float
    inverse_root: Array
    logarithm: LogCounts | None = None

    @property
    def n_cells(self) -> Array:
        """Numbers of cells, ``(n_samples, n_regions)``."""
        return self.sums.n_cells

    @property
    def weight(self) -> Array:
        r"""Sums of their weights :math:`W_{sk}`, ``(n_samples, n_regions)``.

        A mean has the variance of the values of cells, divided by this: of counts weighted by
        depth, exactly if they scatter as Poisson counts do; by :math:`1 + \mathrm{cv}^2` of the
        depths more if they scatter much more.
        """
        return self.sums.weight

    @property
    def expressing(self) -> Array:
        """Number of cells that express a gene, ``(n_regions, n_genes)``."""
        return self.sums.expressing

    @property
    def of_counts(self) -> bool:
        """Whether means are logarithms of mean counts."""
        return self.logarithm is not None

    def adjustment_covariance(self, phi: Array) -> Array:
        r"""Covariance :math:`\bar\Phi(A + \lambda I)^{-1}\bar\Phi^\top` of what adjusting adds.

        For a variance between cells of 1.

        Parameters
        ----------
        phi
            Mean features :math:`\bar\Phi`, or their differences, ``(..., rank)``.

        Returns
        -------
        ``(..., ...)``: of all pairs; a number for one direction.
        """
        white = phi @ self.inverse_root.T
        return np.asarray(white @ white.T)


def adjusted_means(
    gram: Array,
    cross: Array,
    squares: Array,
    sums: RegionSums,
    *,
    n_regions: int,
    ridge: float | None = None,
    undersmoothing: float = 1.0,
) -> AdjustedMeans:
    r"""Adjust the means of one level by a common state effect.

    .. math::
        A = \Phi^\top\Phi - \sum_{sk} W_{sk}\bar\phi_{sk}\bar\phi_{sk}^\top, \quad
        Q = \Phi^\top Y - \sum_{sk} W_{sk}\bar\phi_{sk}\bar y_{sk}^\top, \quad
        V = (A + \lambda I)^{-1} Q,

    with :math:`m_k` the mean feature of all cells of a region and :math:`W_{sk}` the number of a
    sample's cells there. If cells have weights, all means are weighted, the rows of
    :math:`\Phi` and :math:`Y` are those times :math:`\sqrt{w_i}`, and :math:`W_{sk}` is the sum of
    weights.

    Parameters
    ----------
    gram, cross, squares
        :math:`\Phi^\top\Phi` ``(rank, rank)``, :math:`\Phi^\top Y` ``(rank, n_genes)`` and
        :math:`\sum y^2` ``(n_genes,)`` of all cells.
    sums
        Sums in the regions of the level; every cell is in one of them.
    n_regions
        How many of these, from the first, are wanted in the result.
    ridge
        :math:`\lambda`; None chooses it among :data:`RIDGES` by generalised cross-validation.
    undersmoothing
        What a ridge that was chosen is divided by. The best prediction of the state effect leaves
        as much bias as noise. Noise is part of an effect's error; bias is common to all samples of
        a condition whose cells lie elsewhere, and no error allows for it (Rice 1986, *Statistics &
        Probability Letters* 4, 203).
    """
    n_cells, weight = sums.n_cells, sums.weight
    divisor = np.where(weight > 0, weight, 1.0)[:, :, None]
    phi, raw = sums.phi / divisor, sums.values / divisor
    rank, n_genes = len(gram), raw.shape[2]
    scaled = (sums.phi / np.sqrt(divisor)).reshape(-1, rank)
    within_gram = gram - scaled.T @ scaled
    values, vectors = np.linalg.eigh((within_gram + within_gram.T) / 2.0)
    values = np.maximum(values, 0.0)

    turned = np.empty((rank, n_genes))
    unexplained = squares - np.einsum("skg,skg->g", sums.values, raw)
    flat_phi, flat_raw = sums.phi.reshape(-1, rank), raw.reshape(-1, n_genes)
    for genes in row_slices(n_genes, _GENES):
        turned[:, genes] = vectors.T @ (cross[:, genes] - flat_phi.T @ flat_raw[:, genes])
    n_free = int(n_cells.sum() - (n_cells > 0).sum())
    if ridge is None:
        ridge = _cross_validated_ridge(values, turned, unexplained, n_free) / undersmoothing

    wanted = slice(0, n_regions)
    total = weight.sum(axis=0)[:, None]
    total = np.where(total > 0, total, 1.0)
    offset = phi - (sums.phi.sum(axis=0) / total)[None]
    slopes = (offset[:, wanted].reshape(-1, rank) @ vectors) / (values + ridge)
    shift = (slopes @ turned).reshape(len(raw), n_regions, n_genes)
    scatter = sums.squares - np.einsum("skg,skg->kg", sums.values, raw)
    free = np.maximum((n_cells - (n_cells > 0)).sum(axis=0), 1.0)[:, None]
    within = np.maximum(scatter / free, _SMALLEST_VARIANCE)[wanted]
    freedom = float((values / (values + ridge)).sum())
    explained = _explained_squares(values, turned, np.array([ridge]))[0]
    left = 1.0 - explained / np.maximum(unexplained, _SMALLEST_SQUARES)
    left *= n_free / max(n_free - freedom, 1.0)
    return AdjustedMeans(
        sums.within(wanted),
        phi[:, wanted],
        raw[:, wanted],
        raw[:, wanted] - shift,
        (sums.values.sum(axis=0) / total)[wanted],
        within,
        np.maximum(within * np.clip(left, 0.0, 1.0), _SMALLEST_VARIANCE),
        ridge,
        freedom,
        vectors.T / np.sqrt(values + ridge)[:, None],
    )


def _explained_squares(values: Array, turned: Array, ridges: Array) -> Array:
    r"""What the state effect explains of the squares at each ridge, ``(n_ridges, n_genes)``.

    :math:`\sum_j \tilde q_{jg}^2 (w_j + 2\lambda) / (w_j + \lambda)^2` in the eigenbasis of
    :func:`_cross_validated_ridge`.
    """
    gain = (values + 2.0 * ridges[:, None]) / (values + ridges[:, None]) ** 2
    explained = np.empty((len(ridges), turned.shape[1]))
    for genes in row_slices(turned.shape[1], _GENES):
        explained[:, genes] = gain @ np.square(turned[:, genes])
    return explained


def _cross_validated_ridge(values: Array, turned: Array, squares: Array, n_free: int) -> float:
    r"""The ridge that predicts best, one for all genes (Golub, Heath & Wahba 1979).

    In the eigenbasis :math:`A = U\,\mathrm{diag}(w)\,U^\top`, :math:`\tilde q = U^\top q`:

    .. math::
        \mathrm{RSS}_g(\lambda) = y_g^\top y_g
          - \sum_j \tilde q_{jg}^2 \frac{w_j + 2\lambda}{(w_j + \lambda)^2}, \quad
        e(\lambda) = \sum_j \frac{w_j}{w_j + \lambda},

    and the mean over genes of :math:`\log(\mathrm{RSS}_g / (N (1 - e/N)^2))` is least.

    Parameters
    ----------
    values
        Eigenvalues :math:`w`, ``(rank,)``.
    turned
        :math:`\tilde q`, ``(rank, n_genes)``.
    squares
        :math:`y_g^\top y_g` about the means, ``(n_genes,)``.
    n_free
        Cells less means, :math:`N`.
    """
    shrunk = values[None, :] + RIDGES[:, None]
    freedom = (values / shrunk).sum(axis=1)
    explained = _explained_squares(values, turned, RIDGES)
    possible = freedom < n_free
    if not possible.any():
        return float(RIDGES[0])
    left = np.maximum(squares - explained[possible], _SMALLEST_SQUARES)
    penalty = n_free * (1.0 - freedom[possible] / n_free) ** 2
    criterion = np.log(left).mean(axis=1) - np.log(penalty)
    return float(RIDGES[possible][np.argmin(criterion)])
