"""All checks of what the user gives, in words that say what to do, before any computing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.chunks import ExpressionRows, expression_matrix
from kompot.anndata.labels import members
from kompot.anndata.refusals import nearest
from kompot.anndata.states import read_states, refuse_bad_states
from kompot.records.annotation import obs_column, require_anndata
from kompot.records.fields import AbundanceFields, clean_name
from kompot.settings import Comparison

__all__ = [
    "Cells",
    "read_abundance_change",
    "read_cells",
    "read_condition",
    "read_expression",
    "read_null_genes",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The cells of two conditions.

    Attributes
    ----------
    rows
        Their positions in the data, increasing, ``(n_cells,)``.
    condition
        0 for condition 1, 1 for condition 2, ``(n_cells,)``.
    states
        Their states, ``(n_cells, n_dims)``, finite.
    """

    rows: NDArray[np.intp]
    condition: NDArray[np.intp]
    states: Array

    @property
    def n_dims(self) -> int:
        """Number of dimensions of the states."""
        return self.states.shape[1]

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of cells of each condition."""
        n2 = int(self.condition.sum())
        return len(self.condition) - n2, n2


def read_cells(
    adata: AnnData, comparison: Comparison, excluded: NDArray[np.bool_] | None = None
) -> Cells:
    """Cells of two conditions and their states, less those excluded.

    Raises
    ------
    TypeError
        If ``adata`` is no AnnData object.
    ValueError
        If a column, condition or embedding does not exist or cannot be used, or a condition has
        fewer than 2 cells.
    """
    condition = read_condition(adata, comparison)
    if excluded is not None:
        condition[excluded] = -1
    for number, name in enumerate(comparison.conditions):
        n_cells = int((condition == number).sum())
        if n_cells < 2:
            filters = "`cell_filter` or `check_representation`"
            left = "" if excluded is None else f" left after {filters}"
            msg = (
                f"Condition {name!r} in column {comparison.groupby!r} has {n_cells} cell(s){left}; "
                "at least 2 are needed."
            )
            raise ValueError(msg)
    rows = np.flatnonzero(condition >= 0)
    states = read_states(adata, comparison.obsm_key)[rows]
    refuse_bad_states(adata, comparison.obsm_key, states, rows, "cells of the two conditions")
    return Cells(rows, condition[rows], states)


def read_condition(adata: AnnData, comparison: Comparison) -> NDArray[np.intp]:
    """0 for cells of condition 1, 1 for those of condition 2, -1 for others, ``(n_obs,)``.

    Raises
    ------
    TypeError
        If ``adata`` is no AnnData object.
    ValueError
        If the column or a condition does not exist, or the conditions cannot be told apart.
    """
    require_anndata(adata)
    names = comparison.conditions
    labels = obs_column(adata.obs, comparison.groupby, "groupby")
    _check_conditions(labels, comparison.groupby, *names)
    condition = np.full(len(labels), -1, dtype=np.intp)
    for number, name in enumerate(names):
        condition[members(labels, name)] = number
    return condition


def _check_conditions(
    labels: "pd.Series[Any]", groupby: str, condition1: str, condition2: str
) -> None:
    available = [str(value) for value in pd.unique(labels.dropna())]
    for name in (condition1, condition2):
        if str(name) not in available:
            msg = (
                f"Condition {name!r} not found in column {groupby!r}. "
                f"Available values: {sorted(available)[:50]}"
            )
            raise ValueError(msg)
    if str(condition1) == str(condition2):
        msg = f"`condition1` and `condition2` must be different, got {condition1!r} twice."
        raise ValueError(msg)
    if clean_name(condition1) == clean_name(condition2):
        msg = (
            f"The conditions {condition1!r} and {condition2!r} would be stored under the same "
            f"name {clean_name(condition1)!r}; rename one in adata.obs[{groupby!r}]."
        )
        raise ValueError(msg)


def read_expression(adata: AnnData, cells: Cells, comparison: Comparison) -> ExpressionRows:
    """Expression of the cells in the chosen genes, in the order of ``var_names``.

    Raises
    ------
    ValueError
        If the layer or genes do not exist, or values are missing.
    """
    layer, genes = comparison.layer, comparison.genes
    names = [name for name in adata.layers if name is not None]  # None is X in anndata >= 0.13
    if layer is not None and layer not in names:
        msg = f"Layer {layer!r} not found in adata.layers. Available layers: {names}"
        raise ValueError(msg)
    if layer is None and adata.X is None:
        msg = f"adata.X is empty; choose a `layer`. Available layers: {names}"
        raise ValueError(msg)
    if adata.n_vars == 0:
        msg = "`adata` has no genes."
        raise ValueError(msg)
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    if np.dtype(getattr(matrix, "dtype", float)).kind not in "fiub":
        what = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
        msg = (
            f"{what} must hold real numbers, got type {matrix.dtype}; convert it, or choose a "
            "`layer`."
        )
        raise ValueError(msg)
    columns = None if genes is None else _gene_columns(adata, genes)
    all_names = adata.obs_names, adata.var_names
    return ExpressionRows(expression_matrix(adata, layer), cells.rows, columns, all_names)


def read_abundance_change(
    adata: AnnData, comparison: Comparison, rows: NDArray[np.intp]
) -> Array | None:
    """Log density ratio of cells, ``(n_cells,)``, as a differential-abundance run stored it.

    None if no run is named.

    Raises
    ------
    ValueError
        If the run left no densities of these conditions, or none for some of the cells.
    """
    key = comparison.differential_abundance_key
    if key is None:
        return None
    fields = AbundanceFields(str(key), *comparison.conditions)
    names = [fields.density1.name, fields.density2.name]
    absent = [name for name in names if name not in adata.obs]
    if absent:
        stored = [name for name in adata.obs.columns if str(name).endswith("_log_density")]
        msg = (
            f"`differential_abundance_key`: {absent} not found in adata.obs. Stored densities: "
            f"{stored}; run compute_differential_abundance(..., result_key={key!r}) first."
        )
        raise ValueError(msg)
    density1, density2 = (adata.obs[name].to_numpy(np.float64)[rows] for name in names)
    change: Array = density2 - density1
    bad = ~np.isfinite(change)
    if bad.any():
        first = adata.obs_names[rows[bad][:5]].tolist()
        msg = (
            f"`differential_abundance_key`: {int(bad.sum())} of {len(rows)} cells have no density "
            f"(first: {first}); run compute_differential_abundance with the same `cell_filter`."
        )
        raise ValueError(msg)
    return change


def _gene_columns(adata: AnnData, genes: Sequence[str]) -> NDArray[np.intp]:
    """Column numbers of genes, increasing."""
    if isinstance(genes, str):
        msg = f"`genes` must be a list of gene names, got the text {genes!r}; write [{genes!r}]."
        raise TypeError(msg)
    names = pd.Index(genes)
    if len(names) == 0:
        msg = "The `genes` list is empty; give at least one gene, or None for all."
        raise ValueError(msg)
    if names.has_duplicates:
        repeated = names[names.duplicated()].unique()[:10].tolist()
        msg = f"`genes` holds names more than once: {repeated}."
        raise ValueError(msg)
    missing = names.difference(adata.var_names, sort=False)
    if len(missing):
        hint = nearest(map(str, missing[:5]), [str(name) for name in adata.var_names])
        listed = missing[:10].tolist()
        msg = f"{len(missing)} `genes` not found in adata.var_names: {listed}. {hint}".rstrip()
        raise ValueError(msg)
    if not adata.var_names.is_unique:
        msg = "adata.var_names are not unique; call adata.var_names_make_unique() to choose genes."
        raise ValueError(msg)
    return np.sort(adata.var_names.get_indexer(names)).astype(np.intp)


def read_null_genes(
    null_genes: int | Sequence[int] | None, n_vars: int
) -> int | NDArray[np.intp] | None:
    """How many genes to shuffle, or which columns; None for none.

    Raises
    ------
    ValueError
        If it is negative, no number, or a column that does not exist.
    """
    if null_genes is None:
        return None
    if isinstance(null_genes, int | np.integer) and not isinstance(null_genes, bool):
        if null_genes < 0:
            msg = f"`null_genes` must not be negative, got {null_genes}; 0 or None for none."
            raise ValueError(msg)
        return int(null_genes) or None
    columns = np.asarray(null_genes)
    if columns.ndim != 1 or (columns.dtype.kind not in "iu" and columns.size):
        msg = (
            "`null_genes` must be a number of genes, a list of column numbers or None, "
            f"got {null_genes!r}."
        )
        raise ValueError(msg)
    outside = columns[(columns < 0) | (columns >= n_vars)]
    if len(outside):
        msg = (
            f"`null_genes` holds {len(outside)} column numbers outside 0 to {n_vars - 1}: "
            f"{outside[:5].tolist()}."
        )
        raise ValueError(msg)
    return columns.astype(np.intp) if len(columns) else None
