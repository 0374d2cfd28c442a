r"""How much a function of cell state varies between samples, and distances that allow for it.

Each sample's own fit :math:`v_s` is in the features of all cells, so the covariance of a gene's
function between :math:`S` samples,

.. math:: \frac{1}{S-1} \sum_s (v_s - \bar v)(v_s - \bar v)^\top = W W^\top,

has rank :math:`S - 1`: :math:`W` (``rank x (S-1)`` per gene) are orthonormal contrasts of the
fits over :math:`\sqrt{S-1}`. No matrix of landmarks by landmarks is formed for any gene.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert, solve_triangular

from kompot import threads
from kompot.gp.linalg import explained_cholesky, product, row_slices
from kompot.memory.expression_sizes import SAMPLE_BATCH

__all__ = [
    "deviation_variance",
    "group_distance_with_samples",
    "mahalanobis_with_samples",
    "sample_deviations",
]

Array = NDArray[np.float64]


def sample_deviations(weights: Sequence[Array]) -> list[Array]:
    r"""How samples differ from each other: :math:`W`, one array per contrast.

    Parameters
    ----------
    weights
        Each sample's :math:`v_s`, ``(rank, n_genes)``, at least 2. They are overwritten.

    Returns
    -------
    :math:`S - 1` arrays ``(rank, n_genes)``, natural log.
    """
    n_samples = len(weights)
    contrasts = helmert(n_samples) / np.sqrt(n_samples - 1)
    rank, n_genes = weights[0].shape
    for genes in row_slices(n_genes, max(1, SAMPLE_BATCH // (rank * n_samples))):
        stacked = np.stack([one[:, genes] for one in weights])
        deviations = np.tensordot(contrasts, stacked, axes=1)
        for one, deviation in zip(weights, deviations, strict=False):
            one[:, genes] = deviation
    return list(weights[:-1])


def deviation_variance(phi: Array, deviations: Sequence[Array]) -> Array:
    r"""Variance between samples of each gene's function at each cell, ``(n_cells, n_genes)``.

    :math:`\|\phi W\|^2`.

    Parameters
    ----------
    phi
        Features, ``(n_cells, rank)``.
    deviations
        :math:`W`, arrays ``(rank, n_genes)``; at least one.
    """
    total = np.square(product(phi, deviations[0]))
    for deviation in deviations[1:]:
        total += np.square(product(phi, deviation))
    return total


def mahalanobis_with_samples(delta: Array, covariance: Array, deviations: Sequence[Array]) -> Array:
    r"""Length of each gene's fold change in units of its uncertainty and its samples' scatter.

    .. math:: D_g^2 = \delta_g^\top (M + W_g W_g^\top)^{-1} \delta_g

    In the coordinates in which :math:`M` is the identity, by Woodbury's identity,
    :math:`b = (I + W^\top W)^{-1} W^\top\delta` and
    :math:`D^2 = \|\delta - W b\|^2 + \|b\|^2`, a sum without cancellation. One factorisation of
    :math:`M` serves all genes; each has an equation of the size of its samples.

    Parameters
    ----------
    delta
        Difference of weights, ``(rank, n_genes)``, natural log.
    covariance
        :math:`M`, ``(rank, rank)``.
    deviations
        :math:`W` of all conditions, arrays ``(rank, n_genes)``.

    Returns
    -------
    Distances, ``(n_genes,)``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If :math:`M` is not positive definite.
    """
    factor = explained_cholesky(covariance, "use a larger `eps` or fewer landmarks.")

    def white(columns: Array) -> Array:
        solved: Array = solve_triangular(
            factor, columns, lower=True, overwrite_b=True, check_finite=False
        )
        return solved

    batches = _gene_batches(delta, deviations)
    found = threads.map_batches(partial(_distances, delta, deviations, white), batches)
    return np.concatenate([np.empty(0), *found])


def group_distance_with_samples(
    delta: Array, deviations: Sequence[Array], directions: Array
) -> Array:
    r"""Length of each gene's fold change in a group's directions, allowing for samples.

    .. math:: D_g^2 = d_g^\top (I + Q_g Q_g^\top)^{-1} d_g, \quad
        d = V^\top L^{-1}\delta, \quad Q = V^\top L^{-1} W,

    with the directions :math:`V` of :func:`kompot.stats.group_distance.group_directions`: in all
    directions that is :func:`mahalanobis_with_samples`.

    Parameters
    ----------
    delta
        Difference of weights, ``(rank, n_genes)``, natural log.
    deviations
        :math:`W` of all conditions, arrays ``(rank, n_genes)``.
    directions
        :math:`L^{-\top} V`, ``(rank, n_directions)``.

    Returns
    -------
    Distances, ``(n_genes,)``.
    """
    found = (
        _distances(delta, deviations, lambda columns: directions.T @ columns, genes)
        for genes in _gene_batches(delta, deviations)
    )
    return np.concatenate([np.empty(0), *found])


def _gene_batches(delta: Array, deviations: Sequence[Array]) -> Iterator[slice]:
    """Genes whose functions and those of their samples are copied at a time."""
    rank, n_genes = delta.shape
    return row_slices(n_genes, max(1, SAMPLE_BATCH // (rank * (1 + len(deviations)))))


def _distances(
    delta: Array, deviations: Sequence[Array], white: Callable[[Array], Array], genes: slice
) -> Array:
    """Distances of some genes in the coordinates that `white` makes of columns."""
    stacked = np.stack([one[:, genes].T for one in (delta, *deviations)])  # (1 + n, genes, rank)
    flat = white(stacked.reshape(-1, len(delta)).T)
    found = flat.T.reshape(*stacked.shape[:2], -1).transpose(1, 0, 2)
    return _ridge_distance(found[:, 0], found[:, 1:])


def _ridge_distance(delta: Array, deviations: Array) -> Array:
    r"""Least :math:`\|\delta - W b\|^2 + \|b\|^2` over b, as a length.

    Parameters
    ----------
    delta
        ``(n_genes, rank)``.
    deviations
        ``(n_genes, n_deviations, rank)``.
    """
    gram = deviations @ deviations.transpose(0, 2, 1)
    diagonal = np.arange(gram.shape[1])
    gram[:, diagonal, diagonal] += 1.0
    share = np.linalg.solve(gram, deviations @ delta[:, :, None])
    left = delta - np.einsum("gjr,gj->gr", deviations, share[:, :, 0])
    squares: Array = np.square(left).sum(axis=1) + np.square(share[:, :, 0]).sum(axis=1)
    return np.sqrt(squares)
