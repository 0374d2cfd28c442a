r"""How large a fold-change function is over a group of cells.

Whitened by the covariance of the whole fold change, :math:`M = L L^\top`, the weights of a gene are
:math:`d = L^{-1}\delta` and its distance is :math:`\|d\|`. Whitening over a group's cells instead
gives the very same number, however few the cells: values that are almost zero there are divided by
uncertainties that are almost zero. What belongs to a group are the directions in which the fold
change at its cells is uncertain at all; the distance of a group is the length of :math:`d` in them.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh

from kompot.gp.linalg import leading_directions

__all__ = ["group_directions", "group_distance", "group_null_spectrum"]

Array = NDArray[np.float64]


def group_directions(gram: Array, factor: Array, share: float) -> Array:
    r"""Directions in which the fold change over a group's cells is most uncertain.

    With features :math:`\Phi` of the cells and :math:`G = \Phi^\top\Phi`, the fold change at the
    cells has posterior covariance :math:`\Phi M \Phi^\top`. Its positive eigenvalues are those of
    :math:`L^\top G L = V \operatorname{diag}(a) V^\top`, and its standardised principal components
    are :math:`V^\top d`. The leading ones are kept, as few as have the wanted share of
    :math:`\sum_j a_j`, the variance at the cells.

    Parameters
    ----------
    gram
        :math:`G`, ``(rank, rank)``; any multiple of it gives the same.
    factor
        Lower Cholesky factor :math:`L` of :math:`M`, ``(rank, rank)``.
    share
        In (0, 1]. At 1 all directions are kept, those that the group does not have included.

    Returns
    -------
    Orthonormal columns, ``(rank, n_directions)``, largest variance first.
    """
    return leading_directions(factor.T @ gram @ factor, share)[1]


def group_distance(delta: Array, directions: Array) -> Array:
    r"""Length of each gene's whitened fold change in a group's directions, ``(n_genes,)``.

    :math:`D = \|V^\top L^{-1}\delta\| \le \|L^{-1}\delta\|`, the distance over all cells.

    Parameters
    ----------
    delta
        Difference of weights, ``(rank, n_genes)``, natural log.
    directions
        :math:`L^{-\top} V` with the :math:`V` of :func:`group_directions`,
        ``(rank, n_directions)``.
    """
    distances: Array = np.linalg.norm(directions.T @ delta, axis=0)
    return distances


def group_null_spectrum(whitened_sampling: Array, directions: Array) -> Array:
    r"""Weights of the chi-squares that a group's :math:`D^2` is made of under equal functions.

    The eigenvalues of :math:`V^\top L^{-1} C L^{-\top} V` with the sampling covariance :math:`C` of
    :math:`\delta`; see :func:`kompot.stats.mahalanobis.null_spectrum`.

    Parameters
    ----------
    whitened_sampling
        :math:`L^{-1} C L^{-\top}`, ``(rank, rank)``.
    directions
        Of :func:`group_directions`, ``(rank, n_directions)``.

    Returns
    -------
    Weights between 0 and 1, ``(n_directions,)``, largest first.
    """
    weights: Array = eigvalsh(directions.T @ whitened_sampling @ directions)[::-1]
    return np.clip(weights, 0.0, 1.0)
