"""Distances of genes judged again: at another threshold, or against those of other data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray

from kompot.anndata.expression_record import NULL_ARRAY, fdr_results
from kompot.anndata.expression_results import cell_significance
from kompot.anndata.null_inputs import read_distances
from kompot.anndata.on_disk import as_frame
from kompot.anndata.writing import spread_genes, write_fields
from kompot.records.encoding import decoded, digest
from kompot.records.expression_fields import ExpressionFields
from kompot.records.history import HISTORY_KEYS, amended_history, field_mapping
from kompot.records.parameters import flattened
from kompot.records.recorded import field_owners
from kompot.records.run_choice import find_run
from kompot.settings import FDRSettings

if TYPE_CHECKING:
    from kompot.records.fields import Field

__all__ = ["compute_fdr", "extract_null_distribution", "recompute_fdr"]

Array = NDArray[np.float64]

_COLUMNS = ("pvalue", "local_fdr", "tail_fdr", "is_de")


def compute_fdr(
    real_mahalanobis: ArrayLike,
    null_mahalanobis: ArrayLike,
    threshold: float = FDRSettings.threshold,
    gene_names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Judge distances of genes against distances where nothing differs.

    Empirical p-values, their Benjamini-Hochberg rates and local false discovery rates
    (:func:`kompot.stats.fdr.significance`). They say that a gene differs more than those of the
    null: whether that is about these cells or about new donors is decided by what the null holds.

    Parameters
    ----------
    real_mahalanobis
        Distances of genes, ``(n_genes,)``; a gene without one (NaN) is not judged.
    null_mahalanobis
        Distances of the same kind where nothing differs, ``(n_null,)``: of shuffled genes, or of
        genes in a comparison of controls (:func:`extract_null_distribution`).
    threshold
        Genes with a lower local false discovery rate are called.
    gene_names
        Names of the genes; by default the index of a Series, else their numbers.

    Returns
    -------
    Columns ``mahalanobis``, ``pvalue``, ``local_fdr``, ``tail_fdr`` (NaN for what was not judged)
    and ``is_de`` (False).

    Raises
    ------
    ValueError, TypeError
        If shapes disagree, distances are not numbers or negative, the null is empty or not finite,
        or the threshold is not in (0, 1].

    Examples
    --------
    >>> import kompot
    >>> table = kompot.compute_fdr([9.0, 1.5, 0.5], [1.0, 2.0, 3.0], gene_names=list("abc"))
    >>> table["pvalue"].tolist()
    [0.25, 0.75, 1.0]
    """
    FDRSettings(threshold=threshold)
    null = read_distances(null_mahalanobis, "null_mahalanobis")
    distances = read_distances(real_mahalanobis, "real_mahalanobis", missing=True)
    index = None if gene_names is None else pd.Index(gene_names)
    if index is None and isinstance(real_mahalanobis, pd.Series):
        index = real_mahalanobis.index
    if index is not None and len(index) != len(distances):
        msg = f"`gene_names` has {len(index)} names for {len(distances)} distances."
        raise ValueError(msg)
    judged = ~np.isnan(distances)
    found: dict[str, Any] = {"mahalanobis": distances}
    for name in _COLUMNS:
        kind = bool if name == "is_de" else float
        found[name] = np.full(len(distances), False if kind is bool else np.nan, dtype=kind)
    if judged.any():
        for name, values in cell_significance(distances[judged], null, threshold).items():
            found[name][judged] = values
    return pd.DataFrame(found, index=index)


def recompute_fdr(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    null_mahalanobis: ArrayLike | None = None,
    threshold: float = FDRSettings.threshold,
    run_id: int = -1,
    result_key: str | None = None,
    inplace: bool = True,
) -> pd.DataFrame:
    """Judge the genes of a recorded run again, without fitting.

    Parameters
    ----------
    adata
        Data with the run.
    null_mahalanobis
        Distances where nothing differs, ``(n_null,)``, of a run with the same options: of a
        comparison of controls for example (:func:`extract_null_distribution`). None for those of
        the run's own shuffled genes.
    threshold
        Genes with a lower local false discovery rate are called.
    run_id
        Number of the run from 0 among all runs, or from the end if negative.
    result_key
        Key of the run: only runs with this key count from the end.
    inplace
        Replace the run's ``is_de`` and rates in ``adata.var`` (those it stored; at least ``is_de``
        and the local rate) and note it in its record, also if the run had none. Tables of groups
        stay as they are: their distances are others.

    Returns
    -------
    The table of :func:`compute_fdr` for all genes; NaN for those that the run did not test.

    Raises
    ------
    ValueError, TypeError
        If there is no such run, its distances are no longer there, or it has no null of its own
        and none is given; in place also if genes were called by a comparison of samples, of which
        a null of distances says nothing. Nothing is changed then.
    """
    FDRSettings(threshold=threshold)
    run = _find_run(adata, run_id, result_key)
    distances = _distances(adata, run)
    if inplace and run.record.get("inference_level") == "donor":
        msg = (
            f"The genes of run {run.number} were called by comparing samples (donor level), which "
            "a null of distances cannot replace. Its donor_fdr holds rates for any threshold. To "
            "judge the distances alone give `null_mahalanobis` with `inplace=False`, or repeat the "
            'run with `significance="cell"`.'
        )
        raise ValueError(msg)
    null = (
        _own_null(run)
        if null_mahalanobis is None
        else read_distances(null_mahalanobis, "null_mahalanobis")
    )
    table = compute_fdr(distances, null, threshold)
    if inplace:
        source = "own" if null_mahalanobis is None else "given"
        _store(adata, run, table, {"threshold": float(threshold), "null": source} | _said(null))
    return table


