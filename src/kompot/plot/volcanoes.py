"""A volcano plot of a table: each gene by fold change and score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from numpy.typing import NDArray

from kompot.plot.canvas import current_axes, say_on
from kompot.plot.cell_colors import Categories, Scale, Values, scaled_values
from kompot.plot.cells import in_categories
from kompot.plot.colors import KOMPOT_COLORS, distinct_colors
from kompot.plot.labels import label_points
from kompot.plot.words import shortened

__all__ = ["VolcanoStyle", "strongest", "volcano"]

_ABOVE = {
    "loc": "lower left",
    "bbox_to_anchor": (0, 1),
    "ncols": 3,
    "frameon": False,
    "borderaxespad": 0.2,
    "handletextpad": 0.1,
    "columnspacing": 1.2,
    "fontsize": "small",
}
_BESIDE = {
    "loc": "center left",
    "bbox_to_anchor": (1, 0.5),
    "frameon": False,
    "handletextpad": 0.1,
    "fontsize": "small",
}
_INSIDE = {"handletextpad": 0.1, "fontsize": "small"}
_WORDS = {"mean_lfc": "mean log fold change", "mahalanobis": "Mahalanobis distance"}


@dataclass(frozen=True)
class VolcanoStyle:
    """How a volcano plot looks.

    Parameters
    ----------
    color_up, color_down
        Called genes with a positive and a negative fold change.
    color_background
        The other genes.
    alpha_background
        Opacity of the other genes, 0 to 1.
    point_size
        Diameter of a point in 1/72 inch.
    font_size
        Size of the names in 1/72 inch.
    text_offset
        How far every name stands from its point, in 1/72 inch; None to look for a place where it
        covers little.
    text, points, legend
        Further arguments of the names (:class:`matplotlib.text.Text`), of ``Axes.scatter`` and of
        ``Axes.legend``.
    background
        What the legend calls the other genes.
    """

    color_up: str = KOMPOT_COLORS["direction"]["up"]
    color_down: str = KOMPOT_COLORS["direction"]["down"]
    color_background: str = "#c0c0c0"
    alpha_background: float = 1.0
    point_size: float = 5
    font_size: float = 9
    text_offset: tuple[float, float] | None = None
    text: Mapping[str, Any] = field(default_factory=dict)
    points: Mapping[str, Any] = field(default_factory=dict)
    legend: Mapping[str, Any] = field(default_factory=dict)
    background: str = "not called"


def volcano(
    table: pd.DataFrame,
    *,
    lfc: str = "mean_lfc",
    score: str = "mahalanobis",
    significant: str | None = "is_de",
    labels: int | Sequence[str] = 10,
    highlight: Sequence[str] = (),
    threshold: float | None = None,
    condition: str | None = None,
    color: str | None = None,
    scale: Scale | None = None,
    palette: Mapping[str, str] | None = None,
    show_legend: bool = True,
    legend_loc: str | None = None,
    style: VolcanoStyle | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw genes by fold change and score, called ones in colour, and name some.

    Parameters
    ----------
    table
        One row for each gene, with the gene's name as index. Rows without a score are left out.
    lfc
        Column with the fold change, drawn to the right.
    score
        Column drawn upwards; larger is stronger.
    significant
        Column of truth values: the genes in colour. None for no such genes.
    labels
        How many of the genes in colour to name, highest score first; or names of genes.
    highlight
        Genes to ring and name in any case.
    threshold
        Score at which to draw a line.
    condition
        Name of the condition that a positive fold change means more of, for the legend.
    color
        Column in whose colours the other genes are drawn, of numbers or of categories; None for one
        colour.
    scale
        How numbers become colours.
    palette
        Colours by category; None for ten that colour-blind eyes tell apart.
    show_legend
        Explain colours and numbers of genes.
    legend_loc
        Where, as matplotlib names it; None for above the plot, or beside it if there are
        categories.
    style
        How it looks.
    ax
        Where to draw; the current Axes if None.

    Returns
    -------
    The Axes.

    Raises
    ------
    ValueError
        If a column or a gene is not in the table.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> from kompot.plot import volcano
    >>> table = pd.DataFrame(
    ...     {"mean_lfc": [1.0, 0.1], "mahalanobis": [9.0, 1.0], "is_de": [True, False]},
    ...     index=["ISG15", "ACTB"],
    ... )
    >>> ax = volcano(table, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['ISG15']
    """
    style = style or VolcanoStyle()
    columns = [lfc, score, *(name for name in (significant, color) if name)]
    _require(columns, table.columns, "columns of the table")
    named = [] if isinstance(labels, int) else list(labels)
    _require([*highlight, *named], table.index, "genes of the table")
    table = table.loc[table[[lfc, score]].notna().all(axis=1), list(dict.fromkeys(columns))]
    hit = table[significant].to_numpy(bool) if significant else np.zeros(len(table), dtype=bool)
    ax = ax or current_axes()

    points = table[[lfc, score]].to_numpy(np.float64)
    shades = None if color is None else _shades(table[color], scale, palette)
    _draw_points(ax, points, hit, condition, style, shades)
    if threshold is not None:
        ax.axhline(threshold, color="0.4", linewidth=0.8, linestyle="--", zorder=0.5)
    ringed = table[table.index.isin(highlight)]
    size = (style.point_size + 4) ** 2
    ax.scatter(ringed[lfc], ringed[score], s=size, facecolors="none", edgecolors="black")
    _set_limits(ax, table[score])
    ax.set(xlabel=_WORDS.get(lfc, lfc), ylabel=_WORDS.get(score, score))
    if show_legend:
        place = _ABOVE if legend_loc is None else _INSIDE | {"loc": legend_loc}
        if isinstance(shades, Categories):
            place = (_BESIDE if legend_loc is None else place) | {"title": shortened(shades.title)}
        ax.legend(**{**place, **style.legend})
    if table.empty:
        say_on(ax, "no gene has both a fold change and a score")
    if isinstance(labels, int):
        named = list(strongest(table[hit], lfc, score).index[: max(labels, 0)])
    chosen = [gene for gene in dict.fromkeys([*highlight, *named]) if gene in table.index]
    xy = table.loc[chosen, [lfc, score]]
    label_points(
        *(ax, list(xy.index), xy.to_numpy(np.float64), points),
        *(style.font_size, style.text_offset, style.text),
    )
    return ax


