"""What plots read of an abundance run: the fields that its record names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.plot.run_records import Record, find_record
from kompot.records.history import recorded_runs

__all__ = ["AbundanceRun", "cell_column", "read_abundance_run"]


@dataclass(frozen=True)
class AbundanceRun:
    """Where a run of differential abundance stored its results.

    Attributes
    ----------
    condition1, condition2
        Labels of the conditions.
    lfc, zscore, ptp, direction
        Columns of ``obs``; None if not stored.
    donor_lfc, donor_pvalue, donor_fdr, donor_direction
        Columns of ``obs`` with what holds between donors; None if not stored.
    lfc_threshold, ptp_threshold
        Beyond which a cell's abundance counted as changed; None if not recorded.
    record
        The whole record.
    """

    condition1: str
    condition2: str
    lfc: str | None
    zscore: str | None
    ptp: str | None
    direction: str | None
    donor_lfc: str | None
    donor_pvalue: str | None
    donor_fdr: str | None
    donor_direction: str | None
    lfc_threshold: float | None
    ptp_threshold: float | None
    record: Record

    @property
    def is_donor_level(self) -> bool:
        """Whether cells are called by differences between donors."""
        level = self.record.entries.get("inference_level")
        return level == "donor" or (level is None and self.donor_pvalue is not None)

    def groups(self, adata: AnnData) -> pd.DataFrame | None:
        """The table of the run's groups; None if it had none, or a later run has its place."""
        key = self.record.entries.get("result_key")
        if not self.record.entries.get("has_groups"):
            return None
        later = recorded_runs(adata, "da")[(self.record.number or 0) + 1 :]
        stored = adata.uns.get(str(key))
        table = stored.get("groups") if isinstance(stored, Mapping) else None
        if any(run.get("result_key") == key for run in later):
            return None
        return table if isinstance(table, pd.DataFrame) else None


def read_abundance_run(
    adata: AnnData,
    run_id: int = -1,
    condition1: str | None = None,
    condition2: str | None = None,
    *,
    is_needed: bool = True,
    named: str | None = None,
) -> AbundanceRun:
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
    named
        A column of ``obs`` to find the run by, as in :func:`find_record`.

    Raises
    ------
    ValueError
        If there is no such run.
    """
    record = find_record(
        adata, "da", run_id, condition1, condition2, is_needed=is_needed, named=named
    )
    run = record.entries
    return AbundanceRun(
        condition1=record.label(1),
        condition2=record.label(2),
        lfc=run.get("lfc_key"),
        zscore=run.get("zscore_key"),
        ptp=run.get("ptp_key"),
        direction=run.get("direction_key"),
        donor_lfc=record.field("obs", "_donor_lfc", "donor_log_fold_change"),
        donor_pvalue=record.field("obs", "_donor_pvalue", "donor_pvalue"),
        donor_fdr=record.field("obs", "_donor_fdr", "donor_fdr"),
        donor_direction=record.field("obs", "_donor_direction", "donor_direction"),
        lfc_threshold=record.parameter("log_fold_change_threshold"),
        ptp_threshold=record.parameter("ptp_threshold"),
        record=record,
    )


def cell_column(adata: AnnData, name: str | None, what: str) -> NDArray[Any]:
    """A column of ``obs``, ``(n_cells,)``.

    Parameters
    ----------
    adata
        The data.
    name
        Name of the column.
    what
        What it holds, for the message.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name is None or name not in adata.obs:
        msg = (
            f"{name!r} is no column of adata.obs ({what}). Run compute_differential_abundance on "
            "these data, or name an existing column."
        )
        raise ValueError(msg)
    return np.asarray(adata.obs[name].to_numpy())
