"""What plots read: the record of an expression run, and the fields that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.records.history import read_history

__all__ = ["SCORES", "ExpressionRun", "column", "gene_layer", "read_expression_run"]

_HISTORY_KEY = "kompot_de"

# Scores of a gene and what a run needs in order to store them.
SCORES = {
    "mahalanobis": "compute_mahalanobis=True",
    "local_fdr": "null genes (`null_genes`)",
    "tail_fdr": "null genes and store_additional_stats=True",
    "ptp": "store_additional_stats=True",
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
    imputed1, imputed2, fold_change
        Layers; None if not stored.
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
            msg = (
                f"The run stored no {score!r}. Repeat compute_differential_expression with "
                f"{SCORES[score]}, or name a column of adata.var as `score_key`."
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
) -> ExpressionRun:
    """The record of a run.

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

    Raises
    ------
    ValueError
        If there is no such run.
    """
    stored = adata.uns.get(_HISTORY_KEY)
    runs = dict(enumerate(read_history(stored) if isinstance(stored, Mapping) else []))
    given = {"condition1": condition1, "condition2": condition2}
    wanted = {name: label for name, label in given.items() if label is not None}
    fitting = [number for number, run in runs.items() if wanted.items() <= _labels(run).items()]
    numbers = fitting if run_id < 0 else [number for number in fitting if number == run_id]
    position = run_id if run_id < 0 else 0
    if not -len(numbers) <= position < len(numbers):
        if not runs and not is_needed:
            return _interpreted(wanted)
        raise ValueError(_no_run(runs, run_id, wanted))
    return _interpreted(runs[numbers[position]])


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


def gene_layer(adata: AnnData, gene: str, layer: str | None) -> NDArray[np.float64]:
    """Expression of a gene in a layer, or in ``X`` for None, ``(n_cells,)``.

    Raises
    ------
    ValueError
        If there is no such gene or layer, or several genes have that name.
    """
    number = int((adata.var_names == gene).sum())
    if number != 1:
        found = f"{number} genes are" if number else "no gene is"
        msg = f"{found} called {gene!r}; give one name of adata.var_names."
        raise ValueError(msg[0].upper() + msg[1:])
    if layer is not None and layer not in adata.layers:
        msg = f"There is no layer {layer!r}; there are {sorted(filter(None, adata.layers))}."
        raise ValueError(msg)
    matrix: Any = adata.X if layer is None else adata.layers[layer]
    if matrix is None:
        msg = "adata.X is empty; name a layer with the expression."
        raise ValueError(msg)
    values = matrix[:, adata.var_names.get_loc(gene)]
    values = values.toarray() if hasattr(values, "toarray") else values
    return np.asarray(values, dtype=np.float64).ravel()


def _labels(run: Mapping[str, Any]) -> dict[str, str]:
    """Labels of the conditions of a run."""
    parameters = run.get("params", run)
    return {name: str(parameters.get(name)) for name in ("condition1", "condition2")}


def _interpreted(run: Mapping[str, Any]) -> ExpressionRun:
    """A run record, also of newer versions of the original, which write ``smoothed`` layers."""
    parameters = run.get("params", run)
    layers = run.get("imputed_layer_keys") or run.get("smoothed_layer_keys") or {}
    fdr = run.get("fdr_keys") or {}
    return ExpressionRun(
        condition1=str(parameters.get("condition1", "condition 1")),
        condition2=str(parameters.get("condition2", "condition 2")),
        layer=parameters.get("layer"),
        mean_lfc=run.get("lfc_key"),
        is_de=fdr.get("is_de_key"),
        scores={
            "mahalanobis": run.get("mahalanobis_key"),
            "local_fdr": fdr.get("local_fdr_key"),
            "tail_fdr": fdr.get("tail_fdr_key"),
            "ptp": run.get("ptp_key"),
        },
        imputed1=layers.get("condition1"),
        imputed2=layers.get("condition2"),
        fold_change=layers.get("fold_change"),
    )


def _no_run(runs: Mapping[int, Mapping[str, Any]], run_id: int, wanted: Mapping[str, str]) -> str:
    """Why there is no such run, and what to do."""
    if not runs:
        return (
            "No run of differential expression is recorded in adata.uns['kompot_de']. Run "
            "compute_differential_expression first, or name columns of adata.var as `lfc_key` and "
            "`score_key`."
        )
    known = ", ".join(
        "{} ({condition1} to {condition2})".format(number, **_labels(run))
        for number, run in runs.items()
    )
    condition = f" with {', '.join(f'{k}={v!r}' for k, v in wanted.items())}" if wanted else ""
    return f"There is no run {run_id}{condition}. Recorded runs: {known}."
