"""Rows of expression that does not lie in memory: HDF5, zarr and Dask, sparse and dense."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.anndata.column_spool import is_by_columns, rows_of_columns

__all__ = ["StoredRows", "is_in_memory", "open_rows", "rows_within"]

log = logging.getLogger(__name__)

_SPARSE_ROWS = 4096
"""Rows read at a time of a sparse matrix; at a thousand non-zeros each, 33 MB."""
_DENSE_BYTES = 64 * 2**20
"""What is read at a time of a dense one."""
_USUAL_SHARE = 0.3
"""Bytes of a sparse row as a share of those of a dense one, where the non-zeros are not known."""


class StoredRows:
    """Rows of anything that can be sliced by rows: a store reads what a slice asks for.

    Parameters
    ----------
    matrix
        ``(n_obs, n_vars)``: an HDF5 or zarr array, a sparse data set of anndata, a Dask array with
        dense or sparse chunks, or a matrix that was turned into rows. One that is stored by columns
        is to be turned first (:meth:`by_rows`).
    """

    def __init__(self, matrix: Any) -> None:
        self._matrix = matrix
        self.is_by_columns = is_by_columns(matrix)
        self.shape: tuple[int, int] = (int(matrix.shape[0]), int(matrix.shape[1]))
        self._is_sparse = not hasattr(matrix, "dtype") or _is_sparse(matrix)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        if hasattr(self._matrix, "row_bytes"):
            return int(self._matrix.row_bytes)
        width = self.shape[1] * np.dtype(self._matrix.dtype).itemsize
        if hasattr(self._matrix, "group"):
            n_values = int(self._matrix.group["data"].shape[0])
            return 3 * n_values * (width // max(self.shape[1], 1)) // max(self.shape[0], 1)
        return int(width * _USUAL_SHARE) if self._is_sparse else width

    @property
    def is_sparse(self) -> bool:
        """Whether rows are sparse matrices."""
        return self._is_sparse

    @property
    def n_stored(self) -> int | None:
        """Number of stored values, if it is known."""
        group = getattr(self._matrix, "group", None)
        return None if group is None else int(group["data"].shape[0])

    @property
    def itemsizes(self) -> tuple[int, int]:
        """Bytes of a value and of its column number."""
        group = getattr(self._matrix, "group", None)
        own = getattr(self._matrix, "dtype", np.float32)
        index = 4 if group is None else group["indices"].dtype.itemsize
        return np.dtype(own).itemsize, int(index)

    def by_rows(self) -> "StoredRows":
        """The same matrix by rows, turned into a temporary file."""
        return StoredRows(rows_of_columns(self._matrix))

    @property
    def rows_at_a_time(self) -> int:
        """Rows read at a time."""
        if self._is_sparse:
            return _SPARSE_ROWS
        return max(1, _DENSE_BYTES // max(self.row_bytes, 1))

    def read(self, start: int, stop: int) -> Any:
        """Rows from ``start`` to before ``stop``, an array or a CSR matrix in memory."""
        if hasattr(self._matrix, "read"):
            return self._matrix.read(start, stop)
        rows = self._matrix[start:stop]
        if hasattr(rows, "compute"):
            rows = rows.compute()
        return rows.tocsr() if sparse.issparse(rows) else np.asarray(rows)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Consecutive spans of all rows, which end where chunks of the store end."""
        start, n_rows = 0, self.rows_at_a_time
        for end in self._ends(n_rows):
            if end - start >= n_rows or end == self.shape[0]:
                yield start, end
                start = end

    def _ends(self, n_rows: int) -> Iterator[int]:
        """Where spans may end: after every chunk of rows."""
        chunks = getattr(self._matrix, "chunks", None)
        if chunks and isinstance(chunks[0], tuple):  # Dask: the length of every chunk
            yield from np.cumsum(chunks[0]).tolist()
            return
        size = int(chunks[0]) if chunks else n_rows
        for start in range(0, self.shape[0], size):
            yield min(start + size, self.shape[0])


def is_in_memory(matrix: Any) -> bool:
    """Whether a matrix is an array or a sparse matrix of this process."""
    return isinstance(matrix, np.ndarray) or sparse.issparse(matrix)


def _is_sparse(matrix: Any) -> bool:
    """Whether a data set or the chunks of a Dask array are sparse."""
    return hasattr(matrix, "format") or sparse.issparse(getattr(matrix, "_meta", None))


def open_rows(matrix: Any) -> StoredRows:
    """A reader of the rows of a matrix on disk or of Dask.

    Raises
    ------
    TypeError
        If it is no matrix of which rows can be read.
    ValueError
        If its shape is unknown.
    """
    if not hasattr(matrix, "shape") or not hasattr(matrix, "dtype") or len(matrix.shape) != 2:
        msg = (
            f"The expression is a {type(matrix).__name__}; it must be a NumPy array, a SciPy "
            "sparse matrix, an HDF5 or zarr data set, or a Dask array."
        )
        raise TypeError(msg)
    if np.isnan(matrix.shape).any():
        msg = (
            "The expression is a Dask array that does not know its number of rows; "
            "call .compute_chunk_sizes() on it."
        )
        raise ValueError(msg)
    return StoredRows(matrix)


def rows_within(reader: StoredRows, wanted: NDArray[np.intp]) -> Iterator[tuple[int, int, Any]]:
    """Spans with any of some rows, and where these are: first and last position, and the rows.

    Parameters
    ----------
    reader
        The matrix.
    wanted
        Row numbers, increasing.
    """
    for start, stop in reader.spans():
        first, last = np.searchsorted(wanted, (start, stop))
        if first == last:
            continue
        chosen = wanted[first:last]
        low, high = int(chosen[0]), int(chosen[-1]) + 1
        block = reader.read(low, high)
        yield int(first), int(last), block if len(chosen) == high - low else block[chosen - low]
