"""Sizes of arrays, in numbers and in words."""

from dataclasses import dataclass
from typing import Any

__all__ = [
    "DENSE_SHARE",
    "MatrixSize",
    "basis_bytes",
    "dense_bytes",
    "human",
    "layer_bytes",
    "stored_bytes",
    "weights_bytes",
]

DENSE_SHARE = 0.15
"""From this share of non-zeros on, a chunk of a sparse matrix is multiplied as a dense one."""


def dense_bytes(*shape: int, itemsize: int = 8) -> int:
    """Bytes of a dense array."""
    size = itemsize
    for length in shape:
        size *= length
    return size


def layer_bytes(n_cells: int, n_genes: int, n_layers: int = 1) -> int:
    """Bytes of dense layers, float32."""
    return n_layers * dense_bytes(n_cells, n_genes, itemsize=4)


def basis_bytes(n_cells: int, rank: int) -> int:
    """Bytes of the features of factored layers, float32."""
    return dense_bytes(n_cells, rank, itemsize=4)


def weights_bytes(n_genes: int, rank: int, n_differences: int = 0) -> int:
    """Bytes of the weights of factored layers.

    Of two conditions, float64, and of the samples' differences (one less than samples in each
    condition), float32.
    """
    return 2 * dense_bytes(n_genes, rank) + dense_bytes(n_genes, n_differences * rank, itemsize=4)


def stored_bytes(value: Any, *, with_index: bool = False) -> int:
    """Bytes of a table, a column or an array, dense or sparse, in memory or in a file.

    Parameters
    ----------
    value
        What AnnData holds; anything else takes 0.
    with_index
        Whether the row names of a table count.
    """
    if hasattr(value, "iloc") and hasattr(value, "memory_usage"):
        usage = value.memory_usage(index=with_index, deep=True)
        return int(usage.sum() if hasattr(usage, "sum") else usage)
    value = getattr(value, "group", value)  # of a sparse matrix in a file
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    names = ("data", "indices", "indptr", "row", "col")  # of sparse matrices
    if hasattr(value, "keys"):
        parts = [value[name] for name in names if name in value]
    else:
        parts = [getattr(value, name, None) for name in names]
    return sum(int(getattr(part, "nbytes", 0)) for part in parts)


def human(n_bytes: float) -> str:
    """Bytes in words, decimal units.

    >>> human(1_500_000)
    '1.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


@dataclass(frozen=True)
class MatrixSize:
    """What a matrix of expression, or some rows of it, takes.

    Attributes
    ----------
    n_rows, n_columns
        Its shape.
    itemsize
        Bytes of a number.
    n_stored
        Number of stored values, if it is sparse; None if it is dense.
    index_itemsize
        Bytes of a column number, if it is sparse.
    rows_at_a_time
        Rows that are read at a time, if it is in a file; 0 if it is in memory.
    """

    n_rows: int
    n_columns: int
    itemsize: int = 4
    n_stored: int | None = None
    index_itemsize: int = 4
    rows_at_a_time: int = 0

    @property
    def is_stored(self) -> bool:
        """Whether it is in a file."""
        return self.rows_at_a_time > 0

    @property
    def is_sparse(self) -> bool:
        """Whether only non-zeros are stored."""
        return self.n_stored is not None

    @property
    def share(self) -> float:
        """Share of values that are stored, 1 if it is dense."""
        if self.n_stored is None:
            return 1.0
        return self.n_stored / max(self.n_rows * self.n_columns, 1)

    @property
    def value_bytes(self) -> int:
        """Bytes of a stored value with its column number."""
        return self.itemsize + (self.index_itemsize if self.is_sparse else 0)

    def n_values(self, n_rows: int, n_columns: int) -> int:
        """About how many values so many rows and columns store."""
        return int(self.share * n_rows * n_columns)

    def bytes(self, n_rows: int, n_columns: int) -> int:
        """About how many bytes so many rows and columns take."""
        return self.n_values(n_rows, n_columns) * self.value_bytes
