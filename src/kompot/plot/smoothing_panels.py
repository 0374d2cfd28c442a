"""Smoothed expression on an embedding, gene by gene, with how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from anndata import AnnData
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_figure
from kompot.plot.cells import embedding_positions, point_area
from kompot.plot.gene_panels import draw_cells, value_colors
from kompot.plot.run_records import Record
from kompot.plot.stored_runs import gene_layer
from kompot.plot.words import shortened
from kompot.records.history import recorded_runs
from kompot.records.layers import get_layer, has_layer
from kompot.records.run_choice import find_run
from kompot.records.smoothing_fields import SmoothingFields

__all__ = ["SmoothingPanels", "plot_smoothing"]

_GENES_AT_A_TIME = 256


@dataclass(frozen=True)
class SmoothingPanels:
    """A figure of smoothed genes and its panels.

    Attributes
    ----------
    figure
        The figure.
    axes
        One Axes for each gene (a row) and kind of panel, ``(n_genes, n_panels)``.
    genes
        Names of the genes.
    panels
        ``"expression"``, ``"smoothed"``, ``"std"`` and, if drawn, ``"obs_variance"``.
    """

    figure: Figure | SubFigure
    axes: NDArray[Any]
    genes: tuple[str, ...]
    panels: tuple[str, ...]


def plot_smoothing(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    genes: Sequence[str] | None = None,
    n_top_genes: int = 6,
    basis: str = "X_umap",
    result_key: str = "kompot_smooth",
    condition: str | None = None,
    layer: str | None = None,
    show_obs_variance: bool = True,
    cmap: str = "Spectral_r",
    cmap_std: str = "magma",
    figsize_per_panel: tuple[float, float] = (3.5, 3.0),
    title: str | None = None,
    save: str | PathLike[str] | None = None,
    return_fig: bool = False,
    *,
    figure: Figure | SubFigure | None = None,
) -> SmoothingPanels | Figure:
    """Draw genes as measured, smoothed, and the standard deviation, on an embedding.

    A row for each gene. Measured and smoothed expression have colours of their own, since single
    cells reach further than their mean. The standard deviation is the total one: with samples or an
    observation variance it is that of a cell of a new sample.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_smoothed_expression`; not changed.
    genes
        Names of genes; None for those whose smoothed expression varies most between cells.
    n_top_genes
        How many of these.
    basis
        Key of ``adata.obsm``, of which the first two columns are drawn; ``X_`` may be left out.
    result_key
        Of the run.
    condition
        Condition of the run; None for the last run of this key.
    layer
        Layer of the measured expression; None for the one that was smoothed.
    show_obs_variance
        Draw the variance of single cells, too, if the run stored it.
    cmap, cmap_std
        Colour maps of expression and of standard deviations and variances.
    figsize_per_panel
        Width and height in inches of a panel of a new figure.
    title
        None for whose cells were smoothed.
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
        If the run, a gene, the embedding or a layer does not exist.
    """
    run = _find_run(adata, result_key, condition)
    label = condition if run.number is None else run.parameter("condition")
    fields = SmoothingFields(result_key, label)
    layers = _layers(adata, fields, show_obs_variance=show_obs_variance)
    measured = layer or run.parameter("layer")
    chosen = _chosen(adata, genes, n_top_genes, fields.smoothed.name)
    xy, name = embedding_positions(adata, basis)

    panels = ("expression", *layers)
    if figure is None:
        width, height = figsize_per_panel
        figure = new_figure((width * len(panels), height * len(chosen) + 0.4))
    axes: Any = figure.subplots(len(chosen), len(panels), squeeze=False)
    size = point_area(axes[0, 0], len(xy))
    texts = {"std": "standard deviation", "obs_variance": "variance of single cells"}
    for row, gene in zip(axes, chosen, strict=True):
        for ax, panel in zip(row, panels, strict=True):
            values = gene_layer(adata, gene, measured if panel == "expression" else layers[panel])
            colors = value_colors(values, cmap if panel in ("expression", "smoothed") else cmap_std)
            draw_cells(ax, xy, values, colors, size)
        row[0].set_ylabel(shortened(gene, 20))
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.set_title(texts.get(panel, panel))
    axes[-1, 0].set_xlabel(f"{shortened(name)} 1 and 2")
    whose = "all cells" if label is None else shortened(label, 24)
    figure.suptitle(title or f"Smoothed expression of {whose}")
    return finished(SmoothingPanels(figure, axes, chosen, panels), figure, save, return_fig)


def _find_run(adata: AnnData, result_key: str, condition: str | None) -> Record:
    """The last run of a key and condition; a record without entries if none is recorded.

    Raises
    ------
    ValueError
        If runs are recorded, but none of these.
    """
    if not recorded_runs(adata, "smooth"):
        return Record(None, {})
    number, runs = find_run(adata, "smooth", result_key=result_key, labels={"condition": condition})
    return Record(number, runs[number])


def _layers(adata: AnnData, fields: SmoothingFields, *, show_obs_variance: bool) -> dict[str, str]:
    """Names of the layers to draw by panel."""
    found = {"smoothed": fields.smoothed.name, "std": fields.std.name}
    for name in found.values():
        if not has_layer(adata, name):
            stored = [one for one in adata.layers if one is not None]
            msg = (
                f"The layer {name!r} does not exist; there are {stored}. Run "
                "compute_smoothed_expression first."
            )
            raise ValueError(msg)
    if show_obs_variance and fields.obs_variance.name in adata.layers:
        found["obs_variance"] = fields.obs_variance.name
    return found


def _chosen(
    adata: AnnData, genes: Sequence[str] | None, n_top_genes: int, smoothed: str
) -> tuple[str, ...]:
    """The genes to draw: given, or those whose smoothed expression varies most."""
    if genes is not None:
        chosen = (genes,) if isinstance(genes, str) else tuple(genes)
        if not chosen:
            msg = "The `genes` list is empty; give at least one gene, or None for the most varying."
            raise ValueError(msg)
        return chosen
    places = [
        slice(start, start + _GENES_AT_A_TIME) for start in range(0, adata.n_vars, _GENES_AT_A_TIME)
    ]
    blocks = (get_layer(adata, smoothed, genes=place) for place in places)
    spread = np.concatenate([_variance(np.asarray(block, np.float64)) for block in blocks])
    order = np.argsort(-spread, kind="stable")[:n_top_genes]
    return tuple(str(name) for name in adata.var_names[order[spread[order] >= 0]])


def _variance(block: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of each column over the cells that have values; -1 for none."""
    known = np.isfinite(block)
    n_cells = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, block, 0.0)
    mean = values.sum(axis=0) / n_cells
    variance: NDArray[np.float64] = np.square(np.where(known, block - mean, 0.0)).sum(0) / n_cells
    return np.where(known.any(axis=0), variance, -1.0)
