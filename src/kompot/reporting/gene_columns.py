"""The gene table of a page: its columns, and the text in which the page carries them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.plot.stored_runs import GROUP_SCORES, ExpressionRun, group_table

__all__ = ["GeneColumn", "gene_columns", "page_data", "ranking"]

_TITLES = {
    "mean_lfc": "mean log fold change",
    "is_de": "called",
    "mahalanobis": "distance",
    "donor_fdr": "donor FDR",
    "donor_pvalue": "donor p",
    "donor_lfc": "donor change",
    "donor_region": "strongest in",
    "local_fdr": "local FDR",
    "tail_fdr": "tail FDR",
    "pvalue": "p",
    "ptp": "tail probability",
}
_IN_GROUPS = ("mean_lfc", "is_de", "mahalanobis", "donor_fdr", "local_fdr")


@dataclass(frozen=True)
class GeneColumn:
    """A column of the gene table.

    Attributes
    ----------
    key
        What it holds, the same for all groups (``mean_lfc``, ``mahalanobis``, ...).
    title
        Its heading.
    group
        The group that it is about; None for all cells.
    values
        One for each gene: numbers, or 1 and 0 for yes and no, NaN for none; or texts, None for
        none.
    kind
        ``"number"``, ``"flag"`` for yes and no, or ``"text"``.
    """

    key: str
    title: str
    group: str | None
    values: NDArray[Any]
    kind: str = "number"


def gene_columns(adata: AnnData, run: ExpressionRun) -> list[GeneColumn]:
    """What a run stored of each gene, over all cells and in its groups."""
    stored = {
        "mean_lfc": run.mean_lfc,
        "is_de": run.is_de,
        "donor_lfc": run.record.field("var", "_donor_lfc", "donor_lfc"),
        "donor_region": run.donor_region,
        **run.scores,
    }
    columns = []
    for key, title in _TITLES.items():
        name = stored.get(key)
        if name is not None and name in adata.var:
            columns.append(_column(key, title, None, adata.var[name]))
    tables = {
        key: group_table(adata, run, key)
        for key in _IN_GROUPS
        if key in GROUP_SCORES and key in run.groups
    }
    groups = dict.fromkeys(name for table in tables.values() for name in table.columns)
    for group in groups:
        for key, table in tables.items():
            if group in table:
                columns.append(_column(key, _TITLES[key], str(group), table[group]))
    return columns


def ranking(columns: Sequence[GeneColumn]) -> NDArray[np.intp]:
    """Genes from the strongest: by donor-level p-value, else distance, else fold change."""
    known = {column.key: column.values for column in columns if column.group is None}
    if "donor_pvalue" in known:
        weakness = known["donor_pvalue"]
    elif "mahalanobis" in known:
        weakness = -known["mahalanobis"]
    elif "mean_lfc" in known:
        weakness = -np.abs(known["mean_lfc"])
    else:
        return np.arange(len(next(iter(known.values()), [])))
    strength = -np.abs(known["mean_lfc"]) if "mean_lfc" in known else np.zeros(len(weakness))
    return np.lexsort([np.nan_to_num(strength), np.where(np.isnan(weakness), np.inf, weakness)])


def page_data(
    genes: Iterable[str],
    columns: Sequence[GeneColumn],
    order: NDArray[np.intp],
    conditions: tuple[str, str],
) -> str:
    r"""The table as JSON that may stand in a page, genes in the given order.

    Numbers have five digits. ``<``, ``>`` and ``&`` are written ``\u003c`` and so on, so that no
    name can end the element that holds the text.

    Parameters
    ----------
    genes
        Names of the genes.
    columns
        The columns.
    order
        Genes in the order of the table.
    conditions
        Labels of condition 1 and 2.
    """
    names = np.asarray(list(genes), dtype=object)[order]
    head = json.dumps({"conditions": conditions, "genes": [str(name) for name in names]})
    texts = []
    for column in columns:
        about = json.dumps(
            {
                "key": column.key,
                "title": column.title,
                "group": column.group,
                "kind": column.kind,
            }
        )
        written = json.dumps if column.kind == "text" else _digits
        values = ",".join(map(written, column.values[order].tolist()))
        texts.append(f'{about[:-1]}, "values": [{values}]}}')
    text = f'{head[:-1]}, "columns": [{",".join(texts)}]}}'
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _column(key: str, title: str, group: str | None, values: "pd.Series[Any]") -> GeneColumn:
    """A column of numbers, or of yes and no."""
    if key == "is_de":
        flags = values.map({True: 1.0, False: 0.0}).to_numpy(np.float64, na_value=np.nan)
        return GeneColumn(key, title, group, np.asarray(flags, np.float64), "flag")
    if key == "donor_region":
        texts = [None if pd.isna(one) or one == "" else str(one) for one in values]
        return GeneColumn(key, title, group, np.array(texts, dtype=object), "text")
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return GeneColumn(key, title, group, np.asarray(numbers, np.float64))


def _digits(value: float) -> str:
    """A number as JSON knows it; null for none."""
    return f"{value:.5g}" if -np.inf < value < np.inf else "null"
