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

from kompot.gp.cell_order import lexicographic_order
from kompot.models.row_chunks import Rows
from kompot.stats.compressed_counts import compressed

__all__ = ["CountScale", "count_scale"]

Array = NDArray[np.float64]

_CELLS = 64
"""As far apart as they are in a large file, each is read alone."""
_FEWEST_VALUES = 100
_FEWEST_WHOLE = 0.9
"""Share of whole multiples: the smallest count of a cell of few genes may be 2."""
_TOLERANCE, _RELATIVE_TOLERANCE = 0.02, 1e-5
"""What float32 leaves of the logarithm of a count."""
_LARGEST_LOG = 50.0
_UNITS = 1e-10, 1e10
_DEEPEST = 1e4
"""Depth of a cell relative to a typical one; beyond is no depth."""


@dataclass(frozen=True)
class CountScale:
    r"""What a count is worth.

    Attributes
    ----------
    unit
        In a typical cell, :math:`u`.
    """

    unit: float

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
        return np.sqrt(self.unit / np.maximum(_units(rows), self.unit / _DEEPEST))

    def weighted(self, columns: Any, roots: Array) -> Any:
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
            return self._compressed(columns) * roots[:, None]
        values = self._compressed(columns.data)
        values *= roots[columns.indices]
        return sparse.csc_matrix((values, columns.indices, columns.indptr), shape=columns.shape)

    def _compressed(self, logs: NDArray[Any]) -> Array:
        """Compressed counts of log-normalised expression, of any shape."""
        values = np.minimum(logs, _LARGEST_LOG, dtype=np.float64)
        return compressed(np.expm1(values, out=values), self.unit)


def count_scale(expression: Rows, states: Array) -> CountScale | None:
    """The scale of expression that is log1p of counts scaled cell by cell; None for any other.

    Every value of such a cell is log1p of a whole multiple of the same number. 64 cells all over
    the cell states are looked at, the same in whatever order cells come and wherever they lie.

    Parameters
    ----------
    expression
        ``(n_cells, n_genes)``.
    states
        Cell states, ``(n_cells, n_dims)``, which say in what order cells are taken.
    """
    n_cells = expression.shape[0]
    places = np.unique(np.linspace(0, n_cells - 1, _CELLS).astype(np.intp))
    rows = np.sort(lexicographic_order(states)[places])
    block = sparse.csr_matrix(expression[rows])
    values = block.data.astype(np.float64)
    usable = bool(((values >= 0) & (values <= _LARGEST_LOG)).all())
    if not usable or np.count_nonzero(values) < _FEWEST_VALUES:
        return None
    units = _units(block)
    typical = float(np.median(units[np.isfinite(units)]))
    if not _UNITS[0] < typical < _UNITS[1]:
        return None
    counts = np.expm1(values) / np.repeat(units, np.diff(block.indptr))
    off = np.abs(counts - np.rint(counts))
    if (off <= _TOLERANCE + _RELATIVE_TOLERANCE * counts).mean() < _FEWEST_WHOLE:
        return None
    return CountScale(typical)


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
