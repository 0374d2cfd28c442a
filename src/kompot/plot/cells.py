"""Cells in a plane: where they are, how large their points are, which of them are meant."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from numpy.typing import NDArray

__all__ = [
    "cell_mask",
    "cells_per_group",
    "embedding_positions",
    "group_labels",
    "in_categories",
    "listed",
    "obs_column",
    "point_area",
]

Array = NDArray[np.float64]


def embedding_positions(adata: AnnData, basis: str) -> tuple[Array, str]:
    """Positions of the cells, ``(n_cells, 2)``, and the name of the embedding.

    Parameters
    ----------
    adata
        The data.
    basis
        Key of ``adata.obsm``, of which the first two columns are taken; ``X_`` may be left out.

    Raises
    ------
    ValueError
        If there is no such embedding.
    """
    for name in (basis, f"X_{basis}"):
        if name in adata.obsm:
            values = np.asarray(adata.obsm[name], dtype=np.float64)
            if values.ndim == 2 and values.shape[1] >= 2:
                return values[:, :2], name.removeprefix("X_")
    found = sorted(name for name, value in adata.obsm.items() if value.shape[1] >= 2)
    msg = (
        f"There is no embedding {basis!r} of two dimensions in adata.obsm; `basis` can be {found}."
    )
    raise ValueError(msg)


def point_area(ax: Axes, n_cells: int) -> float:
    """Area of a point, in (1/72 inch)^2, with which cells fill about a third of the Axes."""
    box, inch = ax.get_window_extent(), ax.figure.dpi
    area = box.width * box.height * (72 / inch) ** 2
    return float(np.clip(0.3 * area / max(n_cells, 1), 0.5, 40))


def obs_column(adata: AnnData, name: str) -> "pd.Series[Any]":
    """A column of ``obs``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in adata.obs:
        msg = f"{name!r} is no column of adata.obs; there are {list(adata.obs.columns)}."
        raise ValueError(msg)
    return adata.obs[name]


def group_labels(adata: AnnData, name: str, *, observed: bool = True) -> "pd.Series[Any]":
    """A column of ``obs`` as categories, in their order; those without cells are left out.

    Parameters
    ----------
    adata
        The data.
    name
        The column.
    observed
        False keeps the categories without cells.

    Raises
    ------
    ValueError
        If there is no such column, or it is numeric with more than 100 values.
    """
    labels = obs_column(adata, name)
    is_number = pd.api.types.is_numeric_dtype(labels) and not pd.api.types.is_bool_dtype(labels)
    if is_number and labels.nunique() > 100:
        msg = f"The column {name!r} is numeric; groups need a column of labels."
        raise ValueError(msg)
    return in_categories(labels, observed=observed)


def in_categories(labels: "pd.Series[Any]", *, observed: bool = True) -> "pd.Series[Any]":
    """Labels as categories with text for names, in their order."""
    if isinstance(labels.dtype, pd.CategoricalDtype):
        labels = labels.cat.remove_unused_categories() if observed else labels
        order = list(labels.cat.categories)
    else:
        order = sorted(labels.dropna().unique(), key=str if labels.dtype == object else None)
    texts = [str(label) for label in order]
    codes = pd.Categorical(labels, order).codes
    return pd.Series(
        pd.Categorical.from_codes(codes, pd.Index(texts)), index=labels.index, name=labels.name
    )


def cells_per_group(labels: "pd.Series[Any]", members: NDArray[np.bool_]) -> Array:
    """Number of the chosen cells in each category."""
    codes = labels.cat.codes.to_numpy()[members]
    return np.bincount(codes[codes >= 0], minlength=len(labels.cat.categories)).astype(float)


def cell_mask(adata: AnnData, choice: Any, column: str | None = None) -> NDArray[np.bool_]:
    """Which cells are meant.

    Parameters
    ----------
    adata
        The data.
    choice
        None for all; values by column of ``obs``, ``{"cell_type": ["B", "NK"], "day": 3}``, all of
        which must hold; a list of such mappings, of which one must; truth values, one for each
        cell; or values of ``column``.
    column
        Column of ``obs`` that values without a column refer to.

    Raises
    ------
    ValueError
        If a column or a value is unknown.
    """
    if choice is None:
        return np.ones(adata.n_obs, dtype=bool)
    if isinstance(choice, Mapping):
        mask = np.ones(adata.n_obs, dtype=bool)
        for name, values in choice.items():
            mask &= _has_value(adata, name, values)
        return mask
    if isinstance(choice, list | tuple) and any(isinstance(one, Mapping) for one in choice):
        masks = [cell_mask(adata, one, column) for one in choice]
        return np.logical_or.reduce(masks)
    if not isinstance(choice, str):
        values = np.asarray(choice)
        if values.dtype == bool:
            if values.shape != (adata.n_obs,):
                msg = f"Truth values of {adata.n_obs} cells are needed, got shape {values.shape}."
                raise ValueError(msg)
            return values
    if column is None:
        msg = f"{choice!r} names no column; write it as {{column: values}} or give `color`."
        raise ValueError(msg)
    return _has_value(adata, column, choice)


def listed(values: Any) -> list[Any]:
    """Values in a list; a single one, such as a text or a number, in a list of one."""
    is_list = isinstance(values, Sequence | Collection | np.ndarray) and not isinstance(values, str)
    return list(values) if is_list else [values]


def _has_value(adata: AnnData, name: str, values: Any) -> NDArray[np.bool_]:
    """Which cells have one of some values in a column."""
    known, wanted = obs_column(adata, name), listed(values)
    missing = [value for value in wanted if not known.isin([value]).any()]
    if missing:
        msg = f"No cell has {missing} in {name!r}; there are {list(known.unique()[:20])}."
        raise ValueError(msg)
    return known.isin(wanted).to_numpy(bool)
