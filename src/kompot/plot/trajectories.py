"""A gene along an ordering of the cells: both smoothed functions, and the donors."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_axes, say_on
from kompot.plot.cells import cell_mask, obs_column
from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.stored_runs import (
    ExpressionRun,
    gene_layer,
    read_expression_run,
    stored_layer,
)
from kompot.plot.words import shortened
from kompot.records.layers import has_layer

__all__ = ["running_mean", "trajectory"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_N_PLACES = 120
_LEAST_CELLS = 1.0
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class _Curve:
    """A smoothed function along the ordering."""

    label: str
    color: str
    mean: Array
    std: Array | None


def trajectory(
    adata: AnnData,
    gene: str,
    order: str | tuple[str, int],
    *,
    groups: Any = None,
    sample_col: str | None = None,
    window: float = 0.05,
    colors: Sequence[str] = KOMPOT_COLORS["condition"],
    show_cells: bool = True,
    figsize: tuple[float, float] = (7, 4.5),
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    show_legend: bool = True,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    ax: Axes | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> Axes | Figure:
    r"""Draw a gene's two smoothed functions along an ordering, such as pseudotime.

    At each place :math:`t` the curve is the mean of the function over cells near it, weighted by
    :math:`\exp(-(t_i - t)^2 / 2h^2)`, with :math:`h` the window; both curves use the same cells, so
    they compare the same states. The band is 1.96 posterior standard deviations of the function at
    those cells. Thin lines are the donors: the same mean of their expression as measured.

    Parameters
    ----------
    adata
        Data with the results of :func:`kompot.compute_differential_expression`; not changed.
    gene
        A name of ``adata.var_names``.
    order
        Column of ``adata.obs`` with numbers, or key of ``adata.obsm`` and number of a component.
    groups
        Which cells to use: values by column of ``obs``, or a truth value for each cell; None for
        all. Along one branch of a tree, choose that branch.
    sample_col
        Column of ``obs`` with the donors or samples; None for the run's.
    window
        Width :math:`h` as a share of the range of the ordering, above 0.
    colors
        Of condition 1 and 2.
    show_cells
        Mark along the bottom where the cells are.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    title, xlabel, ylabel
        Texts; None for the gene, the ordering, and what is drawn.
    show_legend
        Explain the colours.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    ax
        Where to draw; a new figure if None.
    return_fig
        Return the figure instead of the Axes.
    save
        Where to save the figure; None does not.

    Returns
    -------
    The Axes; the figure if ``return_fig``.

    Raises
    ------
    ValueError
        If the run, the gene, a column, the ordering or a layer does not exist.
    """
    if not window > 0:
        msg = f"'window' must be greater than 0, got {window!r}."
        raise ValueError(msg)
    run = read_expression_run(adata, run_id, condition1, condition2)
    along, name = _ordering(adata, order)
    members = cell_mask(adata, groups) & np.isfinite(along)
    smoothed = [stored_layer(adata, gene, layer) for layer in (run.imputed1, run.imputed2)]
    donors = _donor_lines(adata, run, sample_col)
    measured = gene_layer(adata, gene, run.layer)

    ax = new_axes(figsize) if ax is None else ax
    ax.set(
        xlabel=xlabel or shortened(name),
        ylabel=ylabel or f"smoothed expression of {shortened(gene, 20)}",
    )
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(shortened(gene) if title is None else title)
    if not members.any():
        say_on(ax, "no chosen cell has a place in the ordering")
        return finished(ax, ax.figure, save, return_fig)
    places = np.linspace(along[members].min(), along[members].max(), _N_PLACES)
    width = window * (np.ptp(places) or 1.0)
    for condition, here in donors:
        lines = here & members & np.isfinite(measured)
        mean = running_mean(along[lines], measured[lines], places, width)
        ax.plot(places, mean, color=colors[condition], linewidth=0.7, alpha=0.6, zorder=1.5)
    for curve in _curves(adata, gene, run, smoothed, (along, places, width), members, colors):
        ax.plot(places, curve.mean, color=curve.color, linewidth=2, label=curve.label, zorder=2.5)
        if curve.std is not None:
            low, high = (curve.mean + sign * _NORMAL_95 * curve.std for sign in (-1, 1))
            ax.fill_between(places, low, high, color=curve.color, alpha=0.2, linewidth=0, zorder=2)
    if show_cells:
        foot = np.full(members.sum(), 0.012)
        ax.scatter(
            *(along[members], foot),
            transform=ax.get_xaxis_transform(),
            marker="|",
            s=10,
            c="0.4",
            linewidths=0.4,
            alpha=0.5,
            rasterized=True,
        )
    if show_legend:
        handles, labels = ax.get_legend_handles_labels()
        if donors:
            handles += ax.plot([], [], color="0.4", linewidth=0.7)
            labels += [f"{len(donors)} samples, as measured"]
        ax.legend(handles, labels, frameon=False, fontsize="small")
    return finished(ax, ax.figure, save, return_fig)


def running_mean(along: Array, values: Array, places: Array, width: float) -> Array:
    """Mean of the values near each place, with normal weights; NaN where there are few cells.

    Parameters
    ----------
    along, values
        Places and values of the cells, ``(n_cells,)``.
    places
        Where to take the mean, ``(n_places,)``.
    width
        Standard deviation of the weights.
    """
    # Cells are put into narrow bins first, so that a million of them cost no more than a thousand.
    edges = np.linspace(places[0] - 1e-9, places[-1] + 1e-9, 20 * len(places) + 1)
    centers = (edges[:-1] + edges[1:]) / 2
    counts, _ = np.histogram(along, edges)
    sums, _ = np.histogram(along, edges, weights=values)
    weights = np.exp(-0.5 * ((places[:, None] - centers) / width) ** 2)
    near, total = weights @ counts, weights @ sums
    return np.divide(total, near, np.full(len(places), np.nan), where=near >= _LEAST_CELLS)


def _ordering(adata: AnnData, order: str | tuple[str, int]) -> tuple[Array, str]:
    """Place of each cell, and what it is called."""
    if isinstance(order, str):
        if order not in adata.obs or not pd.api.types.is_numeric_dtype(adata.obs[order]):
            frame = adata.obs
            numbers = [one for one in frame if pd.api.types.is_numeric_dtype(frame[one])]
            msg = f"'order' must be a column of numbers in adata.obs ({numbers}), got {order!r}."
            raise ValueError(msg)
        return adata.obs[order].to_numpy(np.float64, na_value=np.nan), order
    key, component = order
    if key not in adata.obsm or not 0 <= component < adata.obsm[key].shape[1]:
        msg = f"adata.obsm has no component {component} of {key!r}; there are {list(adata.obsm)}."
        raise ValueError(msg)
    values: Any = adata.obsm[key]
    return np.asarray(values, dtype=np.float64)[:, component], f"{key}, component {component}"


def _donor_lines(
    adata: AnnData, run: ExpressionRun, sample_col: str | None
) -> list[tuple[int, Mask]]:
    """Condition, 0 or 1, and cells of each sample."""
    name = sample_col or run.record.parameter("sample_col")
    groupby = run.record.parameter("groupby")
    if name is None or groupby not in adata.obs:
        return []
    samples = obs_column(adata, name)
    labels = adata.obs[groupby].astype(str)
    found = []
    for number, condition in enumerate((run.condition1, run.condition2)):
        inside = (labels == condition).to_numpy()
        for sample in samples[inside].dropna().unique():
            found.append((number, inside & (samples == sample).to_numpy()))
    return found


def _curves(  # noqa: PLR0917
    adata: AnnData,
    gene: str,
    run: ExpressionRun,
    smoothed: Sequence[Array],
    axis: tuple[Array, Array, float],
    members: Mask,
    colors: Sequence[str],
) -> list[_Curve]:
    """The smoothed functions of both conditions."""
    along, places, width = axis
    curves = []
    names = (run.condition1, run.condition2)
    for label, color, values, std in zip(
        names, colors, smoothed, (run.std1, run.std2), strict=False
    ):
        known = members & np.isfinite(values)
        spread = _spread(adata, gene, std)
        curves.append(
            _Curve(
                shortened(label),
                color,
                running_mean(along[known], values[known], places, width),
                None
                if spread is None
                else running_mean(along[known], spread[known], places, width),
            )
        )
    return curves


def _spread(adata: AnnData, gene: str, name: str | None) -> Array | None:
    """Posterior standard deviation at each cell, the same for all genes or of this one."""
    if has_layer(adata, name):
        return gene_layer(adata, gene, name)
    if name is not None and name in adata.obs:
        return adata.obs[name].to_numpy(np.float64, na_value=np.nan)
    return None
