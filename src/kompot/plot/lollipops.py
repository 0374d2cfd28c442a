"""Terms of an enrichment analysis as dots on stems."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_axes, say_on
from kompot.plot.words import shortened

__all__ = ["lollipop"]

Array = NDArray[np.float64]

_TERMS = ("term", "description", "term_name", "name", "pathway", "gene_set")
_SCORES = ("score", "signal", "strength", "nes", "combined_score", "odds_ratio", "es")
_COUNTS = ("number_of_genes", "count", "n_genes", "intersection_size", "overlap", "size")
_RATES = (
    *("fdr", "padj", "adjusted_p_value", "p_adjust", "p_adj", "fdr_q_val", "q_value", "qvalue"),
    *("fdr_p_value", "adj_p_value", "adj_pvalue"),
)


def lollipop(
    data: Any,
    *,
    n_terms: int = 12,
    term_col: str | None = None,
    score_col: str | None = None,
    count_col: str | None = None,
    fdr_col: str | None = None,
    x_metric: str = "neg_log10_fdr",
    sort_by: str = "x",
    ascending: bool | None = None,
    category: str = "Process",
    fdr_threshold: float | None = 0.05,
    color: str = "#d73027",
    edge_color: str | None = None,
    cmap: str | None = None,
    color_by: str | None = None,
    dot_min: float = 40.0,
    dot_max: float = 320.0,
    fdr_line: float | None = 0.05,
    annotate: bool = True,
    legend: bool = True,
    label_width: int = 55,
    fdr_floor: float = 1e-50,
    title: str | None = None,
    xlabel: str | None = None,
    ax: Axes | None = None,
    figsize: tuple[float, float] = (7.0, 5.0),
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> Axes | Figure:
    """Draw the leading terms of an enrichment analysis, one a row.

    Columns that are not named are found by their usual names, in any spelling: those of STRING,
    decoupler, gseapy, g:Profiler and clusterProfiler.

    Parameters
    ----------
    data
        A table with a row for each term, or an object whose
        ``get_functional_enrichment(category=..., fdr_threshold=...)`` gives one.
    n_terms
        How many terms to draw.
    term_col, score_col, count_col, fdr_col
        Columns with the name of a term, its score, its number of genes and its false discovery
        rate.
    x_metric
        ``"neg_log10_fdr"``, ``"score"``, ``"count"`` or a column.
    sort_by
        ``"x"`` or a column; the first ``n_terms`` are drawn.
    ascending
        Smallest first; None for largest first, or smallest first by a false discovery rate.
    category
        What to ask an object for.
    fdr_threshold
        Terms with a larger rate are left out; None keeps all.
    color, edge_color
        Of dots and their edges.
    cmap, color_by
        Colour dots by this column instead.
    dot_min, dot_max
        Areas of the dots of the smallest and the largest number of genes, in (1/72 inch)^2.
    fdr_line
        Rate at which to draw a line (only with ``"neg_log10_fdr"``); None for none.
    annotate
        Write the number of genes beside the dot.
    legend
        Show what areas mean.
    label_width
        Longest label, in characters.
    fdr_floor
        Smaller rates are drawn as this one.
    title, xlabel
        None for no title and a label that says what is drawn.
    ax
        Where to draw; new Axes if None.
    figsize
        Width and height in inches of a new figure.
    return_fig
        Return the figure itself.
    save
        Where to save the figure; None does not.

    Returns
    -------
    The Axes, or the figure if ``return_fig``. Nothing is shown.

    Raises
    ------
    ValueError
        If a column is needed that the table does not have.

    Examples
    --------
    >>> import pandas as pd
    >>> terms = pd.DataFrame({"Term": ["a", "b"], "FDR": [1e-4, 0.01], "count": [12, 5]})
    >>> ax = lollipop(terms)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['a', 'b']
    """
    columns = {"term": term_col, "score": score_col, "count": count_col, "fdr": fdr_col}
    table, metric = _terms(data, columns, x_metric, category, fdr_threshold, fdr_floor)
    table = _leading(table, sort_by, ascending, n_terms)
    ax = new_axes(figsize) if ax is None else ax
    ax.set_title(title or "")
    if not len(table):
        say_on(ax, "No term has a rate below the threshold.")
        return finished(ax, ax.figure, save, return_fig)
    places = np.arange(len(table))
    x = table["x"].to_numpy(np.float64)
    has_counts = bool(table["count"].notna().any())
    area = _areas(table["count"].to_numpy(np.float64), dot_min, dot_max)
    values = None if color_by is None else _numbers(table, color_by)
    ax.hlines(places, 0, x, color=color if values is None else "0.6", lw=1.8, alpha=0.65, zorder=1)
    dots = ax.scatter(
        x,
        places,
        s=area,
        c=color if values is None else values,
        cmap=None if values is None else (cmap or "viridis"),
        edgecolors=edge_color or "white",
        zorder=2,
    )
    if values is not None:
        ax.figure.colorbar(dots, ax=ax, shrink=0.5, anchor=(0, 1), label=shortened(color_by))
    if annotate and has_counts:
        _annotate(ax, x, table["count"].to_numpy(np.float64), area)
    if fdr_line is not None and metric == "neg_log10_fdr":
        ax.axvline(-np.log10(fdr_line), color="0.4", lw=0.8, ls="--", zorder=0)
    labels = [shortened(term, label_width) for term in table["term"]]
    texts = {"neg_log10_fdr": "-log10 false discovery rate", "count": "genes"}
    ax.set_yticks(places, labels)
    ax.set(ylim=(len(table) - 0.4, -0.6), xlabel=xlabel or texts.get(metric, metric))
    ax.margins(x=0.12)
    if x.min() >= 0:
        ax.set_xlim(left=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    if legend and has_counts:
        counts = table["count"].to_numpy(np.float64)
        _legend(ax, counts, (dot_min, dot_max), color if values is None else "0.6")
    return finished(ax, ax.figure, save, return_fig)


def _terms(  # noqa: PLR0917
    data: Any,
    columns: dict[str, str | None],
    x_metric: str,
    category: str,
    fdr_threshold: float | None,
    fdr_floor: float,
) -> tuple[pd.DataFrame, str]:
    """The table with ``term``, ``fdr``, ``count`` and ``x`` beside its own, and the metric."""
    if hasattr(data, "get_functional_enrichment"):
        rate = 1.0 if fdr_threshold is None else fdr_threshold
        data = data.get_functional_enrichment(category=category, fdr_threshold=rate)
    if not isinstance(data, pd.DataFrame):
        msg = f"`data` must be a table of terms (pandas.DataFrame), got {type(data).__name__}."
        raise TypeError(msg)
    usual = {"term": _TERMS, "score": _SCORES, "count": _COUNTS, "fdr": _RATES}
    found = {kind: _column(data, columns[kind], kind, names) for kind, names in usual.items()}
    table = data.copy()
    term = found["term"]
    table["term"] = data.index.astype(str) if term is None else data[term].astype(str)
    table["fdr"] = np.nan if found["fdr"] is None else _numbers(data, found["fdr"])
    table["count"] = np.nan if found["count"] is None else _numbers(data, found["count"])
    if x_metric in ("neg_log10_fdr", "score", "count"):
        kind = "fdr" if x_metric == "neg_log10_fdr" else x_metric
        if found[kind] is None:
            msg = (
                f"x_metric={x_metric!r} needs a column with it; name one as `{kind}_col`, of "
                f"{list(data.columns)}."
            )
            raise ValueError(msg)
        table["x"] = _numbers(data, str(found[kind]))
        if kind == "fdr":
            table["x"] = -np.log10(np.maximum(table["fdr"], fdr_floor)) + 0.0
    else:
        table["x"] = _numbers(data, x_metric)
    if fdr_threshold is not None and found["fdr"] is not None:
        table = table[table["fdr"] <= fdr_threshold]
    metric = str(found["score"]) if x_metric == "score" else x_metric
    return table[table["x"].notna()], metric


def _leading(
    table: pd.DataFrame, sort_by: str, ascending: bool | None, n_terms: int
) -> pd.DataFrame:
    """The terms to draw, in their order."""
    if sort_by not in table:
        msg = f"`sort_by` must be 'x' or a column, got {sort_by!r}; there are {list(table)}."
        raise ValueError(msg)
    if ascending is None:
        ascending = _plain(sort_by) in _RATES
    return table.sort_values(sort_by, ascending=ascending, kind="stable").head(n_terms)


def _column(table: pd.DataFrame, given: str | None, kind: str, names: Sequence[str]) -> str | None:
    """The column that was given, or the first that has a usual name."""
    if given is not None:
        if given not in table:
            msg = f"`{kind}_col`: {given!r} is no column; there are {list(table.columns)}."
            raise ValueError(msg)
        return given
    plain = {_plain(column): column for column in reversed(list(table.columns))}
    return next((str(plain[name]) for name in names if name in plain), None)


def _plain(name: object) -> str:
    """A name without its spelling: small letters and underscores."""
    return "".join(c if c.isalnum() else "_" for c in str(name).lower()).strip("_")


def _numbers(table: pd.DataFrame, name: str) -> Array:
    """A column of numbers; of texts such as ``3/20`` the first part."""
    if name not in table:
        msg = f"{name!r} is no column; there are {list(table.columns)}."
        raise ValueError(msg)
    values = table[name]
    if not pd.api.types.is_numeric_dtype(values):
        values = pd.to_numeric(values.astype(str).str.partition("/")[0], errors="coerce")
    return values.to_numpy(np.float64)


def _areas(counts: Array, smallest: float, largest: float) -> Array:
    """Areas of dots, growing with the number of genes."""
    if not np.isfinite(counts).any():
        return np.full(len(counts), (smallest + largest) / 2.0)
    low, high = np.nanmin(counts), np.nanmax(counts)
    share = (counts - low) / (high - low) if high > low else np.full(len(counts), 0.5)
    return smallest + (largest - smallest) * np.nan_to_num(share)


def _annotate(ax: Axes, x: Array, counts: Array, area: Array) -> None:
    """Numbers of genes beside the dots."""
    for place, (value, count, size) in enumerate(zip(x, counts, area, strict=True)):
        if np.isfinite(count):
            ax.annotate(
                f"{count:g}",
                (value, place),
                (np.sqrt(size) / 2.0 + 3.0, 0.0),
                textcoords="offset points",
                va="center",
                fontsize="small",
                color="0.3",
            )


def _legend(ax: Axes, counts: Array, limits: tuple[float, float], color: str) -> None:
    """What areas mean."""
    known = np.unique(counts[np.isfinite(counts)])
    shown = known if len(known) < 3 else known[[0, len(known) // 2, -1]]
    low, high = known[0], known[-1]
    for count in shown:
        share = (count - low) / (high - low) if high > low else 0.5
        area = limits[0] + (limits[1] - limits[0]) * share
        ax.scatter([], [], s=area, c=color, edgecolors="white", label=f"{count:g}")
    ax.legend(
        title="genes",
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(1.0, 0.0),
        labelspacing=1.1,
        borderpad=1.0,
    )
