"""Genes whose expression is shuffled over cells: what distances look like without any effect."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["choose_null_genes", "shuffle_columns", "shuffle_in_place"]

_AT_A_TIME = 32
"""Columns of an array of which a copy is made."""


def choose_null_genes(
    null_genes: int | Sequence[int] | NDArray[np.intp], n_genes: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Columns to be shuffled.

    Parameters
    ----------
    null_genes
        How many to draw, or the columns themselves. More than there are genes are drawn with
        replacement (each copy is shuffled anew), fewer without.
    n_genes
        Number of genes to draw from.
    rng
        Source of random numbers.
    """
    if isinstance(null_genes, int | np.integer):
        return rng.choice(n_genes, int(null_genes), replace=int(null_genes) > n_genes)
    return np.asarray(null_genes, dtype=np.intp)


def shuffle_columns(columns: Any, rng: np.random.Generator) -> Any:
    """Permute every column on its own.

    The non-zeros of a sparse column move to a uniformly random set of rows in random order: the
    same distribution as a permutation of the whole column, without ever writing the zeros. One
    permutation of the cells serves several columns, each with its own part.

    Parameters
    ----------
    columns
        Expression, ``(n_cells, n_genes)``, an array or a sparse matrix.
    rng
        Source of random numbers.

    Returns
    -------
    An array, or a CSR array (of the same type of numbers).
    """
    if not sparse.issparse(columns):
        return rng.permuted(np.asarray(columns), axis=0)
    columns = columns.tocsc()
    indices = np.empty(columns.nnz, dtype=columns.indices.dtype)
    cells, used = rng.permutation(columns.shape[0]), 0
    for start, stop in itertools.pairwise(columns.indptr):
        length = stop - start
        if used + length > len(cells):
            cells, used = rng.permutation(len(cells)), 0
        indices[start:stop] = cells[used : used + length]
        used += length
    shuffled = sparse.csc_array((columns.data, indices, columns.indptr), shape=columns.shape)
    return shuffled.tocsr()


def shuffle_in_place(columns: NDArray[Any], rng: np.random.Generator) -> None:
    """Permute every column of an array on its own, as :func:`shuffle_columns`, without a copy.

    Parameters
    ----------
    columns
        Expression, ``(n_cells, n_genes)``, which may lie in a file.
    rng
        Source of random numbers.
    """
    for start in range(0, columns.shape[1], _AT_A_TIME):
        some = columns[:, start : start + _AT_A_TIME]
        some[...] = rng.permuted(np.asarray(some), axis=0)
