"""Sizes of data and of the matrices in them, without reading the matrices."""

from typing import Any

from anndata import AnnData
from scipy import sparse

from kompot.memory import MatrixSize, stored_bytes

__all__ = ["data_bytes", "matrix_size"]


def matrix_size(matrix: Any) -> MatrixSize:
    """What a matrix, or some rows of it, takes in memory.

    Parameters
    ----------
    matrix
        An array, a sparse matrix, or a reader of rows
        (:class:`kompot.anndata.row_readers.StoredRows`).
    """
    n_rows, n_columns = (int(length) for length in matrix.shape)
    if sparse.issparse(matrix):
        return MatrixSize(
            n_rows,
            n_columns,
            matrix.data.dtype.itemsize,
            int(matrix.nnz),
            matrix.indices.dtype.itemsize,
        )
    if hasattr(matrix, "dtype"):
        return MatrixSize(n_rows, n_columns, matrix.dtype.itemsize)
    itemsize, index = matrix.itemsizes
    stored = matrix.n_stored if matrix.is_sparse else None
    if matrix.is_sparse and stored is None:  # of Dask, or turned: only bytes are known
        stored = int(matrix.row_bytes) * n_rows // (itemsize + index)
    return MatrixSize(
        n_rows,
        n_columns,
        itemsize,
        None if stored is None else min(stored, n_rows * n_columns),
        index,
        rows_at_a_time=min(matrix.rows_at_a_time, n_rows),
    )


def data_bytes(adata: AnnData) -> int:
    """About how many bytes the arrays and tables of a data set take."""
    arrays: list[Any] = [adata.X]
    for places in (adata.layers, adata.obsm, adata.varm, adata.obsp, adata.varp):
        arrays += list(places.values())
    return sum(stored_bytes(one, with_index=True) for one in [*arrays, adata.obs, adata.var])
