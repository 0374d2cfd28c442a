"""What tells whether a run of differential expression can be trusted."""

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_figure, say_on
from kompot.plot.cells import obs_column
from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.stored_runs import ExpressionRun, column, read_expression_run, run_genes
from kompot.plot.words import between, shortened
from kompot.records.encoding import decoded

__all__ = ["DiagnosticPanels", "diagnostics"]

Array = NDArray[np.float64]

_N_PAIRS = 4000
_MOST_NAMES = 40
_NULL_ARRAY = "null_mahalanobis"
"""Name of the distances of shuffled genes among the arrays of a record."""


@dataclass(frozen=True)
class DiagnosticPanels:
    """A figure of diagnostics and its panels.

    Attributes
    ----------
    figure
        The figure.
    numerics, length_scale, samples, distances
        Axes of rank and residual, of the length scale among the distances between cells, of cells
        per sample, and of the distances of genes.
    """

    figure: Figure | SubFigure
    numerics: Axes
    length_scale: Axes
    samples: Axes
    distances: Axes


def diagnostics(
    adata: AnnData,
    *,
    null: Any = None,
    sample_col: str | None = None,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    title: str | None = None,
    figsize: tuple[float, float] = (11, 8),
    figure: Figure | SubFigure | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> DiagnosticPanels | Figure:
    """Draw rank and residual, length scale, cells per sample, and distances of a run.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    null
        Distances of null genes, to draw beside those observed; None for those that the run stored.
    sample_col
        Column of ``obs`` with the donors or samples; None for the run's.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    title
        None for the run's number and conditions.
    figsize
        Width and height in inches of a new figure, if ``figure`` is None.
    figure
        Where to draw; a new figure if None.
    return_fig
        Return the figure instead of a :class:`DiagnosticPanels`.
    save
        Where to save the figure; None does not.

    Returns
    -------
    The figure and its Axes; the figure alone if ``return_fig``. A panel for which the run left
    nothing says so.

    Raises
    ------
    ValueError
        If the run or a column does not exist.
    """
    run = read_expression_run(adata, run_id, condition1, condition2)
    figure = new_figure(figsize) if figure is None else figure
    axes = figure.subplots(2, 2).ravel()
    panels = DiagnosticPanels(figure, *axes)
    numerics = run.record.entries.get("numerics") or {}
    _draw_numerics(panels.numerics, run, numerics)
    _draw_length_scale(panels.length_scale, adata, run, numerics)
    _draw_samples(panels.samples, adata, run, sample_col)
    _draw_distances(panels.distances, adata, run, null)
    pair = between(run.condition1, run.condition2)
    figure.suptitle(title or f"Run {run.record.number}, {pair}")
    return finished(panels, figure, save, return_fig)


def _draw_numerics(ax: Axes, run: ExpressionRun, numerics: Mapping[str, Any]) -> None:
    """Residual variance of the features against the tolerance, and the rank."""
    ax.set_title("Variance that the features leave")
    names = ("residual_mean", "residual_max", "tol")
    found = {name: numerics.get(name) for name in names}
    bars = {name: float(value) for name, value in found.items() if value}
    if "residual_mean" not in bars:
        say_on(ax, "the run recorded no residual")
        return
    places = np.arange(2)
    heights = [bars.get("residual_mean", 0.0), bars.get("residual_max", 0.0)]
    ax.bar(places, heights, 0.5, color=["#1f4e79", "#94a4a2"])
    ax.set_xticks(places, ["mean over cells", "largest"])
    ax.set_yscale("log")
    if "tol" in bars:
        ax.axhline(bars["tol"], color="0.3", linewidth=0.8, linestyle="--")
        ax.text(1.45, bars["tol"], "tol", va="bottom", ha="right", fontsize="small")
    ax.set(xlim=(-0.5, 1.5), ylabel="share of the prior variance")
    rank, most = numerics.get("rank"), run.record.parameter("n_landmarks")
    if rank is not None:
        is_capped = most is not None and rank >= most
        note = ", the most allowed: raise n_landmarks" if is_capped else ""
        ax.set_xlabel(f"rank {rank}{note}")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_length_scale(
    ax: Axes, adata: AnnData, run: ExpressionRun, numerics: Mapping[str, Any]
) -> None:
    """The length scale among the distances between cells."""
    ax.set_title("Length scale")
    ls, key = numerics.get("ls"), run.record.parameter("obsm_key")
    if ls is None or key not in adata.obsm:
        say_on(ax, "the run recorded no length scale, or its embedding is gone")
        return
    embedding: Any = adata.obsm[key]
    states = np.asarray(embedding, dtype=np.float64)
    rows = np.random.default_rng(0).integers(0, len(states), (_N_PAIRS, 2))
    distances = np.linalg.norm(states[rows[:, 0]] - states[rows[:, 1]], axis=1)
    distances = distances[np.isfinite(distances) & (distances > 0)]
    if not len(distances):
        say_on(ax, "all cells are at the same place")
        return
    edges = np.geomspace(distances.min(), distances.max() * 1.0001, 50)
    ax.hist(distances, list(edges), color="0.75")
    ax.axvline(ls, color="#bd1f01", linewidth=1.5)
    ax.set(
        xscale="log",
        xlabel=f"distance between two cells in {shortened(key)}",
        ylabel="pairs of cells",
    )
    ax.text(
        *(0.02, 0.97, f"length scale {ls:.3g} (red)"),
        transform=ax.transAxes,
        va="top",
        fontsize="small",
    )
    ax.spines[["top", "right"]].set_visible(False)


def _draw_samples(ax: Axes, adata: AnnData, run: ExpressionRun, sample_col: str | None) -> None:
    """Cells of each sample."""
    groupby = run.record.parameter("groupby")
    name = sample_col or run.record.parameter("sample_col")
    ax.set_title("Cells per sample" if name else "Cells")
    samples = obs_column(adata, name).astype(str) if name else None
    if groupby not in adata.obs:
        say_on(ax, f"the column {groupby!r} with the conditions is gone")
        return
    labels = adata.obs[groupby].astype(str)
    samples = labels if samples is None else samples
    names, counts, colors = [], [], []
    conditions = (run.condition1, run.condition2)
    for condition, color in zip(conditions, KOMPOT_COLORS["condition"], strict=True):
        found = samples[labels == condition].value_counts(sort=False)
        found = found[found > 0].sort_index()
        names += [shortened(str(one), 24) for one in found.index]
        counts += list(found.to_numpy())
        colors += [color] * len(found)
    places = np.arange(len(names))
    ax.bar(places, counts, 0.7, color=colors)
    if len(names) > _MOST_NAMES:
        ax.set(xticks=[], xlabel=f"{len(names)} samples")
    else:
        ax.set_xticks(places, names, rotation=90 if len(names) > 4 else 0, fontsize="small")
    ax.set_ylabel("cells")
    ax.spines[["top", "right"]].set_visible(False)
    if name is None:
        ax.set_xlabel("no samples were given: significance is about these cells")
        return
    for condition, color in zip(conditions, KOMPOT_COLORS["condition"], strict=True):
        ax.bar([0], [0], color=color, label=shortened(condition, 24))
    ax.margins(y=0.2)
    ax.legend(frameon=False, fontsize="small", ncols=2)


def _draw_distances(ax: Axes, adata: AnnData, run: ExpressionRun, null: Any) -> None:
    """Distances of called and other genes, and of null genes, given or stored."""
    ax.set_title("Distances of genes")
    key = run.scores["mahalanobis"]
    if key is None or key not in adata.var:
        say_on(ax, "the run stored no distances")
        return
    distance = column(adata, key).astype(float)
    known = np.isfinite(distance) & run_genes(adata, run)
    called = np.zeros(len(distance), dtype=bool)
    if run.is_de is not None and run.is_de in adata.var:
        called = pd.Series(column(adata, run.is_de)).isin([True]).to_numpy()
    if not known.any():
        say_on(ax, "no gene has a distance")
        return
    given = _null_distances(run) if null is None else np.asarray(null, dtype=float).ravel()
    given = given[np.isfinite(given)]
    top = max(float(distance[known].max()), float(given.max(initial=1.0)))
    edges = np.linspace(0, top * 1.0001, 60)
    parts = [distance[known & ~called], distance[known & called]]
    labels = [f"not called ({len(parts[0])})", f"called ({len(parts[1])})"]
    ax.hist(parts, list(edges), stacked=True, color=["0.75", "#bd1f01"], label=labels)
    if len(given):
        share = known.sum() / len(given)
        counts, _ = np.histogram(given, edges)
        ax.stairs(counts * share, edges, color="black", label=f"null genes ({len(given)}), scaled")
    else:
        ax.text(
            *(0.98, 0.6, "no distances of null genes"),
            transform=ax.transAxes,
            ha="right",
            fontsize="small",
            color="0.35",
        )
    ax.set(xlabel="Mahalanobis distance", ylabel="genes", yscale="symlog")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)


def _null_distances(run: ExpressionRun) -> Array:
    """Distances of the shuffled genes of a run; none if it stored none, or too many to keep."""
    form = (run.record.entries.get("arrays") or {}).get(_NULL_ARRAY)
    if form is None or form["kind"] == "unkept":
        return np.empty(0)
    return np.asarray(decoded(form), dtype=np.float64)