def extract_null_distribution(
    adata: AnnData, run_id: int = -1, result_key: str | None = None
) -> Array:
    """Distances of the genes of a run, to judge those of another one against.

    Meant for a comparison in which nothing differs (two groups of controls): its distances hold
    what donors, batches and cells do to a gene by chance. The other run must have the same options,
    and about as many cells and donors.

    Parameters
    ----------
    adata
        Data with the run.
    run_id, result_key
        As for :func:`recompute_fdr`.

    Returns
    -------
    Distances of the genes that have one, ``(n_genes,)``.

    Raises
    ------
    ValueError
        If there is no such run, or its distances are not there any more.
    """
    distances = _distances(adata, _find_run(adata, run_id, result_key)).to_numpy()
    found: Array = distances[~np.isnan(distances)]
    return found


@dataclass(frozen=True)
class _Run:
    """A recorded run and which run wrote each field last."""

    number: int
    record: dict[str, Any]
    owners: Mapping[tuple[str, str], int]

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by dotted name."""
        return flattened(self.record.get("params") or {}, "de")


def _find_run(adata: AnnData, run_id: int, result_key: str | None) -> _Run:
    """A run of differential expression by its number and key."""
    number, runs = find_run(adata, "de", run_id, result_key=result_key)
    return _Run(number, runs[number], field_owners(runs))


def _distances(adata: AnnData, run: _Run) -> "pd.Series[Any]":
    """Distances of all genes as the run stored them; NaN for genes that it did not test."""
    name = run.record.get("mahalanobis_key")
    if name is None or name not in adata.var:
        msg = (
            f"Run {run.number} has no distances in adata.var (column {name!r}); repeat "
            "compute_differential_expression with compute_mahalanobis=True."
        )
        raise ValueError(msg)
    owner = run.owners.get(("var", name), run.number)
    if owner != run.number:
        msg = (
            f"The distances of run {run.number} were replaced by run {owner} (column {name!r}); "
            f"use run_id={owner}, or repeat the run with another result_key."
        )
        raise ValueError(msg)
    distances: pd.Series[Any] = as_frame(adata.var)[name].astype(float)
    tested = _tested(adata, run)
    if tested is not None:
        distances = distances.where(tested)
    read_distances(distances, f"adata.var[{name!r}]", missing=True)
    if distances.isna().all():
        msg = (
            f"No distance of run {run.number} is left in adata.var (column {name!r}): none of the "
            "genes that it tested is among adata.var_names; use the data and names of the run."
        )
        raise ValueError(msg)
    return distances


def _tested(adata: AnnData, run: _Run) -> NDArray[np.bool_] | None:
    """Which genes the run tested; None for all."""
    genes = run.parameters.get("genes")
    return np.asarray(adata.var_names.isin(genes)) if isinstance(genes, list) else None


def _own_null(run: _Run) -> Array:
    """Distances of the run's shuffled genes."""
    form = (run.record.get("arrays") or {}).get(NULL_ARRAY)
    if form is None or form["kind"] == "unkept":
        msg = (
            f"The record of run {run.number} holds no distances of shuffled genes; give "
            "`null_mahalanobis`, or repeat the run with `null_genes`."
        )
        raise ValueError(msg)
    null: Array = decoded(form)
    return null


def _said(null: Array) -> dict[str, Any]:
    """What a record says of a null, and when it was used."""
    return {"n_null": len(null), "digest": digest(null), "timestamp": datetime.now().isoformat()}


def _store(adata: AnnData, run: _Run, table: pd.DataFrame, how: dict[str, Any]) -> None:
    """Write calls and rates, and amend the record."""
    record, parameters = run.record, run.parameters
    fields = ExpressionFields(
        record["result_key"],
        parameters["condition1"],
        parameters["condition2"],
        with_samples=bool(record.get("uses_sample_variance")),
    )
    keys = record.get("fdr_keys") or {}
    written: dict[str, Field] = {
        column: getattr(fields, column)
        for column in _COLUMNS
        if column in ("local_fdr", "is_de") or keys.get(f"{column}_key")
    }
    taken = [f.name for f in written.values() if run.owners.get(("var", f.name), 0) > run.number]
    if taken:
        msg = f"A later run than {run.number} wrote {taken}; use `inplace=False`."
        raise ValueError(msg)
    tested = _tested(adata, run)
    genes = None if tested is None else np.flatnonzero(tested)
    values: dict[Field, Any] = {}
    for column, field in written.items():
        found = table[column].to_numpy()
        found = found if genes is None else found[genes]
        values[field] = spread_genes(adata, field.name, found, genes)
    names = {f"{column}_key": field.name for column, field in written.items()}
    counted = table if tested is None else table[tested]
    changed = record | {
        "fdr_keys": dict.fromkeys(f"{column}_key" for column in _COLUMNS) | names,
        "fdr_results": fdr_results(counted, how["threshold"]),
        "fdr_recomputed": how,
        "field_names": (record.get("field_names") or {})
        | {field.role: field.name for field in written.values()},
        "field_mapping": (record.get("field_mapping") or {}) | field_mapping(written.values()),
    }
    key = HISTORY_KEYS["de"]
    history = amended_history(adata.uns[key], run.number, changed, written.values())
    write_fields(adata, values, {key: history})
