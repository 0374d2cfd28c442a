r"""Counts behind log-normalised expression.

Expression :math:`x_{ij} = \log(1 + T c_{ij} / N_i)` of a cell with :math:`N_i` counts gives them
back: the smallest positive :math:`e^{x_{ij}} - 1` of a cell is what one count is worth there,
:math:`u_i = T / N_i`. Means of logarithms depend on the depth to which cells were sequenced, the
more the fewer counts there are; means of counts weighted by depth, which are sums of counts over
sums of depths, do not (Lun 2018, *bioRxiv* 404962; Townes et al. 2019, *Genome Biology* 20, 295).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot.gp.cell_order import evenly_spaced, lexicographic_order
from kompot.models.row_chunks import Rows
from kompot.stats.compressed_counts import compressed

__all__ = ["CountScale", "are_alike", "count_scale"]

Array = NDArray[np.float64]

_CELLS = 64
_FEWEST_VALUES = 100
_FEWEST_MULTIPLES = 20
_FEWEST_WHOLE = 0.9
"""Share of whole multiples: the smallest count of a cell of few genes may be 2."""
_FEWEST_PER_CELL = 20
"""Expressed genes of a typical cell from which its smallest count is taken for 1."""
_TOLERANCE, _RELATIVE_TOLERANCE = 0.02, 1e-5
"""What float32 leaves of the logarithm of a count."""
_LARGEST_LOG = 50.0
_UNITS = 1e-10, 1e10
_DEEPEST = 50.0
"""Depth of a cell relative to a typical one; beyond is no depth, and the cell counts as typical."""


@dataclass(frozen=True)
class CountScale:
    r"""What a count is worth.

    Attributes
    ----------
    unit
        In a typical cell, :math:`u`.
    weighted
        Whether cells tell their depths: with a handful of genes the smallest count of a cell need
        not be 1, and all cells count alike.
    """

    unit: float
    weighted: bool = True

    def root_weights(self, rows: Any) -> Array:
        r"""Square roots of the cells' depths relative to the typical one, :math:`\sqrt{u/u_i}`.

        Parameters
        ----------
        rows
            Log-normalised expression of some cells, ``(n_cells, n_genes)``: an array or a sparse
            matrix.

        Returns
        -------
        ``(n_cells,)``; 0 for a cell without counts.
        """
        if not self.weighted:
            return np.ones(rows.shape[0])
        depth = self.unit / _units(rows)
        return np.sqrt(np.where(depth > _DEEPEST, 1.0, depth))

    def compressed(self, columns: Any, roots: Array) -> Any:
        r"""Counts at the depth of a typical cell, compressed and weighted.

        .. math:: \sqrt{w_i}\;g\big((e^{x_{ij}} - 1) / u\big), \quad w_i = u / u_i,

        with :math:`g` of :mod:`kompot.stats.compressed_counts`.

        Parameters
        ----------
        columns
            Log-normalised expression, ``(n_cells, n_genes)``, an array or a sparse matrix by
            columns.
        roots
            :math:`\sqrt{w_i}`, ``(n_cells,)``.
        """
        if not sparse.issparse(columns):
            return self._counts(columns) * roots[:, None]
        values = self._counts(columns.data)
        values *= roots[columns.indices]
        return sparse.csc_matrix((values, columns.indices, columns.indptr), shape=columns.shape)

    def _counts(self, logs: NDArray[Any]) -> Array:
        """Compressed counts of log-normalised expression, of any shape."""
        values = np.clip(logs, 0.0, _LARGEST_LOG, dtype=np.float64)
        return compressed(np.expm1(values, out=values), self.unit)


def count_scale(expression: Rows, states: Array) -> CountScale | None:
    """The scale of expression that is log1p of counts scaled cell by cell; None for any other.

    Every value of such a cell is log1p of a whole multiple of the same number, and not all are
    whole numbers themselves. 64 cells all over the cell states are looked at, the same in whatever
    order cells come and wherever they lie; of a store all is skipped that holds none of them.

    Parameters
    ----------
    expression
        ``(n_cells, n_genes)``.
    states
        Cell states, ``(n_cells, n_dims)``, which say in what order cells are taken.
    """
    return _scale_of(_some_cells(expression, states))


def are_alike(expression: Rows, states: Array, n_first: int) -> bool:
    """Whether the first genes and the others are both of counts, scaled alike cell by cell.

    Expression of proteins beside that of genes, for example, is not.

    Parameters
    ----------
    expression, states
        As for :func:`count_scale`.
    n_first
        How many genes are the first ones.
    """
    block = _some_cells(expression, states)
    if _scale_of(block) is None:
        return False
    units = _units(block)
    return all(_are_whole(part, units) for part in (block[:, :n_first], block[:, n_first:]))


def _some_cells(expression: Rows, states: Array) -> "sparse.csr_matrix":
    """Expression of 64 cells all over the states, without zeros."""
    places = evenly_spaced(expression.shape[0], _CELLS)
    rows = np.sort(lexicographic_order(states)[places])
    block = expression[rows]
    block = block if sparse.issparse(block) else np.asarray(block, dtype=np.float64)
    block = sparse.csr_matrix(block, dtype=np.float64)
    block.eliminate_zeros()
    return block


def _scale_of(block: "sparse.csr_matrix") -> CountScale | None:
    """The scale of some cells; None if they are none of counts."""
    values = block.data
    usable = bool(((values > 0) & (values <= _LARGEST_LOG)).all())
    if not usable or len(values) < _FEWEST_VALUES or (values == np.rint(values)).all():
        return None
    units, n_expressed = _units(block), np.diff(block.indptr)
    typical = float(np.median(units[n_expressed > 0]))
    if not _UNITS[0] < typical < _UNITS[1] or not _are_whole(block, units):
        return None
    return CountScale(typical, bool(np.median(n_expressed) >= _FEWEST_PER_CELL))


def _are_whole(block: "sparse.csr_matrix", units: Array) -> bool:
    """Whether values beyond the smallest of each cell are log1p of whole multiples of a unit."""
    counts = np.expm1(block.data) / np.repeat(units, np.diff(block.indptr))
    tolerance = _TOLERANCE + _RELATIVE_TOLERANCE * counts
    whole = np.abs(counts - np.rint(counts)) <= tolerance
    beyond = counts > 1.0 + tolerance
    n_beyond = np.count_nonzero(beyond)
    return bool(n_beyond < _FEWEST_MULTIPLES or whole[beyond].mean() >= _FEWEST_WHOLE)


def _units(rows: Any) -> Array:
    """What one count is worth in each cell, ``(n_cells,)``; infinite in a cell without counts."""
    smallest = np.full(rows.shape[0], np.inf)
    if sparse.issparse(rows):
        rows = rows.tocsr()
        filled = np.flatnonzero(np.diff(rows.indptr))
        if len(filled):
            values = np.where(rows.data > 0, rows.data, np.inf)
            smallest[filled] = np.minimum.reduceat(values, rows.indptr[filled])
    else:
        numbers = np.asarray(rows, dtype=np.float64)
        smallest = np.min(numbers, axis=1, initial=np.inf, where=numbers > 0)
    smallest[np.isfinite(smallest)] = np.minimum(smallest[np.isfinite(smallest)], _LARGEST_LOG)
    return np.asarray(np.expm1(smallest))
