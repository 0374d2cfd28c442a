"""Expression of chosen cells and genes, read by rows."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from kompot.gp.linalg import row_slices, without_duplicates
from kompot.models.arrays import is_usable, unusable

__all__ = ["ExpressionRows", "expression_matrix"]

_CHUNK = 32_768


def expression_matrix(adata: AnnData, layer: str | None) -> Any:
    """``X`` or a layer; column-compressed matrices are turned to rows once."""
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    if sparse.issparse(matrix) and matrix.format != "csr":
        return matrix.tocsr()
    return matrix


@dataclass(frozen=True)
class ExpressionRows:
    """Chosen cells and genes of a matrix, without copying it.

    Parameters
    ----------
    matrix
        ``(n_obs, n_vars)``, an array or anything whose rows can be indexed.
    cells
        Row numbers, increasing.
    genes
        Column numbers, in any order, repeats allowed; None for all.
    """

    matrix: Any
    cells: NDArray[np.intp]
    genes: NDArray[np.intp] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """``(n_cells, n_genes)``."""
        n_genes = self.matrix.shape[1] if self.genes is None else len(self.genes)
        return len(self.cells), n_genes

    @cached_property
    def _is_everything(self) -> bool:
        return len(self.cells) == self.matrix.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Any:
        """Rows ``rows`` of the chosen cells, all chosen genes."""
        chunk = without_duplicates(self.matrix[rows if self._is_everything else self.cells[rows]])
        return chunk if self.genes is None else chunk[:, self.genes]

    def of_cells(self, chosen: NDArray[np.intp]) -> "ExpressionRows":
        """Some of the chosen cells only, by their positions among these, increasing."""
        return replace(self, cells=self.cells[chosen])

    def read(self) -> Any:
        """All chosen cells and genes at once, in sparse columns if the matrix is sparse."""
        parts = [self._read_columns(rows) for rows in row_slices(len(self.cells), _CHUNK)]
        if len(parts) == 1:
            return parts[0]
        if sparse.issparse(parts[0]):
            return sparse.vstack(parts, format="csc")
        return np.concatenate(parts)

    def _read_columns(self, rows: slice) -> Any:
        """Some rows, in sparse columns if the matrix is sparse: genes are then quick to choose."""
        everything = self._is_everything and rows == slice(0, len(self.cells))
        matrix = self.matrix if everything and sparse.issparse(self.matrix) else None
        chunk = replace(self, genes=None)[rows] if matrix is None else matrix
        chunk = without_duplicates(chunk.tocsc()) if sparse.issparse(chunk) else chunk
        everything = self.genes is None or np.array_equal(self.genes, np.arange(chunk.shape[1]))
        return chunk if everything else chunk[:, self.genes]

    def not_finite(self) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
        """How many values are NaN, infinite or huge, and the cells and genes (positions) of any."""
        count = 0
        cells: list[NDArray[np.intp]] = []
        genes: list[NDArray[np.intp]] = []
        for rows in row_slices(len(self.cells), _CHUNK):
            chunk = self[rows]
            values = chunk.data if sparse.issparse(chunk) else np.asarray(chunk)
            if is_usable(values):
                continue
            if sparse.issparse(chunk):
                coo = chunk.tocoo()
                bad = unusable(coo.data)
                where = coo.row[bad], coo.col[bad]
            else:
                bad = unusable(values)
                where = np.nonzero(bad)[0], np.nonzero(bad)[1]
            count += len(where[0])
            cells.append(where[0] + rows.start)
            genes.append(where[1])
        if not count:
            return 0, np.empty(0, np.intp), np.empty(0, np.intp)
        return count, np.unique(np.concatenate(cells)), np.unique(np.concatenate(genes))
