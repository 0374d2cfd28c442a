"""Cells by the labels of a column."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["cells_with", "label_masks", "members"]

Mask = NDArray[np.bool_]

log = logging.getLogger(__name__)


def members(labels: "pd.Series[Any]", name: object) -> NDArray[np.bool_]:
    """Cells with a label, compared as text so that ``True`` and ``"True"`` both work."""
    same = labels.notna() & (labels.astype(str) == str(name))
    return same.to_numpy(bool)


def label_masks(labels: "pd.Series[Any]") -> list[tuple[str, Mask]]:
    """Each label as text and its cells; in the order of the categories, otherwise sorted."""
    categorical = labels.astype("category").cat
    codes = categorical.codes.to_numpy()
    masks = [(str(label), codes == code) for code, label in enumerate(categorical.categories)]
    unused = [name for name, mask in masks if not mask.any()]
    if unused:
        log.info("%d categories without cells are left out: %s", len(unused), unused[:10])
    return [(name, mask) for name, mask in masks if mask.any()]


def cells_with(labels: "pd.Series[Any]", values: Iterable[Any], argument: str) -> Mask:
    """Cells with one of some values, equal or the same text; a ValueError if no cell has one."""
    known: dict[Any, list[Any]] = {}
    for label in labels.dropna().unique():
        for key in {label, str(label)}:
            known.setdefault(key, []).append(label)
    wanted: list[Any] = []
    for value in values:
        same = [] if pd.isna(value) else known.get(value, []) + known.get(str(value), [])
        if not same:
            available = sorted({str(key) for key in known})
            msg = (
                f"`{argument}`: no cell has the value {value!r} in column {labels.name!r}. "
                f"Available values: {available[:50]}. Choose cells without a value by a mask."
            )
            raise ValueError(msg)
        wanted += same
    return labels.isin(wanted).to_numpy(bool)
