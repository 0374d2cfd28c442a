"""Colours with a meaning, told apart by colour-blind eyes too."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.colors import is_color_like, to_hex

__all__ = ["KOMPOT_COLORS", "category_colors", "distinct_colors"]

# Ten colours by Petroff, "Accessible color sequences for data visualization", 2021.
_SEQUENCE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)

KOMPOT_COLORS: dict[str, Any] = {
    "direction": {"up": "#d73027", "down": "#4575b4", "neutral": "#d3d3d3"},
    "condition": ("#3f90da", "#e76300"),
    "missing": "#e6e6e6",
}
"""Colours of directions, of condition 1 and 2, and of what has no value."""


def distinct_colors(n_colors: int) -> list[str]:
    """Colours for as many categories; beyond ten, the same ten lighter and darker.

    >>> distinct_colors(2)
    ['#3f90da', '#ffa90e']
    """
    colors = []
    for number in range(n_colors):
        turn, place = divmod(number, len(_SEQUENCE))
        rgb = np.array([int(_SEQUENCE[place][k : k + 2], 16) for k in (1, 3, 5)]) / 255
        step = (turn + 1) // 2 * 0.28
        target = 1.0 if turn % 2 else 0.0
        colors.append(to_hex(tuple(rgb + (target - rgb) * min(step, 0.75))))
    return colors


def category_colors(
    adata: AnnData,
    name: str,
    categories: Sequence[str],
    palette: Mapping[str, str] | Sequence[str] | None = None,
) -> list[str]:
    """Colours of the categories of a column of ``obs``.

    Parameters
    ----------
    adata
        The data; colours that it holds for the column, as scanpy stores them, are used.
    name
        The column.
    categories
        Its categories, in order.
    palette
        Colours to use instead: by category, others keep theirs; or in the order of the categories.
    """
    if isinstance(palette, Mapping):
        usual = zip(categories, category_colors(adata, name, categories), strict=True)
        return [palette.get(one, color) for one, color in usual]
    if palette is not None:
        return [palette[number % len(palette)] for number in range(len(categories))]
    default = distinct_colors(len(categories))
    directions = KOMPOT_COLORS["direction"]
    if set(categories) <= set(directions):
        return [directions[one] for one in categories]
    stored = adata.uns.get(f"{name}_colors")
    known = adata.obs[name].dtype if name in adata.obs else None
    if stored is None or not isinstance(known, pd.CategoricalDtype):
        return default
    colors = dict(zip(known.categories.astype(str), map(str, stored), strict=False))
    usable = [colors.get(one, "") for one in categories]
    return usable if all(is_color_like(one) for one in usable) else default
