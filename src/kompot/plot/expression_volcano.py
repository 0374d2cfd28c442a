"""Volcano plots of a run of differential expression, of all cells or of a group."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kompot.plot.arguments import given_options, refuse_argument, scatter_options
from kompot.plot.canvas import finished, new_axes, set_ticks
from kompot.plot.cell_colors import Scale
from kompot.plot.stored_runs import (
    SCORES,
    ExpressionRun,
    column,
    group_table,
    read_expression_run,
    run_genes,
)
from kompot.plot.volcanoes import VolcanoStyle, strongest, volcano
from kompot.plot.words import between, shortened
from kompot.records.group_names import stored_group

__all__ = ["volcano_de"]

_SCORE_NAMES = {
    "mahalanobis": "Mahalanobis distance",
    "local_fdr": "local FDR",
    "tail_fdr": "tail FDR",
    "ptp": "tail probability",
    "pvalue": "p-value",
    "donor_pvalue": "p-value between donors",
    "donor_fdr": "FDR between donors",
}
_OWN = "_volcano_de_"
"""How the names of columns begin that are drawn, which are then none of ``var``."""
_UPDATE = "a plot changes no data; call kompot.recompute_fdr(adata, threshold=...) before it."


def volcano_de(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    lfc_key: str | None = None,
    score_key: str | None = None,
    condition1: str | None = None,
    condition2: str | None = None,
    n_top_genes: int | None = None,
    highlight_genes: Sequence[str] | None = None,
    *,
    color: str | None = None,
    background_cmap: str | None = None,
    color_discrete_map: Mapping[str, str] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    vcenter: float | None = None,
    gene_labels: int | Sequence[str] = 10,
    figsize: tuple[float, float] = (10, 8),
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    n_x_ticks: int | None = None,
    n_y_ticks: int | None = None,
    color_up: str = VolcanoStyle.color_up,
    color_down: str = VolcanoStyle.color_down,
    color_background: str = VolcanoStyle.color_background,
    alpha_background: float = VolcanoStyle.alpha_background,
    point_size: float = VolcanoStyle.point_size,
    font_size: float = VolcanoStyle.font_size,
    text_offset: tuple[float, float] | None = None,
    text_kwargs: Mapping[str, Any] | None = None,
    grid: bool = False,
    grid_kwargs: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
    legend_loc: str | None = None,
    legend_fontsize: float | str | None = None,
    legend_title_fontsize: float | str | None = None,
    show_legend: bool = True,
    sort_key: str | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
    run_id: int = -1,
    legend_ncol: int | None = None,
    group: str | None = None,
    y_axis_type: str = "mahalanobis",
    significance_threshold: float | None = None,
    update_de_classification: bool = False,
    direction_column: str | None = None,
    show_thresholds: bool = True,
    **kwargs: Any,
) -> Axes | Figure:
    """Draw the genes of a recorded run by mean fold change and distance (or another score).

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    lfc_key, score_key
        Columns of ``adata.var``; None takes those of the run. Unless ``run_id`` is given, the run
        is the one that wrote ``lfc_key`` (or ``score_key`` if that is None). If none wrote it and
        both are given, no gene is called. Scores of the run are drawn as by ``y_axis_type``.
    condition1, condition2
        Conditions of the run; None for any.
    n_top_genes
        Show this many genes of the strongest scores in colour instead of the called ones.
    highlight_genes
        Genes to ring and name in any case.
    color
        Column of ``adata.var`` for the colours of the other genes, of numbers or of categories;
        None for one colour.
    background_cmap, vmin, vmax, vcenter
        How numbers become colours.
    color_discrete_map
        Colours by category.
    gene_labels
        How many of the genes in colour to name, strongest first; or names of genes.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    title, xlabel, ylabel
        Texts; None for no title, the compared conditions, the name of the score.
    n_x_ticks, n_y_ticks
        Largest numbers of ticks; None for as many as are easy to read.
    color_up, color_down, color_background, alpha_background, point_size, font_size
        As in :class:`VolcanoStyle`.
    text_offset, text_kwargs
        How far every name stands from its point, in 1/72 inch, instead of where it covers little;
        and further arguments of the names (:class:`matplotlib.text.Text`).
    grid, grid_kwargs
        Draw thin lines at the ticks; and further arguments of ``Axes.grid``.
    ax
        Where to draw; a new figure if None.
    legend_loc
        Where to explain the colours, as matplotlib names it; None for above the plot, or beside it
        if there are categories.
    legend_fontsize, legend_title_fontsize, legend_ncol
        Sizes of the legend's text and title, and its columns; None for what suits its place.
    show_legend
        Explain colours and numbers of genes.
    sort_key
        Column of numbers in ``adata.var``: the genes with the largest are the strongest, for
        ``n_top_genes`` and ``gene_labels``; None for the score.
    return_fig
        Return the figure instead of the Axes.
    save
        Where to save the figure; None does not.
    run_id
        Number of the run from 0, or from the end if negative.
    group
        A group of the run, for its results instead of those of all cells.
    y_axis_type
        ``"mahalanobis"``, or, as -log10, ``"local_fdr"``, ``"tail_fdr"``, ``"ptp"``, ``"pvalue"``,
        ``"donor_pvalue"`` or ``"donor_fdr"``; or a column of ``adata.var``, drawn as it is.
    significance_threshold
        Show genes in colour beyond it, instead of those that the run called: above this distance,
        or below this rate or probability.
    update_de_classification
        Must be False: a plot changes nothing, :func:`kompot.recompute_fdr` does.
    direction_column
        Column of truth values in ``adata.var`` that says which genes are in colour; None for the
        run's.
    show_thresholds
        Draw a line where the genes in colour begin, if there is such a score.
    **kwargs
        Further arguments of ``Axes.scatter``: ``marker``, ``edgecolor``, ``zorder``, ...

    Returns
    -------
    The Axes; the figure if ``return_fig``. Nothing is shown: a notebook does, by itself.

    Raises
    ------
    ValueError
        If the run, a column, a group or a gene does not exist.
    TypeError
        If a further argument is none of ``Axes.scatter``.
    """
    refuse_argument("update_de_classification", update_de_classification, _UPDATE)
    further = scatter_options(volcano_de, kwargs)
    _refuse_columns(group, lfc_key, score_key)
    if group is None and y_axis_type not in SCORES and y_axis_type in adata.var:
        score_key = score_key or y_axis_type
    run = read_expression_run(
        *(adata, run_id, condition1, condition2),
        is_needed=lfc_key is None or score_key is None,
        named=lfc_key or score_key,
    )
    kind = _kind(run, score_key, y_axis_type)
    is_rate = kind not in (None, "mahalanobis")
    table = _read(adata, run, lfc_key, score_key, y_axis_type, group)
    is_log = "neg_log10" in (score_key or run.scores.get(y_axis_type) or "")
    table["height"] = _minus_log10(table["score"]) if is_rate and not is_log else table["score"]
    table["order"] = table["height"]
    if sort_key is not None:
        table["order"] = np.where(table["height"].notna(), column(adata, sort_key), np.nan)
    limit = significance_threshold
    if is_rate and limit is not None:
        limit = -np.log10(limit)
    if direction_column is not None:
        table["stored"] = column(adata, direction_column)
    table["called"] = _called(table, n_top_genes, limit)
    are_chosen = n_top_genes is not None or limit is not None or direction_column is not None
    if show_thresholds and limit is None:
        limit = _boundary(table)
    ax = volcano(
        _with_color(adata, table, color),
        lfc=f"{_OWN}lfc",
        score=f"{_OWN}height",
        significant=f"{_OWN}called",
        labels=_labels(table, gene_labels),
        highlight=tuple(highlight_genes or ()),
        threshold=limit if show_thresholds else None,
        condition=run.condition2,
        color=color,
        scale=Scale(background_cmap, vmin, vmax, vcenter),
        palette=color_discrete_map,
        show_legend=show_legend,
        legend_loc=legend_loc,
        style=VolcanoStyle(
            *(color_up, color_down, color_background, alpha_background, point_size, font_size),
            *(text_offset, text_kwargs or {}, further),
            given_options(
                fontsize=legend_fontsize, title_fontsize=legend_title_fontsize, ncols=legend_ncol
            ),
            background="other genes" if are_chosen else "not called",
        ),
        ax=new_axes(figsize) if ax is None else ax,
    )
    name = shortened(score_key or y_axis_type) if kind is None else _SCORE_NAMES[kind]
    ax.set(
        xlabel=xlabel or f"mean log fold change, {between(run.condition1, run.condition2)}",
        ylabel=ylabel or (f"-log10 {name}" if is_rate else name),
    )
    if title := title or (shortened(group) if group else None):
        ax.set_title(title, pad=24 if show_legend and legend_loc is None else None)
    set_ticks(ax, n_x_ticks, n_y_ticks, grid=grid, grid_kwargs=grid_kwargs)
    return finished(ax, ax.figure, save, return_fig)


def _read(  # noqa: PLR0917
    adata: AnnData,
    run: ExpressionRun,
    lfc_key: str | None,
    score_key: str | None,
    score: str,
    group: str | None,
) -> pd.DataFrame:
    """Fold change and score of each gene that the run tested, and whether it is called."""
    if group is None:
        score_key, tested = score_key or run.score_column(score), run_genes(adata, run)
        columns: dict[str, Any] = {
            "lfc": np.where(tested, column(adata, lfc_key or run.mean_lfc), np.nan),
            "score": np.where(tested, column(adata, score_key), np.nan),
            "stored": False if run.is_de is None else column(adata, run.is_de),
        }
        return pd.DataFrame(columns, index=adata.var_names)
    found = {"lfc": group_table(adata, run, "mean_lfc"), "score": group_table(adata, run, score)}
    if "is_de" in run.groups:
        found["stored"] = group_table(adata, run, "is_de")
    name_of = group if group in found["lfc"] else stored_group(group)
    for table in found.values():
        if name_of not in table:
            msg = f"The run has no group {group!r}; it has {list(table.columns)}."
            raise ValueError(msg)
    columns = {name: table[name_of].to_numpy() for name, table in found.items()}
    return pd.DataFrame({"stored": False} | columns, index=adata.var_names)


def _refuse_columns(group: str | None, lfc_key: str | None, score_key: str | None) -> None:
    """Refuse columns of ``var`` for a group, whose results are tables."""
    if group is not None and (lfc_key is not None or score_key is not None):
        msg = (
            "'lfc_key' and 'score_key' name columns of adata.var, which are about all cells; leave "
            "them out if 'group' is given, and choose the score of the group by 'y_axis_type'."
        )
        raise ValueError(msg)


def _kind(run: ExpressionRun, score_key: str | None, y_axis_type: str) -> str | None:
    """Which of `SCORES` is drawn; None if the column is not known to be one."""
    if y_axis_type not in SCORES:
        return None
    if score_key is None:
        return y_axis_type
    return run.score_of(score_key) or (None if y_axis_type == "mahalanobis" else y_axis_type)


def _minus_log10(score: "pd.Series[float]") -> "pd.Series[float]":
    """Rates and probabilities as heights; zeros stand with the smallest that is not zero."""
    heights = -np.log10(score.clip(lower=score[score > 0].min()).to_numpy(np.float64))
    return pd.Series(heights, index=score.index)


def _with_color(adata: AnnData, table: pd.DataFrame, color: str | None) -> pd.DataFrame:
    """The table, its columns under names of their own, with the column for the colours."""
    table = table.add_prefix(_OWN)
    if color is not None:
        column(adata, color)  # refuses a column that does not exist
        table[color] = adata.var[color]
    return table


def _called(table: pd.DataFrame, n_top_genes: int | None, limit: float | None) -> NDArray[np.bool_]:
    """Which genes are shown in colour."""
    if n_top_genes is not None:
        rows = table.reset_index(drop=True)  # genes may have the same name
        return rows.index.isin(strongest(rows, "lfc", "order").index[:n_top_genes])
    if limit is not None:
        return (table["height"] > limit).to_numpy()
    return (table["stored"].isin([True]) & table["height"].notna()).to_numpy(bool)


def _labels(table: pd.DataFrame, wanted: int | Sequence[str]) -> Sequence[str]:
    """The genes to name: the strongest of those in colour, or those that are given."""
    if not isinstance(wanted, int):
        return wanted
    shown = table[table["called"] & table[["lfc", "height"]].notna().all(axis=1)]
    return list(strongest(shown, "lfc", "order").index[: max(wanted, 0)])


def _boundary(table: pd.DataFrame) -> float | None:
    """Height from which on genes are called, if there is one."""
    called = table.loc[table["called"], "height"]
    others = table.loc[~table["called"], "height"]
    if called.empty or others.max() > called.min():
        return None
    return float(called.min())
