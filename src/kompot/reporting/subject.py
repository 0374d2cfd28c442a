"""What a page is about: the data, its runs, and the choices that the figures need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from kompot.plot.cells import embedding_positions, group_labels
from kompot.plot.run_records import Record
from kompot.plot.stored_abundance import AbundanceRun, read_abundance_run
from kompot.plot.stored_runs import ExpressionRun, read_expression_run, run_genes
from kompot.records.history import recorded_runs
from kompot.reporting.gene_columns import GeneColumn, gene_columns, ranking

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Subject", "read_subject"]

# Embeddings made to be looked at, and columns that usually hold kinds of cells.
_BASES = ("X_umap", "X_tsne", "X_draw_graph_fa", "X_phate", "X_tree", "X_pca")
_GROUPS = ("cell_type", "celltype", "cell_types", "leiden", "louvain", "cluster", "branch")
_MOST_GROUPS = 60


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    Attributes
    ----------
    adata
        The data.
    expression, abundance
        The runs; None if there is none.
    basis
        Embedding to draw cells on; None if there is none.
    groupby
        Column of ``obs`` with groups of cells; None if there is none.
    columns
        Columns of the gene table.
    order
        Genes from the strongest, as numbers, of those that were tested.
    n_genes
        How many genes have figures of their own.
    title
        Title of the page.
    """

    adata: AnnData
    expression: ExpressionRun | None
    abundance: AbundanceRun | None
    basis: str | None
    groupby: str | None
    columns: Sequence[GeneColumn]
    order: Any
    n_genes: int
    title: str

    @property
    def records(self) -> dict[str, Record]:
        """Records of the runs by kind, ``"de"`` and ``"da"``."""
        runs = {"de": self.expression, "da": self.abundance}
        return {kind: run.record for kind, run in runs.items() if run is not None}

    @property
    def conditions(self) -> tuple[str, str]:
        """Labels of condition 1 and 2."""
        run = self.expression or self.abundance
        return ("", "") if run is None else (run.condition1, run.condition2)

    @property
    def top_genes(self) -> list[str]:
        """The genes that have figures of their own."""
        genes = [str(self.adata.var_names[number]) for number in self.order]
        counts = self.adata.var_names.value_counts()
        return [gene for gene in genes if counts[gene] == 1][: self.n_genes]

    def column(self, key: str, group: str | None = None) -> GeneColumn | None:
        """A column of the gene table; None if the run did not store it."""
        found = (one for one in self.columns if (one.key, one.group) == (key, group))
        return next(found, None)

    def groups(self) -> "pd.Series[Any] | None":
        """Group of each cell."""
        return None if self.groupby is None else group_labels(self.adata, self.groupby)

    def cells(self, kind: str) -> dict[str, Any]:
        """Which cells are of each condition of a run; empty if their column is gone."""
        record = self.records[kind]
        name = record.parameter("groupby")
        if name not in self.adata.obs:
            return {}
        labels = self.adata.obs[name].astype(str)
        return {record.label(k): (labels == record.label(k)).to_numpy() for k in (1, 2)}


def read_subject(  # noqa: PLR0917
    adata: AnnData,
    de_run: int,
    da_run: int,
    groupby: str | None,
    basis: str | None,
    n_genes: int,
    title: str | None,
) -> Subject:
    """Read what a page needs.

    Raises
    ------
    ValueError
        If no run is recorded, or a run, a column or an embedding that was named does not exist.
    """
    expression = read_expression_run(adata, de_run) if recorded_runs(adata, "de") else None
    abundance = read_abundance_run(adata, da_run) if recorded_runs(adata, "da") else None
    if expression is None and abundance is None:
        msg = (
            "The data hold no recorded run. Run compute_differential_expression or "
            "compute_differential_abundance first."
        )
        raise ValueError(msg)
    if basis is not None:
        embedding_positions(adata, basis)
    if groupby is not None:
        group_labels(adata, groupby)
    columns = [] if expression is None else gene_columns(adata, expression)
    order = ranking(columns)
    tested = np.zeros(adata.n_vars, dtype=bool)
    for column in columns:
        tested |= np.isfinite(column.values) if column.kind == "number" else False
    if expression is not None:
        tested &= run_genes(adata, expression)
    order = order[tested[order]] if len(order) else order
    run = expression or abundance
    between = "" if run is None else f"{run.condition1} to {run.condition2}"
    return Subject(
        adata,
        expression,
        abundance,
        basis or _basis(adata),
        groupby or _groupby(adata, expression, abundance),
        columns,
        order,
        n_genes,
        title or f"Comparison of {between}",
    )


def _basis(adata: AnnData) -> str | None:
    """An embedding to look at."""
    shapes = {name: value.shape for name, value in adata.obsm.items()}
    usable = [name for name, shape in shapes.items() if len(shape) == 2 and shape[1] >= 2]
    return next((name for name in (*_BASES, *usable) if name in usable), None)


def _groupby(
    adata: AnnData, expression: ExpressionRun | None, abundance: AbundanceRun | None
) -> str | None:
    """The column of groups that a run had, else one of the usual name."""
    runs = [run for run in (abundance, expression) if run is not None]
    given = [run.record.parameter("groups") for run in runs]
    for name in [*(one for one in given if isinstance(one, str)), *_GROUPS]:
        if name in adata.obs and adata.obs[name].nunique() <= _MOST_GROUPS:
            return str(name)
    return None
