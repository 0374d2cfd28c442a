"""Mean expression of genes in groups of cells, in each condition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.plot.cells import cells_per_group, group_labels
from kompot.plot.stored_runs import ExpressionRun, column, run_genes, single_gene
from kompot.records.layers import get_layer, has_layer

__all__ = ["GroupMeans", "chosen_genes", "group_means", "mean_by_group"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GroupMeans:
    """Means of genes in groups, each ``groups x genes``; NaN where there are no cells.

    Attributes
    ----------
    condition1, condition2
        Mean expression.
    fold_changes
        Mean log fold change, condition 2 minus condition 1.
    n_cells1, n_cells2
        Cells of each group in each condition, ``(n_groups,)``.
    what
        What the means are of, in words.
    """

    condition1: pd.DataFrame
    condition2: pd.DataFrame
    fold_changes: pd.DataFrame
    n_cells1: Array
    n_cells2: Array
    what: str


def chosen_genes(
    adata: AnnData,
    run: ExpressionRun,
    genes: Sequence[str] | None,
    n_top: int,
    score_key: str | None = None,
) -> list[str]:
    """Genes by name, or those that a run tested with the strongest scores.

    Parameters
    ----------
    adata
        The data.
    run
        The run.
    genes
        Names; None for the strongest.
    n_top
        How many of those.
    score_key
        Column of ``var``; None for the distance, or the donor-level p-value if there is one. The
        smallest rates and p-values are the strongest.

    Raises
    ------
    ValueError
        If a gene or the column does not exist.
    """
    if genes is not None:
        names = [genes] if isinstance(genes, str) else list(dict.fromkeys(genes))
        for gene in names:
            single_gene(adata, gene)
        return names
    key = score_key or run.scores["donor_pvalue"] or run.scores["mahalanobis"] or run.mean_lfc
    score = pd.Series(column(adata, key).astype(float), index=adata.var_names)
    score = score[run_genes(adata, run)].dropna()
    if str(key).removesuffix("_sample_var").endswith(("pvalue", "fdr", "_ptp")):
        score = score if "neg_log10" in str(key) else -score
    elif key == run.mean_lfc:
        score = score.abs()
    return [str(gene) for gene in score.sort_values(ascending=False, kind="stable").index[:n_top]]


def group_means(  # noqa: PLR0917
    adata: AnnData,
    run: ExpressionRun,
    genes: Sequence[str],
    groupby: str | None,
    layer: str | None,
    condition_column: str | None = None,
    exclude_groups: Sequence[str] = (),
    *,
    observed: bool = True,
) -> GroupMeans:
    """Means in groups: of the smoothed functions if the run stored them, else as measured.

    A smoothed function is averaged over all cells of the group, so that both conditions are
    compared at the same states. Expression as measured is averaged over the cells of each
    condition.

    Parameters
    ----------
    adata
        The data.
    run
        The run.
    genes
        Names of genes.
    groupby
        Column of ``obs``; None for one group of all cells.
    layer
        Layer with expression to average as measured; None for the smoothed functions.
    condition_column
        Column of ``obs`` with the conditions; None for the run's.
    exclude_groups
        Groups to leave out.
    observed
        Leave out groups without cells.

    Raises
    ------
    ValueError
        If a column, a layer or a group does not exist.
    """
    labels = _labels(adata, groupby, exclude_groups, observed=observed)
    in1, in2 = _conditions(adata, run, condition_column)
    counts = [cells_per_group(labels, members) for members in (in1, in2)]
    imputed = run.imputed1, run.imputed2
    is_smoothed = layer is None and all(has_layer(adata, name) for name in imputed)
    either = in1 | in2
    if is_smoothed:
        means = [mean_by_group(adata, name, genes, labels, either) for name in imputed]
        what = "smoothed expression"
    else:
        name = layer if layer is not None else run.layer
        means = [mean_by_group(adata, name, genes, labels, members) for members in (in1, in2)]
        what = "mean expression"
    if layer is None and has_layer(adata, run.fold_change):
        changes = mean_by_group(adata, run.fold_change, genes, labels, either)
    else:
        changes = means[1] - means[0]
    return GroupMeans(means[0], means[1], changes, counts[0], counts[1], what)


def mean_by_group(
    adata: AnnData,
    layer: str | None,
    genes: Sequence[str],
    labels: "pd.Series[Any]",
    members: Mask,
    *,
    above: float | None = None,
) -> pd.DataFrame:
    """Mean of a layer over the chosen cells of each group, ``groups x genes``.

    Parameters
    ----------
    adata
        The data.
    layer
        A layer; None for ``X``.
    genes
        Names of genes.
    labels
        Group of each cell.
    members
        Which cells to average.
    above
        Average whether the value is greater than this, which gives the share of such cells.

    Raises
    ------
    ValueError
        If there is no such layer.
    """
    numbers = [single_gene(adata, gene) for gene in genes]
    block = get_layer(adata, layer, genes=numbers)
    names = labels.cat.categories
    codes = labels.cat.codes.to_numpy()
    means = np.full((len(names), len(numbers)), np.nan)
    for place in range(len(numbers)):
        values = block[:, place].astype(float)
        here = members & (codes >= 0) & np.isfinite(values)
        if above is not None:
            values = (values > above).astype(float)
        sums = np.bincount(codes[here], values[here], minlength=len(names))
        counts = np.bincount(codes[here], minlength=len(names))
        means[:, place] = np.divide(sums, counts, np.full(len(names), np.nan), where=counts > 0)
    return pd.DataFrame(means, index=pd.Index(names, name=labels.name), columns=list(genes))


def _labels(
    adata: AnnData, groupby: str | None, excluded: Sequence[str], *, observed: bool
) -> "pd.Series[Any]":
    """Group of each cell."""
    if groupby is None:
        codes = np.zeros(adata.n_obs, dtype=int)
        return pd.Series(pd.Categorical.from_codes(codes, pd.Index(["all cells"])), name="group")
    labels = group_labels(adata, groupby, observed=observed)
    excluded = [excluded] if isinstance(excluded, str) else list(excluded)
    unknown = [name for name in excluded if name not in labels.cat.categories]
    if unknown:
        msg = f"{unknown} are no groups of {groupby!r}; there are {list(labels.cat.categories)}."
        raise ValueError(msg)
    return labels.cat.remove_categories(excluded)


def _conditions(adata: AnnData, run: ExpressionRun, name: str | None) -> tuple[Mask, Mask]:
    """Which cells are of condition 1, and which of condition 2."""
    name = name or run.record.parameter("groupby")
    if name is None or name not in adata.obs:
        msg = f"{name!r} is no column of adata.obs; give the conditions' as `condition_column`."
        raise ValueError(msg)
    labels = adata.obs[name].astype(str)
    found = [(labels == condition).to_numpy() for condition in (run.condition1, run.condition2)]
    if not (found[0].any() or found[1].any()):
        msg = (
            f"No cell is of condition {run.condition1!r} or {run.condition2!r} in "
            f"adata.obs[{name!r}], which holds {labels.unique()[:10].tolist()}. If it was renamed "
            "after the run, give a column with the conditions of the run as `condition_column`."
        )
        raise ValueError(msg)
    return found[0], found[1]
