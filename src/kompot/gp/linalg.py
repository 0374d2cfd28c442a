"""Products and factorisations that the regression shares."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import LinAlgError, cho_solve, cholesky, eigh, solve_triangular

from kompot.gp.backend import accelerator
from kompot.memory import DENSE_SHARE
from kompot.settings.checks import number

__all__ = [
    "by_columns",
    "cholesky_solve",
    "column_squares",
    "cross_and_squares",
    "cross_product",
    "explained_cholesky",
    "gram",
    "inverse_of",
    "joined_columns",
    "leading_directions",
    "product",
    "row_slices",
    "solved_squares",
    "whiten",
    "without_duplicates",
]

Array = NDArray[np.float64]


def row_slices(n_rows: int, size: int | None) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` rows; one of all rows if ``size`` is None or 0.

    Raises
    ------
    ValueError, TypeError
        If ``size``, which is every model's ``batch_size``, is negative or no whole number.
    """
    number("batch_size", size, least=0, whole=True, optional=True)
    step = size or max(n_rows, 1)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def without_duplicates(values: Any) -> Any:
    """The same matrix with one entry for each place, where several of a sparse one add up.

    Squares and permutations work on entries, and would be wrong with several of a place.
    """
    if not sparse.issparse(values) or values.has_canonical_format:
        return values
    values = values.copy()
    values.sum_duplicates()
    return values


def by_columns(values: Any) -> Any:
    """The same chunk of cells, compressed by columns if it is sparse.

    The sum of a gene is then made in one place, and features of the chunk are read many times:
    three times as fast as to spread every cell over all genes.
    """
    return values.tocsc() if sparse.issparse(values) else values


def joined_columns(blocks: list[Any]) -> list[Any]:
    """Sparse blocks of the same cells as one, of columns that follow one another.

    One product of all then takes the place of several and of a copy of their results. The list is
    emptied; blocks that are dense, or of which dense products are faster, are given back.
    """
    if len(blocks) < 2 or not all(_is_multiplied_sparse(one) for one in blocks):
        return blocks
    joined = sparse.hstack([by_columns(one) for one in blocks], format="csc")
    blocks.clear()
    return [joined]


def _is_multiplied_sparse(values: Any) -> bool:
    """Whether a matrix is sparse, and so much that a product of its non-zeros is faster."""
    if not sparse.issparse(values):
        return False
    few: bool = values.nnz < DENSE_SHARE * values.shape[0] * values.shape[1]
    return few


def product(phi: Array, weights: Array, *, hold: bool = False) -> Array:
    """Features ``(n_cells, rank)`` times weights ``(rank,)`` or ``(rank, n_genes)``.

    Parameters
    ----------
    phi, weights
        The factors.
    hold
        Whether the weights will be used again, unchanged, and are best kept on a device.
    """
    if (device := accelerator()) is not None:
        return device.product(phi, weights, hold=hold)
    return phi @ weights


def gram(phi: Array) -> Array:
    r""":math:`\Phi^\top\Phi` of features ``(n_cells, rank)``."""
    if (device := accelerator()) is not None:
        return device.gram(phi)
    return phi.T @ phi


def cross_and_squares(phi: Array, values: Any) -> tuple[Array, Array]:
    """:func:`cross_product` and :func:`column_squares` of a chunk of cells."""
    if (device := accelerator()) is not None:
        found = device.cross_and_squares(phi, values)
        if found is not None:
            return found
    return cross_product(phi, values), column_squares(values)


def cross_product(phi: Array, values: Any) -> Array:
    r""":math:`\Phi^\top Y` of a chunk of cells.

    Parameters
    ----------
    phi
        Features, ``(n_cells, rank)``.
    values
        Expression, ``(n_cells, n_genes)``, an array or a sparse matrix of any real type.

    Returns
    -------
    ``(rank, n_genes)``
    """
    if sparse.issparse(values):
        if _is_multiplied_sparse(values):
            product: Array = np.asarray(by_columns(values).T @ phi)
            return product.T
        values = values.toarray()
    return (np.asarray(values, dtype=np.float64).T @ phi).T


def column_squares(values: Any) -> Array:
    """Sum of squares of each column of an array or sparse matrix, ``(n_genes,)``."""
    if sparse.issparse(values):
        columns = by_columns(values)
        squares = np.square(columns.data, dtype=np.float64)
        arrays = squares, columns.indices, columns.indptr
        return np.asarray(sparse.csc_array(arrays, shape=values.shape).sum(axis=0))
    return np.einsum("ij,ij->j", values, values, dtype=np.float64)


def explained_cholesky(matrix: Array, remedy: str) -> Array:
    """Lower Cholesky factor of a positive definite matrix; on failure says what to change.

    Parameters
    ----------
    matrix
        Symmetric, ``(rank, rank)``.
    remedy
        What the user can do about a failure, added to the error.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the matrix is not positive definite.
    """
    if (device := accelerator()) is not None:
        found = device.cholesky(matrix)
        if found is not None:
            return found
    try:
        factor: Array = cholesky(matrix, lower=True)
    except LinAlgError as error:
        error.add_note(
            f"The covariance of {len(matrix)} features is not positive definite: {remedy}"
        )
        raise
    return factor


def cholesky_solve(factor: Array, right: Array) -> Array:
    r""":math:`(LL^\top)^{-1} R` from the lower factor :math:`L`, of the shape of ``right``."""
    if (device := accelerator()) is not None:
        return device.cholesky_solve(factor, right)
    solution: Array = cho_solve((factor, True), right)
    return solution


def inverse_of(factor: Array) -> Array:
    r""":math:`(LL^\top)^{-1}` from the lower factor :math:`L`, exactly symmetric."""
    inverse = cholesky_solve(factor, np.eye(len(factor)))
    return (inverse + inverse.T) / 2.0


def leading_directions(covariance: Array, share: float) -> tuple[Array, Array]:
    """Eigenvectors of largest eigenvalues, as few as have the wanted share of their sum.

    Parameters
    ----------
    covariance
        Symmetric, ``(rank, rank)``.
    share
        In (0, 1]; all are kept from 1 on.

    Returns
    -------
    Eigenvalues, ``(n_directions,)``, largest first, and orthonormal columns
    ``(rank, n_directions)``.
    """
    variance, directions = eigh(covariance)
    variance, directions = variance[::-1], directions[:, ::-1]
    if share >= 1.0:
        return variance, directions
    reached = np.cumsum(np.maximum(variance, 0.0))
    n_kept = 1 + int(np.searchsorted(reached, share * reached[-1]))
    return variance[:n_kept], directions[:, :n_kept]


def solved_squares(factor: Array, phi: Array) -> Array:
    r""":math:`\phi (LL^\top)^{-1} \phi^\top` of each row of features, ``(n_cells,)``."""
    if (device := accelerator()) is not None:
        return device.quadratic(factor, phi)
    half = solve_triangular(factor, phi.T, lower=True, check_finite=False)
    return np.einsum("ij,ij->j", half, half)


def whiten(factor: Array, rows: Array) -> Array:
    r"""Rows in the coordinates in which a covariance is the identity: :math:`R L^{-\top}`.

    Parameters
    ----------
    factor
        Lower Cholesky factor :math:`L` of the covariance, ``(rank, rank)``.
    rows
        :math:`R`, ``(n, rank)``; overwritten if it is laid out row by row.
    """
    solved: Array = solve_triangular(
        factor, rows.T, lower=True, overwrite_b=True, check_finite=False
    )
    return solved.T
