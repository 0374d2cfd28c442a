r"""Uncertainty of functions when every gene has noise of its own that varies with cell state.

The fit weighs all cells alike, with the noise :math:`\sigma` of the model. If the noise of gene
:math:`g` really is :math:`s_g^2(x)`, the error of its weights has the covariance

.. math:: M_g = B^{-2} + B^{-1} \Phi^\top \operatorname{diag}(s_g^2) \Phi B^{-1} / \sigma^4:

what the prior smooths away, and the noise that the cells had (the sandwich of a misspecified
likelihood: White 1982, *Econometrica* 50, 1; in a posterior: Müller 2013, *Econometrica* 81, 1805).
At :math:`s_g = \sigma` this is :math:`B^{-1}`, the posterior covariance.

The noise counts as constant within each of a few bins of cell states of equal size, so that no
gene needs a pass of its own over the cells:
:math:`M_g = B^{-2} + \sum_b s_{gb}^2 A_b` with :math:`A_b = B^{-1} G_b B^{-1} / \sigma^4` and the
sum :math:`G_b` of :math:`\phi^\top\phi` over the cells of the bin.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.special import gammaincc

from kompot import threads
from kompot.gp.linalg import row_slices
from kompot.gp.observation_noise import NoiseVariance
from kompot.gp.regression import Posterior
from kompot.memory.expression_sizes import CELLS_PER_BIN, MOST_BINS, NOISE_ELEMENTS

__all__ = ["ErrorCovariance", "distances_with_own_noise", "state_bins", "tail_with_own_noise"]

Array = NDArray[np.float64]

_PART_ELEMENTS = 2 * NOISE_ELEMENTS
"""Numbers of all bins' parts of a condition at most (64 MB)."""
_BATCH_ELEMENTS = 2**23
"""Numbers of the covariances of a batch of genes in memory at a time (64 MB)."""


@dataclass(frozen=True)
class ErrorCovariance:
    r"""Covariance :math:`M_g` of the error of a condition's weights, for all genes.

    Attributes
    ----------
    prior
        :math:`B^{-2}`, ``(rank, rank)``.
    parts
        :math:`A_b`, ``(n_bins, rank, rank)``.
    noise
        :math:`s_{gb}^2`, ``(n_genes, n_bins)``.
    cells
        Share of the cells in each bin, ``(n_bins,)``.
    """

    prior: Array
    parts: Array
    noise: Array
    cells: Array

    @classmethod
    def of(
        cls, posterior: Posterior, noise: NoiseVariance, grams: Array, totals: Array, sizes: Array
    ) -> "ErrorCovariance":
        r"""From the fit and sums over the cells of each bin.

        Parameters
        ----------
        posterior
            The fit.
        noise
            :math:`s_g^2` as a function of state; its mean over the cells of a bin counts there.
        grams
            :math:`\sum\phi^\top\phi`, ``(n_bins, rank, rank)``.
        totals
            :math:`\sum\phi`, ``(n_bins, rank)``.
        sizes
            Number of cells, ``(n_bins,)``.
        """
        inside = sizes > 0
        inverse = posterior.covariance
        parts = inverse @ grams[inside] @ inverse / posterior.sigma**4
        variance = noise(totals[inside] / sizes[inside][:, None])
        return cls(inverse @ inverse, parts, variance.T.copy(), sizes[inside] / sizes.sum())

    def genes(self, chosen: slice) -> "ErrorCovariance":
        """The covariance of some genes only."""
        return ErrorCovariance(self.prior, self.parts, self.noise[chosen], self.cells)

    def matrices(self, chosen: slice) -> Array:
        r""":math:`M_g` of some genes, ``(n_chosen, rank, rank)``."""
        flat = self.noise[chosen] @ self.parts.reshape(len(self.parts), -1)
        return flat.reshape(-1, *self.prior.shape) + self.prior

    def variance(self, phi: Array) -> Array:
        r"""Variance :math:`\phi M_g \phi^\top` at features, ``(n_cells, n_genes)``.

        What features do not explain, :math:`1 - |\phi|^2`, is to be added.
        """
        per_bin = np.stack([np.einsum("ij,ij->i", phi @ part, phi) for part in self.parts], axis=1)
        shared = np.einsum("ij,ij->i", phi @ self.prior, phi)
        return np.maximum(per_bin, 0.0) @ self.noise.T + np.maximum(shared, 0.0)[:, None]


