"""Cells, genes and samples of a smoothing run, read and checked before anything is computed."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.inputs import Cells, read_expression
from kompot.anndata.labels import members
from kompot.anndata.landmarks import known_landmarks
from kompot.anndata.samples import refuse_many, sample_labels
from kompot.anndata.states import read_states, refuse_bad_states
from kompot.models.condition_samples import FEWEST_CELLS
from kompot.records.annotation import obs_column, require_anndata
from kompot.settings import Comparison, Smoothing, SmoothingSettings

__all__ = ["SmoothingInputs", "read_smoothing_inputs"]

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SmoothingInputs:
    """What a smoothing run reads.

    Attributes
    ----------
    states
        States of all cells of the data, ``(n_obs, n_dims)``; NaN where the embedding has no value.
    rows
        Cells that are fitted, increasing, ``(n_cells,)``.
    expression
        Their expression in the genes smoothed.
    gene_names
        Names of these genes.
    sample
        Number of each fitted cell's sample, ``(n_cells,)``; None without samples.
    landmarks
        Landmarks to use, ``(n_landmarks, n_dims)``; None to draw them.
    landmarks_source
        Where they come from.
    """

    states: Array
    rows: NDArray[np.intp]
    expression: ExpressionRows
    gene_names: pd.Index
    sample: NDArray[np.intp] | None
    landmarks: Array | None
    landmarks_source: str


def read_smoothing_inputs(adata: AnnData, settings: SmoothingSettings) -> SmoothingInputs:
    """Read and check all but the values of the expression.

    Raises
    ------
    TypeError
        If ``adata`` is no AnnData object.
    ValueError
        If something is missing or cannot be used.
    """
    require_anndata(adata)
    chosen = settings.comparison
    rows = _read_rows(adata, chosen)
    states = read_states(adata, chosen.obsm_key)
    refuse_bad_states(adata, chosen.obsm_key, states[rows], rows, "cells to be fitted")
    cells = Cells(rows, np.zeros(len(rows), np.intp), states[rows])
    where = Comparison("", "", "", layer=chosen.layer, genes=chosen.genes)
    expression = read_expression(adata, cells, where)
    names = adata.var_names if expression.genes is None else adata.var_names[expression.genes]
    sample = None
    if chosen.sample_col is not None:
        sample = _read_sample(adata, chosen.sample_col, chosen.groupby, rows)
    keys = (settings.storage.result_key, settings.KEY)
    landmarks, source = known_landmarks(
        adata, settings.gp.landmarks, keys, cells.n_dims, chosen.obsm_key
    )
    return SmoothingInputs(states, rows, expression, names, sample, landmarks, source)


def _read_rows(adata: AnnData, chosen: Smoothing) -> NDArray[np.intp]:
    """Cells of the condition, or all."""
    if chosen.condition is None:
        rows = np.arange(adata.n_obs)
    else:
        labels = obs_column(adata.obs, chosen.groupby, "groupby")
        rows = np.flatnonzero(members(labels, chosen.condition))
        if not len(rows):
            available = sorted(map(str, pd.unique(labels.dropna())))
            msg = (
                f"Condition {chosen.condition!r} not found in column {chosen.groupby!r}. "
                f"Available values: {available[:50]}"
            )
            raise ValueError(msg)
    if len(rows) < 2:
        whose = "The data have" if chosen.condition is None else f"{chosen.condition!r} has"
        msg = f"{whose} {len(rows)} cell(s); at least 2 are needed."
        raise ValueError(msg)
    return rows


def _read_sample(
    adata: AnnData, column: str, groupby: str | None, rows: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Number of each fitted cell's sample."""
    labels = sample_labels(adata.obs, rows, column, groupby, whose="to be fitted")
    names, codes = np.unique(labels, return_inverse=True)
    sizes = np.bincount(codes)
    refuse_many(column, len(names), len(codes))
    n_fitted = int((sizes >= FEWEST_CELLS).sum())
    if n_fitted < 2:
        msg = (
            f"At least 2 samples with {FEWEST_CELLS} cells are needed, column {column!r} has "
            f"{n_fitted} among the cells to be fitted: the variance between samples "
            "cannot be estimated from one. Leave `sample_col` out."
        )
        raise ValueError(msg)
    log.info("%d samples in %r, %d to %d cells each", len(names), column, sizes.min(), sizes.max())
    return codes.astype(np.intp)
