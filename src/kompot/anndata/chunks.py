"""Expression of chosen cells and genes, read by rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from kompot.anndata.row_readers import StoredRows, is_in_memory, open_rows, rows_within
from kompot.gp.linalg import row_slices, without_duplicates
from kompot.memory.expression_sizes import READ_CHUNK
from kompot.models.arrays import LARGEST, is_usable, unusable

__all__ = ["ExpressionRows", "expression_matrix"]

Positions = NDArray[np.intp]

_CHUNK = READ_CHUNK


def expression_matrix(adata: AnnData, layer: str | None) -> Any:
    """``X`` or a layer: an array, a sparse matrix, or a reader of what is not in memory."""
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    return matrix if is_in_memory(matrix) else open_rows(matrix)


@dataclass(frozen=True)
class ExpressionRows:
    """Chosen cells and genes of a matrix, without copying it.

    Parameters
    ----------
    matrix
        ``(n_obs, n_vars)``, an array, a sparse matrix, or a reader of consecutive rows. Rows of a
        matrix by columns are slow to read until :meth:`by_rows` turned it.
    cells
        Row numbers, increasing.
    genes
        Column numbers, in any order, repeats allowed; None for all.
    names
        Names of all rows and columns, to tell where values are missing.
    """

    matrix: Any
    cells: Positions
    genes: Positions | None = None
    names: tuple[pd.Index, pd.Index] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_cells, n_genes)``."""
        n_genes = self.matrix.shape[1] if self.genes is None else len(self.genes)
        return len(self.cells), n_genes

    @property
    def is_streamed(self) -> bool:
        """Whether the matrix is not in memory, and is best read from the first row to the last."""
        return not is_in_memory(self.matrix)

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        reader: StoredRows = self.matrix
        return reader.row_bytes

    @cached_property
    def _is_everything(self) -> bool:
        return len(self.cells) == self.matrix.shape[0]

    def __getitem__(self, rows: slice | Positions) -> Any:
        """Rows ``rows`` of the chosen cells, all chosen genes."""
        if self.is_streamed:
            chosen = np.arange(len(self.cells))[rows] if isinstance(rows, slice) else rows
            if not len(chosen):
                return self.matrix.read(0, 0)[:, slice(None) if self.genes is None else self.genes]
            return next(self.stream([chosen]))[1]
        chunk = without_duplicates(self.matrix[rows if self._is_everything else self.cells[rows]])
        return chunk if self.genes is None else chunk[:, self.genes]

    @property
    def is_by_rows(self) -> bool:
        """Whether rows can be read without reading the whole matrix."""
        if self.is_streamed:
            return not self.matrix.is_by_columns
        return not sparse.issparse(self.matrix) or self.matrix.format == "csr"

    def by_rows(self) -> "ExpressionRows":
        """The same with a matrix by columns turned to rows: a copy, in a file if it is in one.

        Raises
        ------
        OSError
            If the disk for temporary files has too little space.
        """
        if self.is_by_rows:
            return self
        turned = self.matrix.by_rows() if self.is_streamed else self.matrix.tocsr()
        return replace(self, matrix=turned)

    def of_cells(self, chosen: Positions) -> "ExpressionRows":
        """Some of the chosen cells only, by their positions among these, increasing."""
        return replace(self, cells=self.cells[chosen])

    def of_genes(self, genes: Positions) -> "ExpressionRows":
        """Other genes of the same cells, by their column numbers."""
        return replace(self, genes=genes)

    def stream(self, plan: Sequence[Positions]) -> Iterator[tuple[int, Any]]:
        """Rows of each chunk of a plan, in one pass over the matrix.

        Parameters
        ----------
        plan
            Positions among the chosen cells, increasing within a chunk; chunks share none.

        Yields
        ------
        The number of a chunk and its rows, as soon as all of them were passed.

        Raises
        ------
        ValueError
            If there are values that are not finite.
        """
        chunks = np.repeat(np.arange(len(plan)), [len(chunk) for chunk in plan])
        positions = np.concatenate(plan)
        order = np.argsort(positions, kind="stable")
        positions, chunks = positions[order], chunks[order]
        n_left = np.array([len(chunk) for chunk in plan])
        parts: dict[int, list[Any]] = {}
        for first, last, block in rows_within(self.matrix, self.cells[positions]):
            block = without_duplicates(block)
            chosen = block if self.genes is None else block[:, self.genes]
            self._refuse_not_finite(chosen, positions[first:last])
            owners = chunks[first:last]
            for number in np.unique(owners).tolist():
                mine = owners == number
                parts.setdefault(number, []).append(chosen if mine.all() else chosen[mine])
                n_left[number] -= mine.sum()
                if not n_left[number]:
                    yield number, _stacked(parts.pop(number))

    def read(self) -> Any:
        """All chosen cells and genes at once, in sparse columns if the matrix is sparse."""
        slices = row_slices(len(self.cells), _CHUNK)
        if self.is_streamed:
            plan = [np.arange(rows.start, rows.stop) for rows in slices]
            return _stacked([block for _, block in self.stream(plan)], "csc")
        parts = [self._read_columns(rows) for rows in slices]
        return parts[0] if len(parts) == 1 else _stacked(parts, "csc")

    def _read_columns(self, rows: slice) -> Any:
        """Some rows, in sparse columns if the matrix is sparse: genes are then quick to choose."""
        everything = self._is_everything and rows == slice(0, len(self.cells))
        matrix = self.matrix if everything and sparse.issparse(self.matrix) else None
        chunk = replace(self, genes=None)[rows] if matrix is None else matrix
        chunk = without_duplicates(chunk.tocsc()) if sparse.issparse(chunk) else chunk
        everything = self.genes is None or np.array_equal(self.genes, np.arange(chunk.shape[1]))
        return chunk if everything else chunk[:, self.genes]

    def refuse_missing_values(self) -> None:
        """Refuse values that are NaN or infinite, naming how many and where.

        Of a matrix that is not in memory they are refused when they are read.

        Raises
        ------
        ValueError
            If there are any.
        """
        if self.is_streamed:
            return
        found = []
        for rows in row_slices(len(self.cells), _CHUNK):
            cells, genes = _not_finite(self[rows])
            found.append((cells + rows.start, genes))
        cells, genes = (np.concatenate(part) for part in zip(*found, strict=True))
        if len(cells):
            self._say_where(cells, genes, "The expression")

    def _refuse_not_finite(self, block: Any, positions: Positions) -> None:
        """Refuse a block that was read with values that are NaN or infinite."""
        cells, genes = _not_finite(block)
        if len(cells):
            what = f"The expression, read up to cell {positions[-1] + 1} of {len(self.cells)},"
            self._say_where(positions[cells], genes, what)

    def _say_where(self, cells: Positions, genes: Positions, what: str) -> NoReturn:
        """Name cells and genes, by their positions among those chosen, one for each value."""
        genes = genes if self.genes is None else self.genes[genes]
        values = np.unique(np.stack([self.cells[cells], genes]), axis=1)  # genes may repeat
        rows, columns = np.unique(values[0]), np.unique(values[1])
        first = columns[:5].tolist(), rows[:5].tolist()
        if self.names is not None:
            first = self.names[1][columns[:5]].tolist(), self.names[0][rows[:5]].tolist()
        msg = (
            f"{what} holds {values.shape[1]} NaN, infinite or huge (> {LARGEST:g}) values in "
            f"{len(columns)} genes "
            f"(first: {first[0]}) and {len(rows)} cells (first: {first[1]}); "
            "leave these out with `genes` or by subsetting, or fill them."
        )
        raise ValueError(msg)


def _not_finite(block: Any) -> tuple[Positions, Positions]:
    """Row and column of each value that is NaN, infinite or huge."""
    values = block.data if sparse.issparse(block) else np.asarray(block)
    if is_usable(values):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    if not sparse.issparse(block):
        rows, columns = np.nonzero(unusable(values))
        return rows, columns
    coo = block.tocoo()
    bad = unusable(coo.data)
    return coo.row[bad].astype(np.intp), coo.col[bad].astype(np.intp)


def _stacked(parts: list[Any], kind: str = "csr") -> Any:
    """Rows below one another; sparse ones are stacked by rows, which copies them only once."""
    if not sparse.issparse(parts[0]):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    if kind == "csc" and parts[0].format == "csc":
        return sparse.vstack(parts, format="csc")
    stacked = parts[0] if len(parts) == 1 else sparse.vstack(parts, format="csr")
    return stacked.asformat(kind)
