"""A gene on an embedding: as measured, smoothed in each condition, and its fold change."""

from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_figure
from kompot.plot.cells import embedding_positions, point_area
from kompot.plot.stored_runs import (
    ExpressionRun,
    column,
    gene_layer,
    read_expression_run,
    stored_layer,
)
from kompot.plot.words import shortened
from kompot.records.layers import has_layer

__all__ = ["GenePanels", "ValueColors", "draw_cells", "plot_gene_expression", "value_colors"]

Array = NDArray[np.float64]

_FOUR: Any = [["expression", "condition1"], ["condition2", "fold_change"]]
_FIVE: Any = [
    ["expression", "expression", "condition1", "condition1", "condition2", "condition2"],
    [".", "fold_change", "fold_change", "zscores", "zscores", "."],
]


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
    zscores
        Axes of the fold change in units of its standard deviation; None if the run stored none.
    """

    figure: Figure | SubFigure
    expression: Axes
    condition1: Axes
    condition2: Axes
    fold_change: Axes
    zscores: Axes | None = None


@dataclass(frozen=True)
class ValueColors:
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
    figsize: tuple[float, float] | None = None,
    cmap_expression: str = "viridis",
    cmap_fold_change: str = "RdBu_r",
    title: str | None = None,
    run_id: int = -1,
    layer: str | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
    *,
    figure: Figure | SubFigure | None = None,
) -> GenePanels | Figure:
    """Draw what a recorded run says of a gene, on an embedding.

    Expression as measured, the two smoothed functions in common colours, their difference, the
    fold change, with white at zero, and, if the run stored it (``store_additional_stats``), the
    fold change in units of its posterior standard deviation. Every cell has a value of both
    functions, whatever its condition.

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
        Width and height in inches of a new figure; None to suit the number of panels.
    cmap_expression, cmap_fold_change
        Colour maps.
    title
        None for the gene with its scores.
    run_id
        Number of the run from 0, or from the end if negative.
    layer
        Layer of the first panel; None for the one that was analysed.
    save
        Where to save the figure; None does not.
    return_fig
        Return the figure itself.
    figure
        Where to draw; a new figure if None.

    Returns
    -------
    The figure and its Axes; the figure alone if ``return_fig``. Nothing is shown.

    Raises
    ------
    ValueError
        If the run, the gene, the embedding or a layer does not exist.
    """
    run = read_expression_run(adata, run_id, condition1, condition2)
    measured = gene_layer(adata, gene, layer or run.layer)
    smoothed = [stored_layer(adata, gene, name) for name in (run.imputed1, run.imputed2)]
    fold_change = stored_layer(adata, gene, run.fold_change)
    xy, name = embedding_positions(adata, basis)

    common = value_colors(np.concatenate(smoothed), cmap_expression)
    first, second = (shortened(one, 24) for one in (run.condition1, run.condition2))
    name = shortened(name)
    drawn = {
        "expression": (measured, value_colors(measured, cmap_expression), "expression, all cells"),
        "condition1": (smoothed[0], common, f"smoothed, {first}"),
        "condition2": (smoothed[1], common, f"smoothed, {second}"),
        "fold_change": (
            *(fold_change, _around_zero(fold_change, cmap_fold_change)),
            f"log fold change, {first} to {second}",
        ),
    }
    if has_layer(adata, run.zscores):
        zscores = gene_layer(adata, gene, run.zscores)
        drawn["zscores"] = (zscores, _around_zero(zscores, cmap_fold_change), "z of the change")
    wide = "zscores" in drawn
    if figure is None:
        figure = new_figure(figsize or ((14, 8.5) if wide else (10.5, 9)))
    axes = figure.subplot_mosaic(_FIVE if wide else _FOUR)
    size = point_area(axes["expression"], len(xy))
    for place, (values, colors, text) in drawn.items():
        draw_cells(axes[place], xy, values, colors, size)
        axes[place].set_title(text)
    corner = axes["fold_change" if wide else "condition2"]
    corner.set(xlabel=f"{name} 1", ylabel=f"{name} 2")
    figure.suptitle(title or _title(adata, gene, run, lfc_key, score_key))
    return finished(GenePanels(figure, **axes), figure, save, return_fig)


def draw_cells(ax: Axes, xy: Array, values: Array, colors: ValueColors, size: float) -> None:
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


def value_colors(values: Array, cmap: str) -> ValueColors:
    """Colours of all but the highest value in 200, which would stretch the range."""
    if not np.isfinite(values).any():
        return ValueColors(0.0, 1.0, cmap)
    low, high = np.nanmin(values), np.nanquantile(values, 0.995)
    return ValueColors(float(low), float(high if high > low else np.nanmax(values)), cmap)


def _around_zero(values: Array, cmap: str) -> ValueColors:
    """Colours of changes, the same for both directions."""
    reach = float(np.nanquantile(np.abs(values), 0.995)) if np.isfinite(values).any() else 0.0
    return ValueColors(-(reach or 1.0), reach or 1.0, cmap)


def _title(
    adata: AnnData, gene: str, run: ExpressionRun, lfc_key: str | None, score_key: str | None
) -> str:
    """The gene and its scores; columns of no known meaning by their names."""
    rate = "donor" if run.scores["donor_fdr"] else "local"
    names = [
        *(lfc_key or run.mean_lfc, score_key or run.scores["mahalanobis"]),
        run.scores[f"{rate}_fdr"],
    ]
    texts = {
        names[2]: (f"{rate} FDR", ".2g"),
        run.scores["mahalanobis"]: ("distance", ".1f"),
        run.mean_lfc: ("mean log fold change", "+.2f"),
    }
    parts = [shortened(gene)]
    for name in dict.fromkeys(names):
        if name is not None and name in adata.var:
            what, digits = texts.get(name, (shortened(name), ".3g"))
            value = float(column(adata, name)[adata.var_names.get_loc(gene)])
            parts += [f"{what} {value:{digits}}"] if np.isfinite(value) else []
    return ", ".join(parts)
