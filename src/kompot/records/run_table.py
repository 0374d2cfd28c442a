"""All recorded runs in one table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from anndata import AnnData

from kompot.records.history import HISTORY_KEYS, recorded_runs, refuse_newer
from kompot.records.run_info import RunInfo

__all__ = ["runs"]

_COLUMNS = (
    *("analysis_type", "run_id", "timestamp", "conditions", "groupby", "groups", "sample_col"),
    *("result_key", "present", "missing", "overwritten", "seconds", "kompot_version"),
)


def runs(adata: AnnData, analysis_type: str | None = None) -> pd.DataFrame:
    """All runs that the data record, one row each.

    Parameters
    ----------
    adata
        Data with results; only read.
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``; None for all.

    Returns
    -------
    Columns ``analysis_type``, ``run_id`` (from 0, for :class:`kompot.RunInfo`), ``timestamp``,
    ``conditions`` ("A to B"), ``groupby``, ``groups`` (names or parameter; None without),
    ``sample_col``, ``result_key``, the number of fields ``present``, ``missing`` and
    ``overwritten`` by a later run, ``seconds`` and ``kompot_version``. Of a run that a newer
    version recorded, only the first three.

    Raises
    ------
    ValueError
        If a history cannot be read; name another ``analysis_type`` to see the others.

    Examples
    --------
    >>> import kompot
    >>> kompot.runs(kompot.datasets.simulate(n_cells=30, n_genes=3, random_state=0)).shape
    (0, 13)
    """
    kinds = HISTORY_KEYS if analysis_type is None else [analysis_type]
    histories = {kind: recorded_runs(adata, kind) for kind in kinds}
    rows = [
        _row(adata, number, kind, history)
        for kind, history in histories.items()
        for number in range(len(history))
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _row(
    adata: AnnData, number: int, kind: str, history: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """A run in the columns of the table."""
    run = history[number]
    known = {"analysis_type": kind, "run_id": number, "timestamp": run.get("timestamp")}
    try:
        refuse_newer(run, "The run")
    except ValueError:
        return known
    info = RunInfo._of(adata, number, kind, history)
    summary = info.get_summary()
    states = [row["status"] for row in info.field_table()]
    numerics = run.get("numerics")
    versions = info.environment.get("package_versions")
    return known | {
        "conditions": summary["conditions"],
        "groupby": info.params.get("groupby"),
        "groups": summary.get("groups"),
        "sample_col": info.params.get("sample_col"),
        "result_key": run.get("result_key"),
        **{status: states.count(status) for status in ("present", "missing", "overwritten")},
        "seconds": numerics.get("seconds") if isinstance(numerics, dict) else None,
        "kompot_version": run.get("kompot_version")
        or (versions.get("kompot") if isinstance(versions, dict) else None),
    }
