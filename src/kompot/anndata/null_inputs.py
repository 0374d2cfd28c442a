"""What a differential-expression run judges its distances against."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from kompot.anndata.inputs import Cells, read_null_genes
from kompot.gp.linalg import without_duplicates
from kompot.models.arrays import unusable
from kompot.settings import ExpressionSettings

__all__ = ["NullInputs", "read_distances", "read_null"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NullInputs:
    """Where distances come from that arise if nothing differs.

    Attributes
    ----------
    choice
        How many genes to shuffle, or which columns; None for none.
    expression
        Expression of genes that do not differ, given by the user, ``(n_cells, n_null)``, cells in
        the order of those compared; None for none.
    distances
        Distances given by the user, ``(n_null,)``.
    """

    choice: int | NDArray[np.intp] | None = None
    expression: Any = None
    distances: Array = field(default_factory=lambda: np.empty(0))

    @property
    def exists(self) -> bool:
        """Whether there is anything to judge distances against."""
        return self.choice is not None or self.expression is not None or len(self.distances) > 0


def read_null(
    settings: ExpressionSettings, cells: Cells, n_vars: int, *, donor_level: bool
) -> NullInputs:
    """Read and check the null of a run; none if samples are compared or there are no distances.

    Parameters
    ----------
    settings
        Options of the run.
    cells
        The cells compared.
    n_vars
        Number of all genes of the data.
    donor_level
        Whether samples are compared.

    Raises
    ------
    ValueError, TypeError
        If what is given cannot be used.
    """
    fdr = settings.fdr
    given = [n for n in ("null_mahalanobis", "null_expression") if getattr(fdr, n) is not None]
    choice = read_null_genes(fdr.null_genes, n_vars)
    if donor_level or not settings.output.compute_mahalanobis:
        if given:
            reason = "there are none (`compute_mahalanobis=False`)"
            if donor_level:
                reason = 'genes are called by comparing samples; use `significance="cell"`'
            msg = f"`{given[0]}` is to judge distances against, but {reason}."
            raise ValueError(msg)
        return NullInputs()
    if given and not fdr.combine_with_internal:
        choice = None
    if fdr.null_expression is not None:
        return NullInputs(choice, _read_null_expression(fdr.null_expression, cells))
    if fdr.null_mahalanobis is None:
        return NullInputs(choice)
    if settings.filter.groups is not None:
        msg = (
            "`null_mahalanobis` holds distances over all cells, against which those of `groups` "
            "cannot be judged; give `null_expression` or null genes, or leave out `groups`."
        )
        raise ValueError(msg)
    return NullInputs(choice, distances=read_distances(fdr.null_mahalanobis, "null_mahalanobis"))


def read_distances(values: ArrayLike, name: str, *, missing: bool = False) -> Array:
    """Distances given as an argument, ``(n_distances,)``.

    Parameters
    ----------
    values
        What was given.
    name
        Of the argument.
    missing
        Whether some may be missing (NaN).

    Raises
    ------
    TypeError
        If they are no array of numbers.
    ValueError
        If they are no vector of distances.
    """
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"`{name}` must be a vector of distances, got a {type(values).__name__}: {error}."
        raise TypeError(msg) from error
    if found.ndim != 1 or not found.size:
        msg = f"`{name}` must be a vector of distances, got shape {found.shape}."
        raise ValueError(msg)
    bad = int((np.isinf(found) | (found < 0) | (np.isnan(found) & (not missing))).sum())
    if bad:
        kinds, remedy = "NaN, infinite or negative", "leave them out"
        if missing:
            kinds, remedy = "infinite or negative", "NaN says that a gene has none"
        msg = (
            f"`{name}` holds {bad} of {found.size} values that are no distances ({kinds}); "
            f"{remedy}."
        )
        raise ValueError(msg)
    return found


def _read_null_expression(null_expression: Any, cells: Cells) -> Any:
    """Expression of both conditions as one matrix, in the order of the cells compared."""
    if not isinstance(null_expression, tuple | list) or len(null_expression) != 2:
        msg = "`null_expression` must be two matrices, of the cells of condition 1 and 2."
        raise TypeError(msg)
    is_sparse = any(sparse.issparse(matrix) for matrix in null_expression)
    parts: list[Any] = [
        without_duplicates(sparse.csr_matrix(matrix))
        if is_sparse
        else np.asarray(matrix, dtype=np.float64)
        for matrix in null_expression
    ]
    shapes = [part.shape for part in parts]
    rows = [shape[0] if len(shape) == 2 else -1 for shape in shapes]
    if rows != list(cells.sizes) or shapes[0][1] != shapes[1][1] or shapes[0][1] == 0:
        msg = (
            f"`null_expression` must have the {cells.sizes[0]} and {cells.sizes[1]} cells of the "
            f"conditions as rows and the same genes as columns, got shapes {shapes}."
        )
        raise ValueError(msg)
    values: list[Array] = [part.data if is_sparse else part for part in parts]
    bad = sum(int(unusable(found).sum()) for found in values)
    if bad:
        msg = f"`null_expression` holds {bad} NaN, infinite or huge values; leave these genes out."
        raise ValueError(msg)
    stacked = sparse.vstack(parts, format="csr") if is_sparse else np.concatenate(parts)
    return stacked[np.argsort(np.argsort(cells.condition, kind="stable"))]