def state_bins(states: Array, rank: int) -> NDArray[np.intp]:
    """Number of each cell's bin, ``(n_cells,)``: halves of halves along their widest direction.

    Up to 64 bins of equal size, with at least 16 cells each; fewer at a large rank. With 16 bins
    of 600 cells, tail probabilities of genes whose noise grew sevenfold over the cells were below
    0.05 in 13 % of genes that did not differ, with 32 in 8 %.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    rank
        Of the features.
    """
    bins = np.zeros(len(states), dtype=np.intp)
    n_bins, most = 1, min(MOST_BINS, _PART_ELEMENTS // rank**2)
    while 2 * n_bins <= most and len(states) >= 2 * n_bins * CELLS_PER_BIN:
        for number in range(n_bins):
            cells = np.flatnonzero(bins == number)
            dim = int(np.argmax(np.ptp(states[cells], axis=0)))
            order = np.argsort(states[cells, dim], kind="stable")
            bins[cells[order[len(order) // 2 :]]] += n_bins
        n_bins *= 2
    return bins


def distances_with_own_noise(
    delta: Array,
    covariances: tuple[ErrorCovariance, ErrorCovariance],
    jitter: Array,
    deviations: Sequence[Array],
) -> Array:
    r"""Length of each gene's fold change in units of its own uncertainty.

    .. math:: D_g^2 = \delta_g^\top (M_{1g} + M_{2g} + J + W_g W_g^\top)^{-1} \delta_g

    Parameters
    ----------
    delta
        Difference of weights, ``(rank, n_genes)``.
    covariances
        Of the conditions.
    jitter
        :math:`J`, ``(rank, rank)``.
    deviations
        How samples differ (:mod:`kompot.stats.sample_variance`), arrays ``(rank, n_genes)``; none
        without samples.

    Returns
    -------
    Distances, ``(n_genes,)``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If a covariance is not positive definite.
    """
    rank, n_genes = delta.shape
    first, second = covariances

    def distances(genes: slice) -> Array:
        matrices = first.matrices(genes)
        matrices += second.matrices(genes)
        matrices += jitter
        for deviation in deviations:
            columns = deviation[:, genes].T
            matrices += columns[:, :, None] * columns[:, None, :]
        found = np.empty(len(matrices))
        for place, (matrix, column) in enumerate(zip(matrices, delta[:, genes].T, strict=True)):
            factor = cholesky(matrix, lower=True, overwrite_a=True, check_finite=False)
            white = solve_triangular(factor, column, lower=True, check_finite=False)
            found[place] = np.sqrt(white @ white)
        return found

    size = max(1, _BATCH_ELEMENTS // (2 * rank**2))
    parts = threads.map_batches(distances, row_slices(n_genes, size))
    return np.concatenate([np.empty(0), *parts])


def tail_with_own_noise(
    distance: Array, covariances: tuple[ErrorCovariance, ErrorCovariance], jitter: Array
) -> Array:
    r"""Probability of a larger distance if both conditions followed the same function.

    :math:`D_g^2` is then a sum of chi-squares with the weights
    :math:`w_i = s^2\mu_i / (1 + s^2\mu_i)`, where :math:`\mu` are the eigenvalues of the noise part
    against the rest, with the gene's mean noise :math:`s^2` in place of that of every bin; it is
    judged by the chi-square of the same mean and variance.

    Parameters
    ----------
    distance
        ``(n_genes,)``.
    covariances
        Of the conditions.
    jitter
        As for :func:`distances_with_own_noise`.
    """
    sampling = np.sum([one.parts.sum(axis=0) for one in covariances], axis=0)
    rest = covariances[0].prior + covariances[1].prior + jitter
    spectrum = np.maximum(eigh(sampling, rest, eigvals_only=True), 0.0)
    noise = np.mean([one.noise @ one.cells for one in covariances], axis=0)
    ratio = noise[:, None] * spectrum
    weights = ratio / (1.0 + ratio)
    mean, squares = weights.sum(axis=1), np.square(weights).sum(axis=1)
    tail = np.ones(len(distance))
    known = mean > 0
    freedom = mean[known] ** 2 / squares[known]
    scaled = distance[known] ** 2 * mean[known] / squares[known]
    tail[known] = gammaincc(freedom / 2.0, scaled / 2.0)
    return tail
