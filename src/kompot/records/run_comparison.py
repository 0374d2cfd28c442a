"""Two recorded runs side by side."""

from collections.abc import Iterable
from typing import Any

from anndata import AnnData

from kompot.records import rendering
from kompot.records.parameters import flattened
from kompot.records.run_info import RunInfo

__all__ = ["RunComparison"]


class RunComparison:
    """What two runs of the same analysis share and where they differ.

    Parameters
    ----------
    adata
        Data with recorded runs; only read.
    run_id1, run_id2
        Numbers of the runs from 0, or from the end if negative.
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``.

    Attributes
    ----------
    run1, run2 : RunInfo
        The runs.
    summary1, summary2 : dict
        Their summaries.
    param_comparison : dict
        Parameters by dotted name (``gp.sigma``): ``same``, ``different`` (with a dict of ``run1``
        and ``run2``), ``only_in_run1`` and ``only_in_run2``.
    field_comparison : dict
        ``by_location``: names of fields of both (``same``) and of one run (``only_in_run1``,
        ``only_in_run2``); ``totals``: how many.
    """

    def __init__(self, adata: AnnData, run_id1: int, run_id2: int, analysis_type: str) -> None:
        self.adata = adata
        self.analysis_type = analysis_type
        self.run1 = RunInfo(adata, run_id1, analysis_type)
        self.run2 = RunInfo(adata, run_id2, analysis_type)
        self.summary1 = self.run1.get_summary()
        self.summary2 = self.run2.get_summary()
        self.param_comparison = _compared_parameters(
            flattened(self.run1.params, analysis_type), flattened(self.run2.params, analysis_type)
        )
        self.field_comparison = _compared_fields(self.run1.adata_fields, self.run2.adata_fields)

    def __repr__(self) -> str:
        return (
            f"RunComparison(run1={self.run1.adjusted_run_id}, run2={self.run2.adjusted_run_id}, "
            f"same_fields={self.field_comparison['totals']['same']}, "
            f"different_params={len(self.param_comparison['different'])})"
        )

    def _repr_html_(self) -> str:
        tables = [run.field_table() for run in (self.run1, self.run2)]
        return rendering.comparison_html(
            self.get_summary(), (self.summary1, self.summary2), self.param_comparison, tables
        )

    def get_summary(self) -> dict[str, Any]:
        """How much the runs share.

        Returns
        -------
        ``run1`` and ``run2`` (``run_id``, ``timestamp``, ``result_key``), ``parameters``
        (``same_count``, ``different_count``, ``only_in_run1_count``, ``only_in_run2_count``) and
        ``fields`` (``same``, ``only_in_run1``, ``only_in_run2``).
        """
        return {
            "run1": _named(self.run1),
            "run2": _named(self.run2),
            "parameters": {
                f"{part}_count": len(found) for part, found in self.param_comparison.items()
            },
            "fields": dict(self.field_comparison["totals"]),
        }


def _named(run: RunInfo) -> dict[str, Any]:
    return {
        "run_id": run.adjusted_run_id,
        "timestamp": run.timestamp,
        "result_key": run.run_info.get("result_key"),
    }


def _compared_parameters(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    shared = [name for name in first if name in second]
    different = [name for name in shared if first[name] != second[name]]
    return {
        "same": {name: first[name] for name in shared if name not in different},
        "different": {name: {"run1": first[name], "run2": second[name]} for name in different},
        "only_in_run1": {name: first[name] for name in first if name not in second},
        "only_in_run2": {name: second[name] for name in second if name not in first},
    }


def _compared_fields(first: dict[str, list[str]], second: dict[str, list[str]]) -> dict[str, Any]:
    by_location = {
        location: _split(first.get(location, []), second.get(location, []))
        for location in sorted({*first, *second})
    }
    totals = {
        part: sum(len(names[part]) for names in by_location.values())
        for part in ("same", "only_in_run1", "only_in_run2")
    }
    return {"by_location": by_location, "totals": totals}


def _split(first: Iterable[str], second: Iterable[str]) -> dict[str, list[str]]:
    return {
        "same": sorted({*first} & {*second}),
        "only_in_run1": sorted({*first} - {*second}),
        "only_in_run2": sorted({*second} - {*first}),
    }
