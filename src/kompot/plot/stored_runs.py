"""What plots read of an expression run: the fields that its record names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.plot.run_records import Record, find_record
from kompot.records.factored import factored_layers
from kompot.records.layers import get_layer
from kompot.records.tables import genes_of_run

__all__ = [
    "GROUP_SCORES",
    "SCORES",
    "ExpressionRun",
    "column",
    "gene_layer",
    "group_table",
    "read_expression_run",
    "run_genes",
    "single_gene",
    "stored_layer",
]

# Scores of a gene and what a run needs in order to store them.
SCORES = {
    "mahalanobis": "compute_mahalanobis=True",
    "local_fdr": "null genes (`null_genes`) or samples (`sample_col`)",
    "tail_fdr": "null genes and store_additional_stats=True",
    "ptp": "store_additional_stats=True",
    "pvalue": "null genes and store_additional_stats=True",
    "donor_pvalue": "samples (`sample_col`)",
    "donor_fdr": "samples (`sample_col`)",
}

# Results of each group, and the beginnings of the names of their tables in ``varm``.
GROUP_SCORES = {
    "mean_lfc": ("mean_lfc", "mean_log_fold_change"),
    "mahalanobis": ("mahalanobis", "mahalanobis"),
    "local_fdr": ("mahalanobis_local_fdr", "local_fdr"),
    "is_de": ("is_de", "is_de"),
    "tail_fdr": ("mahalanobis_tail_fdr", "tail_fdr"),
    "ptp": ("ptp", "ptp"),
    "pvalue": ("mahalanobis_pvalue", "pvalue"),
    "donor_pvalue": ("donor_pvalue", "donor_pvalue"),
    "donor_fdr": ("donor_fdr", "donor_fdr"),
    "donor_lfc": ("donor_lfc", "donor_lfc"),
}


@dataclass(frozen=True)
class ExpressionRun:
    """Where a run of differential expression stored its results.

    Attributes
    ----------
    condition1, condition2
        Labels of the conditions.
    layer
        Layer with the expression that was analysed, None for ``X``.
    mean_lfc, is_de
        Columns of ``var``; None if not stored.
    scores
        Column of ``var`` of each of `SCORES`; None if not stored.
    imputed1, imputed2, fold_change, zscores
        Layers, whole or as factors (:func:`kompot.get_layer`); None if not stored.
    std1, std2
        Posterior standard deviations, columns of ``obs`` or layers; None if not stored.
    donor_region
        Column of ``var`` with the region of the strongest donor-level evidence; None if not stored.
    groups
        Keys of ``varm`` by the names in `GROUP_SCORES`.
    record
        The whole record.
    """

    condition1: str
    condition2: str
    layer: str | None
    mean_lfc: str | None
    is_de: str | None
    scores: Mapping[str, str | None]
    imputed1: str | None
    imputed2: str | None
    fold_change: str | None
    zscores: str | None = None
    std1: str | None = None
    std2: str | None = None
    donor_region: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    record: Record = field(default_factory=lambda: Record(None, {}))

    @property
    def is_donor_level(self) -> bool:
        """Whether genes are called by differences between donors."""
        level = self.record.entries.get("inference_level")
        return level == "donor" or (level is None and self.scores["donor_fdr"] is not None)

    def score_of(self, name: str) -> str | None:
        """Which of `SCORES` a column holds; None if it is no score of the run."""
        return next((score for score, stored in self.scores.items() if stored == name), None)

    def score_column(self, score: str) -> str:
        """Column of one of `SCORES`.

        Raises
        ------
        ValueError
            If there is no such score, or the run did not store it.
        """
        if score not in SCORES:
            msg = f"'y_axis_type' must be one of {list(SCORES)}, got {score!r}."
            raise ValueError(msg)
        name = self.scores[score]
        if name is None:
            need = f"Repeat compute_differential_expression with {SCORES[score]}"
            if self.is_donor_level and "null genes" in SCORES[score]:
                need = "It compared samples: use 'donor_fdr' or 'donor_pvalue'"
            msg = (
                f"The run stored no {score!r}. {need}, or name a column of adata.var as "
                "`score_key`."
            )
            raise ValueError(msg)
        return name


def read_expression_run(
    adata: AnnData,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    *,
    is_needed: bool = True,
    named: str | None = None,
) -> ExpressionRun:
    """The record of a run, also of newer versions of the original, with ``smoothed`` layers.

    Parameters
    ----------
    adata
        Data with results.
    run_id
        Number of the run from 0, or from the end if negative.
    condition1, condition2
        Labels to find the run by: only runs of these conditions count from the end.
    is_needed
        Otherwise data without a recorded run give a record without fields.
    named
        A column of ``var`` to find the run by, as in :func:`find_record`.

    Raises
    ------
    ValueError
        If there is no such run.
    """
    record = find_record(
        adata, "de", run_id, condition1, condition2, is_needed=is_needed, named=named
    )
    run = record.entries
    layers = run.get("imputed_layer_keys") or run.get("smoothed_layer_keys") or {}
    fdr = run.get("fdr_keys") or {}
    names = run.get("field_names") or {}
    made = {layer.field.role: name for name, layer in factored_layers(run).items()}
    return ExpressionRun(
        condition1=record.label(1),
        condition2=record.label(2),
        layer=record.parameter("layer"),
        mean_lfc=run.get("lfc_key"),
        is_de=fdr.get("is_de_key") or record.field("var", "_is_de", "is_de"),
        scores={
            "mahalanobis": run.get("mahalanobis_key"),
            "local_fdr": fdr.get("local_fdr_key"),
            "tail_fdr": fdr.get("tail_fdr_key"),
            "ptp": run.get("ptp_key"),
            "pvalue": fdr.get("pvalue_key"),
            "donor_pvalue": record.field("var", "_donor_pvalue", "donor_pvalue"),
            "donor_fdr": record.field("var", "_donor_fdr", "donor_fdr"),
        },
        imputed1=layers.get("condition1"),
        imputed2=layers.get("condition2"),
        fold_change=layers.get("fold_change"),
        zscores=record.field("layers", "_fold_change_zscores", "fold_change_zscores")
        or made.get("fold_change_zscores_key"),
        std1=names.get("std_key_1") or made.get("std_key_1"),
        std2=names.get("std_key_2") or made.get("std_key_2"),
        donor_region=record.field("var", "_donor_region", "donor_region"),
        groups=_group_keys(adata, record),
        record=record,
    )


def run_genes(adata: AnnData, run: ExpressionRun) -> NDArray[np.bool_]:
    """Which genes a run tested, ``(n_vars,)``; its fields hold values of older runs elsewhere."""
    return genes_of_run(adata, run.record.entries)


def column(adata: AnnData, name: str | None) -> NDArray[Any]:
    """A column of ``var``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name is None or name not in adata.var:
        msg = (
            f"{name!r} is no column of adata.var. Run compute_differential_expression on these "
            "data, or name an existing column."
        )
        raise ValueError(msg)
    return np.asarray(adata.var[name].to_numpy())


