"""Layers read by blocks of cells and genes, whether they are stored whole or as factors."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from kompot.records.factored import (
    FactoredLayer,
    Spread,
    factored_names,
    factored_source,
    recorded_writer,
)

__all__ = ["factored_rows", "get_layer", "has_layer"]

Array = NDArray[np.float64]
Places = slice | NDArray[np.intp]

ALL = slice(None)

_ROWS, _NUMBERS = 4096, 2**22
"""Cells, and numbers of the block, that are computed at a time."""
_OTHER_NAME = {"_imputed": "_smoothed", "_smoothed": "_imputed"}
"""What versions of the original call the same thing."""


def get_layer(
    adata: AnnData,
    name: str | None,
    cells: slice | str | ArrayLike | None = None,
    genes: slice | str | ArrayLike | None = None,
) -> NDArray[Any]:
    r"""A block of a layer, whether the data hold it whole (dense or sparse) or as factors.

    Runs with ``layers="factored"`` store features of the cells, :math:`\Phi`, and weights of the
    genes, :math:`W`; their layers have the same names as those of other runs and are computed here
    as they are asked for, :math:`\Phi W^\top`, in the memory of the block. If several runs have a
    layer of that name, it is the newest one's.

    Parameters
    ----------
    adata
        Data with results.
    name
        Name of the layer, as in ``adata.layers`` after a run with ``layers="dense"``; None for
        ``adata.X``. Of ``_imputed`` and ``_smoothed`` (as newer versions of the original write)
        the one that exists is read.
    cells, genes
        Which ones: names, positions, a mask, a slice of positions, or one name; None for all.

    Returns
    -------
    An array ``(n_cells, n_genes)`` in the order that was asked for; float32 if it was made of
    factors, else of the type that is stored. NaN for cells that the run left out and genes that it
    did not test.

    Raises
    ------
    ValueError, TypeError
        If there is no such layer, cell or gene, or factors of the layer are missing.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=60, n_genes=4, random_state=0)
    >>> conditions = ("condition", "control", "treated")
    >>> kompot.compute_differential_expression(
    ...     adata, *conditions, null_genes=0, layers="factored", progress=False
    ... )
    >>> change = "kompot_de_control_to_treated_fold_change"
    >>> kompot.get_layer(adata, change, cells=slice(0, 10), genes=adata.var_names[:2]).shape
    (10, 2)
    """
    rows = _places(cells, adata.obs_names, "cells")
    columns = _places(genes, adata.var_names, "genes")
    source = None if name is None else _source(adata, name)
    if isinstance(source, FactoredLayer):
        shape = len(adata.obs_names[rows]), len(adata.var_names[columns])
        made = np.empty(shape, dtype=np.float32)
        for part, values in factored_rows(adata, source, rows, columns):
            made[part] = values
        return made
    matrix: Any = adata.X if source is None else adata.layers[source]
    if matrix is None:
        msg = "adata.X is empty; name a layer with the expression."
        raise ValueError(msg)
    if isinstance(matrix, np.ndarray):
        return _cut(matrix, rows, columns)
    if sparse.issparse(matrix):
        if matrix.format == "csc" or rows is ALL:
            return np.asarray(matrix[:, columns][rows].toarray())
        return np.asarray(matrix[rows][:, columns].toarray())
    view = adata[rows, columns]
    block: Any = view.X if source is None else view.layers[source]
    block = block.compute() if hasattr(block, "compute") else block
    return np.asarray(block.toarray() if hasattr(block, "toarray") else block)


def has_layer(adata: AnnData, name: str | None) -> bool:
    """Whether :func:`get_layer` finds a layer of that name."""
    if name is None:
        return False
    try:
        _source(adata, name)
    except ValueError:
        return False
    return True


def factored_rows(
    adata: AnnData, layer: FactoredLayer, rows: Places = ALL, columns: Places = ALL
) -> Iterator[tuple[slice, Array]]:
    """A factored layer a few thousand cells at a time.

    Parameters
    ----------
    adata
        Data with the factors.
    layer
        The layer.
    rows, columns
        Positions of cells and genes.

    Yields
    ------
    Which of the rows, and their block ``(n_rows, n_genes)``.
    """
    basis: Any = adata.obsm[layer.basis]
    weights = _weights(adata, layer, columns)
    spreads = [_spread(adata, spread, columns, basis.shape[1]) for spread in layer.spreads]
    chosen = np.arange(adata.n_obs)[rows]
    n_genes = len(adata.var_names[columns])
    step = min(_ROWS, max(1, _NUMBERS // max(1, n_genes)))
    for start in range(0, len(chosen), step):
        part = slice(start, min(start + step, len(chosen)))
        phi = np.asarray(basis[chosen[part]], dtype=np.float64)
        value: Any = 1.0 if weights is None else phi @ weights
        if spreads:
            here = chosen[part]
            scale = np.sqrt(sum(_variance(phi, std[here], more) for std, more in spreads))
            value = scale if weights is None else value / scale
        yield part, value


def _weights(adata: AnnData, layer: FactoredLayer, columns: Places) -> Array | None:
    """Weights of the function of a layer, ``(rank, n_genes)``; None if it is a spread."""
    found: Array | None = None
    for key, sign in ((layer.plus, 1.0), (layer.minus, -1.0)):
        if key is not None:
            stored: Any = adata.varm[key]
            part = sign * np.asarray(stored[columns], dtype=np.float64).T
            found = part if found is None else found + part
    return found


def _spread(
    adata: AnnData, spread: Spread, columns: Places, rank: int
) -> tuple[Array, list[NDArray[Any]]]:
    """Common standard deviation of each cell, and weights of the samples' differences."""
    std = np.asarray(adata.obs[spread.std], dtype=np.float64)
    if spread.deviations is None:
        return std, []
    stored: Any = adata.varm[spread.deviations]
    flat = np.asarray(stored[columns])
    return std, [flat[:, start : start + rank].T for start in range(0, flat.shape[1], rank)]


