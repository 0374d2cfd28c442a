"""Mahalanobis distances of vectors that are given with their covariance."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.linalg import row_slices
from kompot.progress import bar
from kompot.settings.checks import number
from kompot.stats.mahalanobis import mahalanobis

__all__ = ["compute_mahalanobis_distance", "compute_mahalanobis_distances"]

Array = NDArray[np.float64]


def compute_mahalanobis_distance(
    diff_values: ArrayLike,
    covariance_matrix: ArrayLike,
    eps: float = 1e-8,
    jit_compile: bool = False,
) -> float:
    r"""Length of a vector in units of its uncertainty.

    :math:`\sqrt{d^\top (C + \varepsilon I)^{-1} d}`.

    Parameters
    ----------
    diff_values
        The vector :math:`d`, ``(n_points,)``.
    covariance_matrix
        :math:`C`, ``(n_points, n_points)``.
    eps
        Jitter, not negative.
    jit_compile
        Accepted for scripts that give it; there is nothing to compile.

    Raises
    ------
    ValueError
        If shapes disagree or numbers are not finite.
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.

    Examples
    --------
    >>> compute_mahalanobis_distance([3.0, 4.0], [[4.0, 0.0], [0.0, 4.0]], eps=0)
    2.5
    """
    del jit_compile
    vector = np.asarray(diff_values, dtype=np.float64)
    if vector.ndim != 1:
        msg = f"`diff_values` must be a vector (n_points,), got shape {vector.shape}."
        raise ValueError(msg)
    return float(
        compute_mahalanobis_distances(vector[None], covariance_matrix, eps=eps, progress=False)[0]
    )


def compute_mahalanobis_distances(  # noqa: PLR0917 the order of arguments that users know
    diff_values: ArrayLike,
    covariance: ArrayLike,
    batch_size: int = 500,
    jit_compile: bool = False,
    eps: float = 1e-8,
    progress: bool = True,
    diagonal_variance: ArrayLike | None = None,
) -> Array:
    r"""Length of each gene's vector in units of its uncertainty.

    :math:`\sqrt{d_g^\top (C_g + \operatorname{diag} v_g + \varepsilon I)^{-1} d_g}`.

    Parameters
    ----------
    diff_values
        Vectors :math:`d_g`, ``(n_genes, n_points)``; one alone as ``(n_points,)``.
    covariance
        :math:`C`, ``(n_points, n_points)``, or of each gene ``(n_points, n_points, n_genes)``.
    batch_size
        Genes at a time; None or 0 for all.
    jit_compile
        Accepted for scripts that give it; there is nothing to compile.
    eps
        Jitter, not negative.
    progress
        Show a progress bar.
    diagonal_variance
        :math:`v_g`, further variances of single points, ``(n_genes, n_points)``.

    Returns
    -------
    Distances, ``(n_genes,)``.

    Raises
    ------
    ValueError
        If shapes disagree or numbers are not finite.
    numpy.linalg.LinAlgError
        If a covariance is not positive definite.
    """
    del jit_compile
    vectors = np.atleast_2d(np.asarray(diff_values, dtype=np.float64))
    matrix = np.asarray(covariance, dtype=np.float64)
    n_genes, n_points = vectors.shape
    shapes = [(n_points, n_points), (n_points, n_points, n_genes)]
    if matrix.shape not in shapes:
        msg = (
            f"`covariance` must have shape {shapes[0]} or {shapes[1]} for `diff_values` of shape "
            f"{vectors.shape}, got {matrix.shape}."
        )
        raise ValueError(msg)
    variance = None
    if diagonal_variance is not None:
        variance = np.asarray(diagonal_variance, dtype=np.float64)
        if variance.shape != vectors.shape:
            msg = f"`diagonal_variance` must have shape {vectors.shape}, got {variance.shape}."
            raise ValueError(msg)
    given = {"diff_values": vectors, "covariance": matrix, "diagonal_variance": variance}
    for name, array in given.items():
        if array is not None and not np.isfinite(array).all():
            msg = f"`{name}` holds NaN or infinite values; leave these genes or points out."
            raise ValueError(msg)
    number("eps", eps, least=0)
    slices = list(row_slices(n_genes, batch_size))
    jitter = eps * np.eye(n_points)
    distances = np.empty(n_genes)
    for rows in bar(slices, "distances", "batch", shown=progress and len(slices) > 1):
        if variance is None and matrix.ndim == 2:
            distances[rows] = mahalanobis(vectors[rows].T, matrix + jitter)
            continue
        own = _own_covariances(matrix, variance, rows)
        distances[rows] = [
            mahalanobis(vector[:, None], covariance_of_gene + jitter)[0]
            for vector, covariance_of_gene in zip(vectors[rows], own, strict=True)
        ]
    return distances


def _own_covariances(matrix: Array, variance: Array | None, rows: slice) -> Iterator[Array]:
    """The covariance of each of some genes."""
    n_genes = matrix.shape[2] if variance is None else len(variance)
    for gene in range(n_genes)[rows]:
        own = matrix if matrix.ndim == 2 else matrix[..., gene]
        yield own if variance is None else own + np.diag(variance[gene])
