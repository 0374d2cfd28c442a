"""Matrices that a store keeps by columns, turned into rows once in temporary files."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.memory.expression_sizes import TURNED_VALUES
from kompot.models.array_store import ArrayStore

__all__ = ["in_file", "is_by_columns", "rows_of_columns"]

log = logging.getLogger(__name__)

_BLOCK_VALUES = TURNED_VALUES
"""Values turned at a time; with their indices 200 MB, and as much again while they are turned."""


@dataclass(frozen=True)
class _Part:
    """Some columns by rows: a CSR matrix of which the arrays are files."""

    data: NDArray[Any]
    indices: NDArray[Any]
    indptr: NDArray[np.int64]
    n_columns: int

    def read(self, start: int, stop: int) -> "sparse.csr_matrix":
        """Some rows, in memory."""
        low, high = int(self.indptr[start]), int(self.indptr[stop])
        pointers = np.asarray(self.indptr[start : stop + 1] - low, dtype=np.int32)
        arrays = np.array(self.data[low:high]), np.array(self.indices[low:high]), pointers
        return sparse.csr_matrix(arrays, shape=(stop - start, self.n_columns))


class _TurnedRows:
    """Rows of a sparse matrix that came by columns.

    Parameters
    ----------
    parts
        Its columns, some in each.
    shape
        ``(n_obs, n_vars)``.
    """

    def __init__(self, parts: list[_Part], shape: tuple[int, int]) -> None:
        self._parts = parts
        self.shape = shape
        n_bytes = sum(part.data.nbytes + part.indices.nbytes for part in parts)
        self.row_bytes = n_bytes // max(shape[0], 1)

    def read(self, start: int, stop: int) -> Any:
        """Rows from ``start`` to before ``stop``."""
        return sparse.hstack([part.read(start, stop) for part in self._parts], format="csr")


def is_by_columns(matrix: Any) -> bool:
    """Whether to read some rows of a matrix would mean to read all of it each time."""
    if getattr(matrix, "format", None) == "csc":
        return True
    chunks = getattr(matrix, "chunks", None)
    if not chunks or not isinstance(chunks[0], tuple):
        return False
    return len(chunks[0]) == 1 and len(chunks[1]) > 1  # Dask with chunks of columns


def rows_of_columns(matrix: Any) -> Any:
    """The same matrix by rows, in temporary files that vanish with it.

    It is read once, some columns at a time.

    Parameters
    ----------
    matrix
        A sparse data set of anndata in columns, or a Dask array with chunks of columns.

    Returns
    -------
    A dense array in a file, or an object with ``shape``, ``row_bytes`` and ``read(start, stop)``.

    Raises
    ------
    OSError
        If the disk for temporary files has too little space.
    """
    shape = int(matrix.shape[0]), int(matrix.shape[1])
    blocks = _blocks(matrix, shape)
    is_sparse = hasattr(matrix, "format") or sparse.issparse(getattr(matrix, "_meta", None))
    log.info("turning a matrix that is stored by columns into rows, in a temporary file")
    if is_sparse:
        parts = [_turned(block) for block in blocks]
        return _TurnedRows(parts, shape)
    with ArrayStore(on_disk=True).rows(shape[::-1], matrix.dtype) as columns:
        start = 0
        for block in blocks:
            columns.write(slice(start, start + block.shape[1]), np.asarray(block).T)
            start += block.shape[1]
        return columns.finished().T


def _blocks(matrix: Any, shape: tuple[int, int]) -> Iterator[Any]:
    """Columns of the matrix, some at a time."""
    if hasattr(matrix, "compute"):
        ends = np.cumsum(matrix.chunks[1]).tolist()
    else:
        values = np.asarray(matrix.group["indptr"][:], dtype=np.int64)
        ends, start = [], 0
        while start < shape[1]:
            limit = values[start] + _BLOCK_VALUES
            start = max(start + 1, int(np.searchsorted(values, limit, side="right")) - 1)
            ends.append(start)
    start = 0
    for end in ends:
        block = matrix[:, start:end]
        yield block.compute() if hasattr(block, "compute") else block
        start = end


def _turned(block: Any) -> _Part:
    """Some columns by rows, in files."""
    rows = block.tocsr()
    return _Part(
        in_file(rows.data),
        in_file(rows.indices),
        in_file(rows.indptr.astype(np.int64)),
        block.shape[1],
    )


def in_file(array: NDArray[Any]) -> NDArray[Any]:
    """A copy of an array of one dimension in a temporary file, which goes when the copy does.

    Raises
    ------
    OSError
        If the disk for temporary files has too little space.
    """
    with ArrayStore(on_disk=True).rows((len(array), 1), array.dtype) as copy:
        copy.write(slice(0, len(array)), array[:, None])
        return copy.finished()[:, 0]
