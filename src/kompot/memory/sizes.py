"""Sizes of arrays, in numbers and in words."""

from dataclasses import dataclass

__all__ = ["MatrixSize", "dense_bytes", "human"]


def dense_bytes(*shape: int, itemsize: int = 8) -> int:
    """Bytes of a dense array."""
    size = itemsize
    for length in shape:
        size *= length
    return size


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
    """

    n_rows: int
    n_columns: int
    itemsize: int = 4
    n_stored: int | None = None
    index_itemsize: int = 4

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