def group_table(adata: AnnData, run: ExpressionRun, score: str) -> pd.DataFrame:
    """A result of each gene in each group, genes x groups; missing for genes not tested.

    Parameters
    ----------
    adata
        Data with results.
    run
        The run.
    score
        One of `GROUP_SCORES`.

    Raises
    ------
    ValueError
        If the run stored no such result.
    """
    key = run.groups.get(score)
    if key is None:
        what = "it had no groups. Repeat compute_differential_expression with `groups`."
        if run.groups:
            what = f"it stored {sorted(run.groups)} of groups; choose one of these."
        msg = f"The run stored no {score!r} of groups; {what}"
        raise ValueError(msg)
    table: Any = adata.varm[key]
    named: pd.DataFrame = table.set_axis(table.columns.astype(str), axis=1)
    tested = run_genes(adata, run)
    return named if tested.all() else named.where(np.broadcast_to(tested[:, None], named.shape))


def single_gene(adata: AnnData, gene: str) -> int:
    """The column number of a gene.

    Raises
    ------
    ValueError
        If there is no such gene, or several genes have that name.
    """
    number = int((adata.var_names == gene).sum())
    if number != 1:
        found = f"{number} genes are" if number else "No gene is"
        msg = f"{found} called {gene!r}; give one name of adata.var_names."
        raise ValueError(msg)
    place: Any = adata.var_names.get_loc(gene)
    return int(place)


def gene_layer(adata: AnnData, gene: str, layer: str | None) -> NDArray[np.float64]:
    """Expression of a gene in a layer, or in ``X`` for None, ``(n_cells,)``.

    Raises
    ------
    ValueError
        If there is no such gene or layer, or several genes have that name.
    """
    block = get_layer(adata, layer, genes=[single_gene(adata, gene)])
    return block[:, 0].astype(np.float64)


def stored_layer(adata: AnnData, gene: str, layer: str | None) -> NDArray[np.float64]:
    """Values of a gene in a layer that a run may have stored, ``(n_cells,)``.

    Raises
    ------
    ValueError
        If it stored none, or as :func:`gene_layer` does.
    """
    if layer is None:
        msg = (
            "The run stored no layers. Repeat compute_differential_expression with layers='dense' "
            "or 'factored'."
        )
        raise ValueError(msg)
    return gene_layer(adata, gene, layer)


def _group_keys(adata: AnnData, record: Record) -> dict[str, str]:
    """Tables of the run in ``varm``, with or without the mark of sample variance.

    A record that lists its fields names them all: others are of older runs.
    """
    lfc = record.entries.get("lfc_key")
    if not isinstance(lfc, str):
        return {}
    stem, found = lfc.removesuffix("mean_lfc"), dict[str, str]()
    recorded = record.entries.get("field_mapping") or {}
    for score, (beginning, kind) in GROUP_SCORES.items():
        names = [f"{stem}{beginning}{mark}_groups" for mark in ("_sample_var", "")]
        names = [name for name in names if name in recorded or not recorded]
        typed = record.field("varm", f"_{beginning}_groups", kind)
        for name in (*names, *([typed] if typed else [])):
            if isinstance(adata.varm.get(name), pd.DataFrame):
                found[score] = name
                break
    return found