def _require(names: Sequence[str], known: pd.Index, what: str) -> None:
    """Refuse names that are not known."""
    missing = [name for name in names if name not in known]
    if missing:
        msg = f"{missing} are no {what}; there are {list(known[:8])} and so on."
        raise ValueError(msg)


def _shades(
    values: "pd.Series[Any]", scale: Scale | None, palette: Mapping[str, str] | None
) -> Values | Categories:
    """Colours of the genes that are not called, by a column of numbers or of categories."""
    name, is_bool = str(values.name), pd.api.types.is_bool_dtype(values)
    if palette is None and pd.api.types.is_numeric_dtype(values) and not is_bool:
        return scaled_values(name, values.to_numpy(np.float64, na_value=np.nan), scale)
    labels = in_categories(values)
    names = list(labels.cat.categories)
    # The first three are much like those of called genes.
    colors = dict(zip(names, distinct_colors(len(names) + 3)[3:], strict=True))
    colors |= {str(one): color for one, color in (palette or {}).items()}
    return Categories(name, labels.cat.codes.to_numpy(), names, [colors[one] for one in names])


def _draw_points(  # noqa: PLR0917
    ax: Axes,
    points: NDArray[np.float64],
    hit: NDArray[np.bool_],
    condition: str | None,
    style: VolcanoStyle,
    shades: Values | Categories | None,
) -> None:
    """Draw the genes, those that are not called below the others."""
    where = f" in {shortened(condition, 24)}" if condition else ""
    down, up = (np.flatnonzero(hit & ((points[:, 0] > 0) == is_up)) for is_up in (False, True))
    for rows, options, name in (
        *_background(np.flatnonzero(~hit), style, shades),
        (down, {"c": style.color_down}, f"lower{where} ({len(down)})"),
        (up, {"c": style.color_up}, f"higher{where} ({len(up)})"),
    ):
        look = {"s": style.point_size**2, "linewidth": 0, "rasterized": True, **style.points}
        drawn = ax.scatter(points[rows, 0], points[rows, 1], label=name, **{**options, **look})
        if "norm" in options:
            bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.6, aspect=25, pad=0.02)
            bar.set_label(shortened(shades.title if shades is not None else ""))
            bar.outline.set_visible(False)


def _background(
    rows: NDArray[np.intp], style: VolcanoStyle, shades: Values | Categories | None
) -> list[tuple[NDArray[np.intp], dict[str, Any], str]]:
    """The genes that are not called: which, in what colours, and what they are called.

    Categories are mixed, so that none hides another; what explains them has no genes.
    """
    alpha, name = {"alpha": style.alpha_background}, f"{style.background} ({len(rows)})"
    if shades is None:
        return [(rows, alpha | {"c": style.color_background}, name)]
    if isinstance(shades, Values):
        colors = {"c": shades.values[rows], "cmap": shades.cmap, "norm": shades.norm}
        return [(rows, alpha | colors, name)]
    rows, none = np.random.default_rng(0).permutation(rows), np.empty(0, dtype=np.intp)
    codes = shades.codes[rows]
    colors = {"c": to_rgba_array([*shades.colors, style.color_background])[codes]}  # -1 is the last
    return [
        (rows, alpha | (colors if len(rows) else {}), "_"),
        *(
            (none, {"c": color}, f"{shortened(one)} ({(codes == code).sum()})")
            for code, (one, color) in enumerate(zip(shades.names, shades.colors, strict=True))
        ),
    ]


def _set_limits(ax: Axes, score: "pd.Series[float]") -> None:
    """Leave room for names, begin at zero where scores do, and mark no fold change."""
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0.5)
    ax.margins(x=0.12, y=0.06)
    ax.autoscale_view()
    if len(score) and score.min() >= 0:
        ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)


def strongest(table: pd.DataFrame, lfc: str, score: str) -> pd.DataFrame:
    """Genes by decreasing score, equal ones by size of the fold change."""
    order = np.lexsort([-table[lfc].abs(), -table[score]])
    return table.iloc[order]