def _variance(phi: Array, std: Array, deviations: list[NDArray[Any]]) -> Any:
    """Squared standard deviation, ``(n_cells, 1)`` or, with samples, ``(n_cells, n_genes)``."""
    total: Any = np.square(std)[:, None]
    for deviation in deviations:
        total = total + np.square(phi @ deviation.astype(np.float64))
    return total


def _source(adata: AnnData, name: str) -> FactoredLayer | str:
    """The factors of a layer or the name under which it is stored whole.

    Raises
    ------
    ValueError
        If there is neither.
    """
    ending = next((end for end in _OTHER_NAME if name.endswith(end)), None)
    other = None if ending is None else name.removesuffix(ending) + _OTHER_NAME[ending]
    for known in (name, other):
        if known is None:
            continue
        made = factored_source(adata, known)
        if made is not None:
            return made
        if known in adata.layers:
            return known
    known_names = {*filter(None, adata.layers), *factored_names(adata)}
    msg = f"There is no layer {name!r}; there are {sorted(known_names)}."
    number = recorded_writer(adata, name)
    if number is not None:
        msg += f" Run {number} wrote it; repeat that with layers='dense' or layers='factored'."
    raise ValueError(msg)


def _cut(matrix: NDArray[Any], rows: Places, columns: Places) -> NDArray[Any]:
    """A block of an array; a copy of its own."""
    if isinstance(rows, slice) or isinstance(columns, slice):
        return np.array(matrix[rows, columns])
    return np.array(matrix[np.ix_(rows, columns)])


def _places(chosen: Any, names: pd.Index, what: str) -> Places:
    """Positions of cells or genes, by whatever they were chosen."""
    if chosen is None:
        return ALL
    if isinstance(chosen, slice):
        if not all(isinstance(end, int | np.integer | None) for end in (chosen.start, chosen.stop)):
            msg = f"`{what}`: a slice must be of positions, got {chosen!r}; give a list of names."
            raise TypeError(msg)
        return chosen
    wanted = np.asarray([chosen] if isinstance(chosen, str) else chosen)
    if wanted.ndim != 1:
        msg = f"`{what}` must be one-dimensional, got shape {wanted.shape}."
        raise ValueError(msg)
    if not len(wanted):
        return np.empty(0, dtype=np.intp)
    if wanted.dtype == bool:
        if len(wanted) != len(names):
            msg = f"`{what}`: a mask must have {len(names)} entries, got {len(wanted)}."
            raise ValueError(msg)
        return np.flatnonzero(wanted)
    if np.issubdtype(wanted.dtype, np.integer):
        outside = wanted[(wanted < -len(names)) | (wanted >= len(names))]
        if len(outside):
            msg = f"`{what}`: there is no position {outside[0]}; there are {len(names)}."
            raise ValueError(msg)
        return wanted.astype(np.intp) % len(names)
    return _named(wanted, names, what)


def _named(wanted: NDArray[Any], names: pd.Index, what: str) -> NDArray[np.intp]:
    """Positions of names, each of which there must be once."""
    found = pd.Series(np.arange(len(names)), index=names.astype(str))
    found = found[found.index.isin(wanted)]
    twice = found.index[found.index.duplicated()]
    if len(twice):
        msg = f"`{what}`: several are called {twice[0]!r}; give positions."
        raise ValueError(msg)
    places = found.reindex(wanted.astype(str))
    if places.isna().any():
        absent = list(places.index[places.isna()])
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        msg = f"`{what}` without an entry in the data: {absent[:5]}{more}."
        raise ValueError(msg)
    return places.to_numpy(np.intp)
