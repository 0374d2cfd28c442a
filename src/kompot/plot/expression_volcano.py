"""Volcano plots of differential expression: each gene by fold change and score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from numpy.typing import NDArray

from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.labels import label_points
from kompot.plot.stored_runs import ExpressionRun, column, read_expression_run

__all__ = ["VolcanoStyle", "volcano", "volcano_de"]

_SCORE_NAMES = {
    "mahalanobis": "Mahalanobis distance",
    "local_fdr": "local FDR",
    "tail_fdr": "tail FDR",
    "ptp": "tail probability",
}

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
    """

    color_up: str = KOMPOT_COLORS["direction"]["up"]
    color_down: str = KOMPOT_COLORS["direction"]["down"]
    color_background: str = "#c0c0c0"
    alpha_background: float = 1.0
    point_size: float = 5
    font_size: float = 9


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
    show_legend: bool = True,
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
    show_legend
        Explain colours and numbers of genes above the plot.
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
    columns = [lfc, score, *([significant] if significant else [])]
    _require(columns, table.columns, "columns of the table")
    named = [] if isinstance(labels, int) else list(labels)
    _require([*highlight, *named], table.index, "genes of the table")
    table = table.loc[table[[lfc, score]].notna().all(axis=1), columns]
    hit = table[significant].to_numpy(bool) if significant else np.zeros(len(table), dtype=bool)
    ax = ax or _current_axes()

    points = table[[lfc, score]].to_numpy(np.float64)
    _draw_points(ax, points, hit, condition, style)
    if threshold is not None:
        ax.axhline(threshold, color="0.4", linewidth=0.8, linestyle="--", zorder=0.5)
    ringed = table[table.index.isin(highlight)]
    size = (style.point_size + 4) ** 2
    ax.scatter(ringed[lfc], ringed[score], s=size, facecolors="none", edgecolors="black")
    _set_limits(ax, table[score])
    if show_legend:
        ax.legend(**_ABOVE)
    if isinstance(labels, int):
        named = list(_strongest(table[hit], lfc, score).index[: max(labels, 0)])
    chosen = [gene for gene in dict.fromkeys([*highlight, *named]) if gene in table.index]
    xy = table.loc[chosen, [lfc, score]]
    label_points(ax, list(xy.index), xy.to_numpy(np.float64), points, style.font_size)
    return ax


def volcano_de(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    lfc_key: str | None = None,
    score_key: str | None = None,
    condition1: str | None = None,
    condition2: str | None = None,
    n_top_genes: int | None = None,
    highlight_genes: Sequence[str] | None = None,
    *,
    gene_labels: int | Sequence[str] = 10,
    figsize: tuple[float, float] = (10, 8),
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    color_up: str = VolcanoStyle.color_up,
    color_down: str = VolcanoStyle.color_down,
    color_background: str = VolcanoStyle.color_background,
    alpha_background: float = VolcanoStyle.alpha_background,
    point_size: float = VolcanoStyle.point_size,
    font_size: float = VolcanoStyle.font_size,
    ax: Axes | None = None,
    show_legend: bool = True,
    run_id: int = -1,
    y_axis_type: str = "mahalanobis",
    significance_threshold: float | None = None,
    show_thresholds: bool = True,
) -> Axes:
    """Draw the genes of a recorded run by mean fold change and distance (or another score).

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    lfc_key, score_key
        Columns of ``adata.var``; None takes those of the run.
    condition1, condition2
        Conditions of the run; None for any.
    n_top_genes
        Show this many genes of the strongest scores in colour instead of the called ones.
    highlight_genes
        Genes to ring and name in any case.
    gene_labels
        How many of the genes in colour to name, strongest first; or names of genes.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    title, xlabel, ylabel
        Texts; None for no title, the compared conditions, the name of the score.
    color_up, color_down, color_background, alpha_background, point_size, font_size
        As in :class:`VolcanoStyle`.
    ax
        Where to draw; a new figure if None.
    show_legend
        Explain colours and numbers of genes above the plot.
    run_id
        Number of the run from 0, or from the end if negative.
    y_axis_type
        ``"mahalanobis"``, or, as -log10, ``"local_fdr"``, ``"tail_fdr"`` or ``"ptp"``.
    significance_threshold
        Show genes in colour beyond it, instead of those that the run called: above this distance,
        or below this rate or probability.
    show_thresholds
        Draw a line where the genes in colour begin, if there is such a score.

    Returns
    -------
    The Axes. Nothing is shown or saved: ``ax.figure.savefig(...)`` does.

    Raises
    ------
    ValueError
        If the run, a column or a gene does not exist.
    """
    is_needed = lfc_key is None or score_key is None
    run = read_expression_run(adata, run_id, condition1, condition2, is_needed=is_needed)
    score_key = score_key or run.score_column(y_axis_type)
    table = pd.DataFrame(
        {"lfc": column(adata, lfc_key or run.mean_lfc), "score": column(adata, score_key)},
        index=adata.var_names,
    )
    is_rate = y_axis_type != "mahalanobis" and "neg_log10" not in score_key
    table["height"] = _minus_log10(table["score"]) if is_rate else table["score"]
    limit = significance_threshold
    if is_rate and limit is not None:
        limit = -np.log10(limit)
    table["called"] = _called(adata, run, table, n_top_genes, limit)
    if show_thresholds and limit is None:
        limit = _boundary(table)
    ax = volcano(
        table,
        lfc="lfc",
        score="height",
        significant="called",
        labels=gene_labels,
        highlight=tuple(highlight_genes or ()),
        threshold=limit if show_thresholds else None,
        condition=run.condition2,
        show_legend=show_legend,
        style=VolcanoStyle(
            color_up, color_down, color_background, alpha_background, point_size, font_size
        ),
        ax=_new_axes(figsize) if ax is None else ax,
    )
    name = _SCORE_NAMES.get(y_axis_type, score_key)
    ax.set(
        xlabel=xlabel or f"mean log fold change, {run.condition1} to {run.condition2}",
        ylabel=ylabel or (f"-log10 {name}" if is_rate else name),
    )
    if title:
        ax.set_title(title, pad=24 if show_legend else None)
    return ax


