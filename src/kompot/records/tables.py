"""Gene tables of recorded runs, read from the fields that the runs stored."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.records.group_names import stored_group
from kompot.records.recorded import recorded_fields, warn_if_overwritten
from kompot.records.run_choice import find_run

__all__ = ["genes_of_run", "get_table", "long_table", "ranked"]

_COLUMNS = {
    "mean_log_fold_change": "mean_lfc",
    "weighted_mean_log_fold_change": "weighted_mean_lfc",
}
"""Columns of fields whose type is longer."""
_ORDER = (
    *("mean_lfc", "pvalue", "local_fdr", "tail_fdr", "is_de", "mahalanobis", "ptp"),
    *("weighted_mean_lfc", "composition_change", "expression_change"),
)


def get_table(
    adata: AnnData, run_id: int = -1, group: str | Sequence[str] | bool | None = None
) -> pd.DataFrame:
    """The gene table of a run of differential expression, strongest evidence first.

    Parameters
    ----------
    adata
        Data with results.
    run_id
        Number of the run from 0, or from the end if negative.
    group
        None for the comparison of all cells. The name of a group, a list of names or True for all
        groups of the run: their tables one after the other, with the column ``group``.

    Returns
    -------
    One row for each gene that the run tested (in each group), indexed by ``gene``: by increasing
    ``donor_pvalue`` if samples were compared, else by decreasing ``mahalanobis`` distance, or by
    the size of ``mean_lfc`` if there are none. Columns are what the run stored of ``mean_lfc``,
    ``pvalue``, ``local_fdr``, ``tail_fdr``, ``is_de``, ``mahalanobis``, ``ptp``,
    ``weighted_mean_lfc``, ``composition_change``, ``expression_change`` and, if samples were
    compared, ``donor_pvalue``, ``donor_fdr``, ``donor_region`` and ``donor_lfc``; natural log.

    Raises
    ------
    ValueError
        If there is no such run or group, or its fields were removed.

    Warns
    -----
    UserWarning
        If a newer run wrote the same fields: the values are then its own.

    Examples
    --------
    >>> kompot.get_table(adata).head()  # doctest: +SKIP
    >>> kompot.get_table(adata, group=True).to_csv("groups.csv")  # doctest: +SKIP
    """
    number, runs = find_run(adata, "de", run_id)
    run = runs[number]
    location = "var" if group is None else "varm"
    names = _stored_names(run, location, getattr(adata, location))
    if not names:
        raise ValueError(_nothing_stored(run, number, location))
    warn_if_overwritten(runs, number, [(location, name) for name in names.values()])
    tested = genes_of_run(adata, run)
    if group is None:
        table = pd.DataFrame({column: adata.var[name] for column, name in names.items()})
        return _named(ranked(table[tested]))
    frames = {column: pd.DataFrame(adata.varm[name]) for column, name in names.items()}
    tables = {}
    for name in _chosen_groups(run, frames, group):
        columns = {column: np.asarray(frame[name]) for column, frame in frames.items()}
        tables[name] = pd.DataFrame(columns, index=adata.var_names)[tested]
    return _named(long_table(tables))


def ranked(table: pd.DataFrame) -> pd.DataFrame:
    """Genes by their evidence.

    By p-value if samples were compared, and otherwise, or where these are equal, by decreasing
    distance, or size of the fold change if there are no distances. Missing values come last, equal
    ones stay in their order.

    Parameters
    ----------
    table
        One row for each gene; without any of these it stays as it is.
    """
    if "mahalanobis" in table:
        table = table.sort_values("mahalanobis", ascending=False, kind="stable")
    elif "mean_lfc" in table:
        table = table.iloc[np.argsort(-table["mean_lfc"].abs().to_numpy(), kind="stable")]
    p = "donor_pvalue" if "donor_pvalue" in table else "pvalue"
    is_donor_level = p in table and any(str(name).startswith("donor_") for name in table)
    return table.sort_values(p, kind="stable") if is_donor_level else table


def long_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Gene tables of groups one after the other, each :func:`ranked`, with the column ``group``.

    Parameters
    ----------
    tables
        Table of each group by its name, all with the same columns.
    """
    long = pd.concat([ranked(table) for table in tables.values()])
    lengths = [len(table) for table in tables.values()]
    groups = pd.Categorical(np.repeat(list(tables), lengths), list(tables))
    return pd.concat([pd.Series(groups, long.index, name="group"), long], axis="columns")


def _stored_names(run: Mapping[str, Any], location: str, holder: Any) -> dict[str, str]:
    """Column of the table to name of the field, for fields that exist, in the usual order."""
    names = {}
    for field in recorded_fields(run):
        if field.location != location or field.name not in holder:
            continue
        if location == "var" or isinstance(holder[field.name], pd.DataFrame):  # no weights of genes
            kind = field.type.removeprefix("mahalanobis_")
            column = "neg_log10_ptp" if "neg_log10_ptp" in field.name else _COLUMNS.get(kind, kind)
            names[column] = field.name
    known = [column for column in _ORDER if column in names]
    others = [column for column in names if column not in known]
    return {column: names[column] for column in [*known, *others]}


def _nothing_stored(run: Mapping[str, Any], number: int, location: str) -> str:
    """Why a run has no table, and what to do."""
    if location == "varm" and not run.get("has_groups"):
        return f"Run {number} has no groups; repeat it with `groups`, or give group=None."
    return (
        f"The fields of run {number} are no longer in adata.{location}; repeat the run with the "
        "parameters in its record."
    )


def genes_of_run(adata: AnnData, run: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which genes the run tested, ``(n_vars,)``."""
    genes = run.get("params", {}).get("genes")
    if genes is None:
        return np.ones(adata.n_vars, dtype=bool)
    return np.asarray(adata.var_names.isin(genes))


def _chosen_groups(
    run: Mapping[str, Any], frames: Mapping[str, pd.DataFrame], group: str | Sequence[str] | bool
) -> list[str]:
    """Names of groups that were asked for."""
    stored = [str(name) for name in next(iter(frames.values())).columns]
    if group is True:
        recorded = run.get("subset_names", stored)
        return [name for name in recorded if name in stored]
    if isinstance(group, str) or not isinstance(group, Iterable):
        group = [] if group is None or group is False else [str(group)]
    chosen = [name if name in stored else stored_group(name) for name in group]
    absent = [name for name in chosen if name not in stored]
    if absent or not chosen:
        msg = f"`group`: {absent or chosen} not found; the run has the groups {stored[:50]}."
        raise ValueError(msg)
    return chosen


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its rows called genes."""
    return table.rename_axis(index="gene")
