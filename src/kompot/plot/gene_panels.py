"""A gene on an embedding: as measured, smoothed in each condition, and its fold change."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.stored_runs import ExpressionRun, column, gene_layer, read_expression_run

__all__ = ["GenePanels", "plot_gene_expression"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GenePanels:
    """A figure of a gene and its panels.

    Attributes
    ----------
    figure
        The figure.
    expression, condition1, condition2, fold_change
        Axes of expression as measured, of the smoothed expression in each condition, and of its
        fold change.
    """

    figure: Figure | SubFigure
    expression: Axes
    condition1: Axes
    condition2: Axes
    fold_change: Axes


@dataclass(frozen=True)
class _Colors:
    """A range of values and the colour map that shows it."""

    low: float
    high: float
    name: str


def plot_gene_expression(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    gene: str,
    lfc_key: str | None = None,
    score_key: str | None = None,
    condition1: str | None = None,
    condition2: str | None = None,
    basis: str = "X_umap",
    figsize: tuple[float, float] = (12, 12),
    cmap_expression: str = "viridis",
    cmap_fold_change: str = "RdBu_r",
    title: str | None = None,
    run_id: int = -1,
    layer: str | None = None,
    *,
    figure: Figure | SubFigure | None = None,
) -> GenePanels:
    """Draw what a recorded run says of a gene, on an embedding.

    Four panels: expression as measured, the two smoothed functions in common colours, and their
    difference, the fold change, with white at zero. Every cell has a value of both functions,
    whatever its condition.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    gene
        A name of ``adata.var_names``.
    lfc_key, score_key
        Columns of ``adata.var`` whose values the title shows; None takes those of the run.
    condition1, condition2
        Conditions of the run; None for any.
    basis
        Key of ``adata.obsm``, of which the first two columns are drawn; ``X_`` may be left out.
    figsize
        Width and height in inches of a new figure, if ``figure`` is None.
    cmap_expression, cmap_fold_change
        Colour maps.
    title
        None for the gene with its scores.
    run_id
        Number of the run from 0, or from the end if negative.
    layer
        Layer of the first panel; None for the one that was analysed.
    figure
        Where to draw; a new figure if None.

    Returns
    -------
    The figure and its Axes. Nothing is shown or saved.

    Raises
    ------
    ValueError
        If the run, the gene, the embedding or a layer does not exist.
    """
    run = read_expression_run(adata, run_id, condition1, condition2)
    measured = gene_layer(adata, gene, layer or run.layer)
    smoothed = [_stored_layer(adata, gene, name) for name in (run.imputed1, run.imputed2)]
    fold_change = _stored_layer(adata, gene, run.fold_change)
    xy, name = _embedding(adata, basis)

    if figure is None:
        figure = _new_figure(figsize)
    axes = figure.subplots(2, 2).ravel()
    size = _point_size(axes[0], len(xy))
    common = _colors(np.concatenate(smoothed), cmap_expression)
    reach = float(np.nanquantile(np.abs(fold_change), 0.995)) or 1.0
    difference = _Colors(-reach, reach, cmap_fold_change)
    between = f"{run.condition1} to {run.condition2}"
    for ax, values, colors, text in (
        (axes[0], measured, _colors(measured, cmap_expression), "expression, all cells"),
        (axes[1], smoothed[0], common, f"smoothed, {run.condition1}"),
        (axes[2], smoothed[1], common, f"smoothed, {run.condition2}"),
        (axes[3], fold_change, difference, f"log fold change, {between}"),
    ):
        _draw_cells(ax, xy, values, colors, size)
        ax.set_title(text)
    axes[2].set(xlabel=f"{name} 1", ylabel=f"{name} 2")
    figure.suptitle(title or _title(adata, gene, run, lfc_key, score_key))
    return GenePanels(figure, *axes)


def _draw_cells(ax: Axes, xy: Array, values: Array, colors: _Colors, size: float) -> None:
    """Draw cells in colours, the largest values on top, with a colour bar."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(np.abs(values[known]), kind="stable")]
    ax.scatter(xy[:, 0], xy[:, 1], s=2.2 * size, c="0.75", linewidths=0, rasterized=True)
    points = ax.scatter(
        xy[order, 0],
        xy[order, 1],
        s=size,
        c=values[order],
        cmap=colors.name,
        vmin=colors.low,
        vmax=colors.high,
        linewidths=0,
        rasterized=True,
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(points, ax=ax, shrink=0.6, aspect=25, pad=0.02)
    bar.outline.set_visible(False)


def _stored_layer(adata: AnnData, gene: str, name: str | None) -> Array:
    """A gene's values in a layer of the run."""
    if name is None or name not in adata.layers:
        what = "stored no layers" if name is None else f"wrote the layer {name!r}, now missing"
        msg = f"The run {what}. Repeat compute_differential_expression with layers='dense'."
        raise ValueError(msg)
    return gene_layer(adata, gene, name)


def _embedding(adata: AnnData, basis: str) -> tuple[Array, str]:
    """Positions of the cells, ``(n_cells, 2)``, and the name of the embedding."""
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


def _colors(values: Array, cmap: str) -> _Colors:
    """Colours of all but the highest value in 200, which would stretch the range."""
    low, high = np.nanmin(values), np.nanquantile(values, 0.995)
    return _Colors(float(low), float(high if high > low else np.nanmax(values)), cmap)


def _point_size(ax: Axes, n_cells: int) -> float:
    """Area of a point, in (1/72 inch)^2, with which cells fill about a third of the Axes."""
    box, inch = ax.get_window_extent(), ax.figure.dpi
    area = box.width * box.height * (72 / inch) ** 2
    return float(np.clip(0.3 * area / n_cells, 0.5, 40))


def _title(
    adata: AnnData, gene: str, run: ExpressionRun, lfc_key: str | None, score_key: str | None
) -> str:
    """The gene and its scores."""
    parts = [gene]
    for name, text in (
        (lfc_key or run.mean_lfc, "mean log fold change {:+.2f}"),
        (score_key or run.scores["mahalanobis"], "distance {:.1f}"),
        (run.scores["local_fdr"], "local FDR {:.2g}"),
    ):
        if name is not None and name in adata.var:
            parts.append(text.format(column(adata, name)[adata.var_names.get_loc(gene)]))
    return ", ".join(parts)


def _new_figure(figsize: tuple[float, float]) -> Any:
    """A figure that a notebook shows."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=figsize, layout="constrained")
