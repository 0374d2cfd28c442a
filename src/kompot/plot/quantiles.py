"""Observed p-values against those expected if nothing changed."""

from collections.abc import Mapping
from os import PathLike
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from kompot.plot.canvas import finished, new_axes, say_on
from kompot.plot.colors import distinct_colors
from kompot.plot.stored_runs import (
    ExpressionRun,
    column,
    group_table,
    read_expression_run,
    run_genes,
)
from kompot.plot.words import shortened

__all__ = ["HasPValues", "qq"]

Array = NDArray[np.float64]

_MOST_POINTS = 4000
_KINDS = {
    "donor_pvalue": "p between donors",
    "pvalue": "p from shuffled genes",
    "ptp": "tail probability",
}


@runtime_checkable
class HasPValues(Protocol):
    """A result with p-values of several sets, :class:`kompot.NullCheck` for one."""

    @property
    def p_values(self) -> pd.DataFrame:
        """P-values, a column for each set."""
        ...


def qq(
    pvalues: AnnData | HasPValues | pd.DataFrame | Mapping[str, Any] | Any,
    *,
    key: str | None = None,
    groups: bool = False,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    band: float | None = 0.95,
    title: str | None = None,
    point_size: float = 4,
    figsize: tuple[float, float] = (5.5, 5.5),
    show_legend: bool = True,
    ax: Axes | None = None,
    return_fig: bool = False,
    save: str | PathLike[str] | None = None,
) -> Axes | Figure:
    r"""Draw p-values by their quantiles, both as -log10.

    The :math:`k`-th smallest of :math:`n` uniform p-values is on average :math:`k/(n+1)`, and has
    the distribution :math:`\mathrm{Beta}(k, n + 1 - k)`, whose central part is the grey band. Where
    nothing changes the points stay in it; real changes leave it on the right, upwards. Points that
    leave it from the left on tell that the p-values are too small or too large for everything.

    Parameters
    ----------
    pvalues
        Data with the results of :func:`kompot.compute_differential_expression`; or what
        :func:`kompot.null_check` returned; or p-values, or several sets of them by name.
    key
        Column of ``adata.var``; None for the run's donor-level p-values, else its p-values, else
        its tail probabilities.
    groups
        Draw the p-values of each group of the run.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Conditions of the run; None for any.
    band
        Probability of the band, between 0 and 1; None for no band.
    title
        None for none.
    point_size
        Diameter of a point in 1/72 inch.
    figsize
        Width and height in inches of a new figure, if ``ax`` is None.
    show_legend
        Name the sets of p-values.
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
        If the run stored no p-values, or some are not between 0 and 1.
    """
    if isinstance(pvalues, AnnData):
        run = read_expression_run(pvalues, run_id, condition1, condition2, is_needed=key is None)
        sets = _of_run(pvalues, run, key, is_grouped=groups)
    elif isinstance(pvalues, pd.DataFrame | Mapping):  # also with a column "p_values"
        sets = {str(name): np.asarray(values, dtype=float) for name, values in pvalues.items()}
    elif isinstance(pvalues, HasPValues):
        named = pvalues.p_values
        sets = {str(name): np.asarray(values, dtype=float) for name, values in named.items()}
    else:
        sets = {"p-values": np.asarray(pvalues, dtype=float).ravel()}
    known = {name: _checked(name, values) for name, values in sets.items()}
    ax = new_axes(figsize) if ax is None else ax
    largest = max((len(values) for values in known.values()), default=0)
    if not largest:
        say_on(ax, "there are no p-values")
        return finished(ax, ax.figure, save, return_fig)

    colors = ["#1f4e79"] if len(known) == 1 else distinct_colors(len(known))
    if band is not None:
        _draw_band(ax, largest, band)
    end = -np.log10(1 / (largest + 1))
    ax.plot([0, end], [0, end], color="0.4", linewidth=0.8, linestyle="--", zorder=1)
    n_columns = 1 + (len(known) - 1) // 18
    for (name, values), color in zip(known.items(), colors, strict=True):
        expected, observed = _quantiles(values)
        ax.scatter(
            expected,
            observed,
            s=point_size**2,
            c=color,
            linewidths=0,
            rasterized=True,
            label=f"{shortened(name, 36 // n_columns)} ({len(values)})",
            zorder=2,
        )
    ax.set(xlabel="expected -log10 p", ylabel="observed -log10 p")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.spines[["top", "right"]].set_visible(False)
    if show_legend:
        ax.legend(frameon=False, fontsize="small", ncols=n_columns)
    if title:
        ax.set_title(title)
    return finished(ax, ax.figure, save, return_fig)


def _of_run(
    adata: AnnData, run: ExpressionRun, key: str | None, *, is_grouped: bool
) -> dict[str, Array]:
    """P-values that a run stored, by what they are."""
    if is_grouped:
        stored = [kind for kind in _KINDS if kind in run.groups]
        if run.groups and not stored:
            msg = (
                "The run stored no p-values of groups. Repeat compute_differential_expression with "
                "store_additional_stats=True."
            )
            raise ValueError(msg)
        table = group_table(adata, run, stored[0] if stored else "donor_pvalue")
        return {str(name): table[name].to_numpy(float) for name in table}
    stored = [kind for kind in _KINDS if run.scores[kind] is not None]
    if key is None and not stored:
        msg = (
            "The run stored no p-values. Repeat compute_differential_expression with "
            "store_additional_stats=True, or name a column of adata.var as `key`."
        )
        raise ValueError(msg)
    name = key or run.scores[stored[0]]
    values = column(adata, name).astype(float)
    values = values[run_genes(adata, run)] if key is None else values
    title = _KINDS[stored[0]] if key is None else key
    return {title: 10**-values if "neg_log10" in str(name) else values}


def _checked(name: str, values: Array) -> Array:
    """P-values without missing ones."""
    known = values[np.isfinite(values)]
    outside = known[(known < 0) | (known > 1)]
    if len(outside):
        msg = f"P-values must be between 0 and 1, got {outside[0]:g} in {name!r}."
        raise ValueError(msg)
    return known


def _quantiles(values: Array) -> tuple[Array, Array]:
    """Expected and observed -log10, all of the smallest p-values and a choice of the others."""
    order = np.sort(values)
    positive = order[order > 0]
    least = positive[0] if len(positive) else 1e-300
    ranks = np.arange(1, len(order) + 1)
    if len(order) > _MOST_POINTS:
        chosen = np.unique(np.geomspace(1, len(order), _MOST_POINTS).astype(int))
        ranks, order = chosen, order[chosen - 1]
    # + 0.0 makes zeros of negative zeros.
    return -np.log10(ranks / (len(values) + 1)), -np.log10(np.maximum(order, least)) + 0.0


def _draw_band(ax: Axes, n: int, probability: float) -> None:
    """Where the p-values of no changes lie with some probability, each by itself."""
    from scipy import special

    ranks = np.unique(np.geomspace(1, n, 300).astype(int))
    tail = (1 - probability) / 2
    low, high = (special.betaincinv(ranks, n + 1 - ranks, q) for q in (tail, 1 - tail))
    expected = -np.log10(ranks / (n + 1))
    ax.fill_between(
        expected, -np.log10(high), -np.log10(low), color="0.88", linewidth=0, zorder=0.5
    )