def _require(names: Sequence[str], known: pd.Index, what: str) -> None:
    """Refuse names that are not known."""
    missing = [name for name in names if name not in known]
    if missing:
        msg = f"{missing} are no {what}; there are {list(known[:8])} and so on."
        raise ValueError(msg)


def _current_axes() -> Axes:
    """The Axes that a notebook draws in."""
    import matplotlib.pyplot as plt

    return plt.gca()


def _new_axes(figsize: tuple[float, float]) -> Axes:
    """Axes in a figure of their own, which a notebook shows."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figsize, layout="constrained").subplots()


def _draw_points(
    ax: Axes,
    points: NDArray[np.float64],
    hit: NDArray[np.bool_],
    condition: str | None,
    style: VolcanoStyle,
) -> None:
    """Draw the genes, those that are not called below the others."""
    where = f" in {condition}" if condition else ""
    up = points[:, 0] > 0
    for members, color, alpha, name in (
        (~hit, style.color_background, style.alpha_background, "not called"),
        (hit & ~up, style.color_down, 1, f"lower{where}"),
        (hit & up, style.color_up, 1, f"higher{where}"),
    ):
        ax.scatter(
            points[members, 0],
            points[members, 1],
            s=style.point_size**2,
            c=color,
            alpha=alpha,
            linewidths=0,
            rasterized=True,
            label=f"{name} ({members.sum()})",
        )


def _set_limits(ax: Axes, score: "pd.Series[float]") -> None:
    """Leave room for names, begin at zero where scores do, and mark no fold change."""
    ax.axvline(0, color="0.8", linewidth=0.8, zorder=0.5)
    ax.margins(x=0.12, y=0.06)
    ax.autoscale_view()
    if len(score) and score.min() >= 0:
        ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)


def _strongest(table: pd.DataFrame, lfc: str, score: str) -> pd.DataFrame:
    """Genes by decreasing score, equal ones by size of the fold change."""
    order = np.lexsort([-table[lfc].abs(), -table[score]])
    return table.iloc[order]


def _minus_log10(score: "pd.Series[float]") -> "pd.Series[float]":
    """Rates and probabilities as heights; zeros stand with the smallest that is not zero."""
    heights = -np.log10(score.clip(lower=score[score > 0].min()).to_numpy(np.float64))
    return pd.Series(heights, index=score.index)


def _called(
    adata: AnnData,
    run: ExpressionRun,
    table: pd.DataFrame,
    n_top_genes: int | None,
    limit: float | None,
) -> NDArray[np.bool_]:
    """Which genes are shown in colour."""
    if n_top_genes is not None:
        return table.index.isin(_strongest(table, "lfc", "height").index[:n_top_genes])
    if limit is not None:
        return (table["height"] > limit).to_numpy()
    if run.is_de is None:
        return np.zeros(len(table), dtype=bool)
    column(adata, run.is_de)
    return adata.var[run.is_de].isin([True]).to_numpy(bool)


def _boundary(table: pd.DataFrame) -> float | None:
    """Height from which on genes are called, if there is one."""
    called = table.loc[table["called"], "height"]
    others = table.loc[~table["called"], "height"]
    if called.empty or others.max() > called.min():
        return None
    return float(called.min())
