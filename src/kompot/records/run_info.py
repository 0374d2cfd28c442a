"""What a recorded run was, what is left of it, and how to repeat it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from kompot.records import rendering
from kompot.records.encoding import decoded, digest
from kompot.records.history import HISTORY_KEYS, recorded_runs, refuse_newer
from kompot.records.parameters import NO_ARGUMENTS, argument_names, call_arguments, flattened
from kompot.records.recorded import field_owners, is_present, recorded_fields
from kompot.records.run_choice import run_number
from kompot.records.run_settings import refuse_injected, settings_of_run
from kompot.user_warnings import warn_user

if TYPE_CHECKING:
    from kompot.records.run_comparison import RunComparison

__all__ = ["RunInfo"]


class RunInfo:
    """A recorded run: parameters, environment, and the state of its fields in the data.

    Parameters
    ----------
    adata
        Data with recorded runs; only read.
    run_id
        Number of the run from 0, or from the end if negative; None for the last.
    analysis_type
        ``"de"`` for differential expression, ``"da"`` for differential abundance, ``"smooth"`` for
        smoothed expression; None for the first of these that has runs.

    Attributes
    ----------
    adata : AnnData
        The data.
    run_id : int
        Number as it was asked for.
    adjusted_run_id : int
        Number from 0.
    analysis_type : str
        The analysis.
    storage_key : str
        Key of ``adata.uns`` that holds the history.
    run_info : dict
        The whole record.
    field_names : dict
        Names of the stored fields by role.
    params : dict
        Parameters as recorded, by kind; an array is described.
    environment : dict
        Versions and platform.
    timestamp : str
        When the run ended, ISO 8601.
    adata_fields : dict
        Names of the fields that the run wrote, sorted, by location.
    overwritten_fields : list of dict
        Fields that a later run wrote too: ``field``, ``location``, ``current_run_id`` (the last
        run that did) and ``expected_run_id``.
    missing_fields : list of dict
        Fields that the data do not hold (any more): ``field``, ``location``, ``type``,
        ``description``.

    Raises
    ------
    ValueError
        If there is no such run or analysis, or the record cannot be read.
    """

    def __init__(
        self, adata: AnnData, run_id: int | None = None, analysis_type: str | None = None
    ) -> None:
        kind = _detected(adata) if analysis_type is None else analysis_type
        self._read(adata, -1 if run_id is None else run_id, kind, recorded_runs(adata, kind))

    @classmethod
    def _of(
        cls, adata: AnnData, run_id: int, analysis_type: str, runs: Sequence[dict[str, Any]]
    ) -> "RunInfo":
        """A run of a history that was read already."""
        made = cls.__new__(cls)
        made._read(adata, run_id, analysis_type, runs)
        return made

    def _read(
        self, adata: AnnData, run_id: int, analysis_type: str, runs: Sequence[dict[str, Any]]
    ) -> None:
        self.adata, self.run_id, self.analysis_type = adata, run_id, analysis_type
        self.storage_key = HISTORY_KEYS[analysis_type]
        number = run_number(runs, run_id)
        if number is None:
            msg = (
                f"Run ID {run_id} not found in {analysis_type} run history. "
                f"{len(runs)} runs are recorded in adata.uns[{self.storage_key!r}]."
            )
            raise ValueError(msg)
        self.adjusted_run_id = number
        self.run_info: dict[str, Any] = runs[self.adjusted_run_id]
        refuse_newer(self.run_info, f"Run {self.adjusted_run_id} of {analysis_type}")
        self.field_names = self._dict("field_names")
        self.params = self._dict("params")
        self.environment = self._dict("environment")
        self.timestamp = self.run_info.get("timestamp")

        self._fields = recorded_fields(self.run_info)
        owners = field_owners(runs)
        self._owners = {f: owners[f.location, f.name] for f in self._fields}
        self._present = {f: is_present(adata, f) for f in self._fields}
        self.adata_fields: dict[str, list[str]] = {}
        for field in sorted(self._fields, key=lambda f: f.name):
            self.adata_fields.setdefault(field.location, []).append(field.name)
        self.overwritten_fields = [
            {
                "field": field.name,
                "location": field.location,
                "current_run_id": owner,
                "expected_run_id": self.adjusted_run_id,
            }
            for field, owner in self._owners.items()
            if owner > self.adjusted_run_id
        ]
        self.missing_fields = [
            {
                "field": field.name,
                "location": field.location,
                "type": field.type,
                "description": field.description,
            }
            for field, present in self._present.items()
            if not present
        ]

    def __repr__(self) -> str:
        return (
            f"RunInfo(analysis_type={self.analysis_type}, run_id={self.adjusted_run_id}, "
            f"timestamp={self.timestamp})"
        )

    def _repr_html_(self) -> str:
        return rendering.run_html(
            self.get_summary(),
            flattened(self.params, self.analysis_type),
            self.environment,
            self.field_table(),
        )

    def get_summary(self) -> dict[str, Any]:
        """The run in a few entries.

        Returns
        -------
        ``run_id``, ``adjusted_run_id``, ``analysis_type``, ``timestamp``, ``conditions`` ("A to
        B"), ``obsm_key``, ``layer``, ``uses_sample_variance``, ``field_count``,
        ``overwritten_field_count``, ``overwritten_fields``, ``missing_field_count``,
        ``missing_fields``, ``has_groups``, and with groups ``groups_count`` and ``groups``.
        """
        summary = {
            "run_id": self.run_id,
            "adjusted_run_id": self.adjusted_run_id,
            "analysis_type": self.analysis_type,
            "timestamp": self.timestamp,
            "conditions": self._conditions(),
            "obsm_key": self.params.get("obsm_key"),
            "layer": self.params.get("layer"),
            "uses_sample_variance": bool(self.run_info.get("uses_sample_variance")),
            "field_count": len(self._fields),
            "overwritten_field_count": len(self.overwritten_fields),
            "overwritten_fields": self.overwritten_fields,
            "missing_field_count": len(self.missing_fields),
            "missing_fields": self.missing_fields,
            "has_groups": bool(self.run_info.get("has_groups")),
        }
        if summary["has_groups"]:
            names = [str(name) for name in self.run_info.get("subset_names") or []]
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            summary |= {"groups_count": len(names), "groups": ", ".join(names[:3]) + more}
        return summary

    def get_data(self) -> dict[str, Any]:
        """All that is known of the run, with the values of its fields that exist.

        Returns
        -------
        ``run_id``, ``adjusted_run_id``, ``analysis_type``, ``field_names``, ``params``,
        ``environment``, ``timestamp``, ``overwritten_fields``, ``missing_fields`` and
        ``field_data``: values by location and name, not copied. A field that a later run overwrote
        has that run's values.
        """
        values: dict[str, dict[str, Any]] = {location: {} for location in self.adata_fields}
        for field, present in self._present.items():
            if present:
                place = getattr(self.adata, field.location)
                values[field.location][field.name] = place[field.name]
        return {
            "run_id": self.run_id,
            "adjusted_run_id": self.adjusted_run_id,
            "analysis_type": self.analysis_type,
            "field_names": self.field_names,
            "params": self.params,
            "environment": self.environment,
            "timestamp": self.timestamp,
            "overwritten_fields": self.overwritten_fields,
            "missing_fields": self.missing_fields,
            "field_data": values,
        }

    def get_raw_data(self) -> dict[str, Any]:
        """The record as it is stored, and ``adjusted_run_id``."""
        return {**self.run_info, "adjusted_run_id": self.adjusted_run_id}

    def field_table(self) -> list[dict[str, Any]]:
        """A dict for each field of the run, by location and name.

        ``location``, ``field``, ``type``, ``description``, ``status`` (``"present"``,
        ``"missing"`` or ``"overwritten"``; missing goes first) and ``current_run_id``, the last
        run that wrote it.
        """
        rows = [
            {
                "location": field.location,
                "field": field.name,
                "type": field.type,
                "description": field.description,
                "status": "missing"
                if not self._present[field]
                else "overwritten"
                if owner > self.adjusted_run_id
                else "present",
                "current_run_id": owner,
            }
            for field, owner in self._owners.items()
        ]
        return sorted(rows, key=lambda row: (row["location"], row["field"]))

    def compare_with(self, other_run_id: int) -> "RunComparison":
        """Compare with another run of the same analysis.

        Parameters
        ----------
        other_run_id
            Number of the other run.
        """
        from kompot.records.run_comparison import RunComparison  # it is made of two of these

        return RunComparison(self.adata, self.adjusted_run_id, other_run_id, self.analysis_type)

    def to_settings(self) -> dict[str, Any]:
        """The options of the run as settings objects, for the short forms.

        ``kompot.de(adata, groupby, condition1, condition2, **run.to_settings())``: ``gp``,
        ``filter``, ``storage``, ``output``, ``samples`` and ``fdr`` (expression) or ``threshold``
        and ``donor`` (abundance, :func:`kompot.da`), without what :meth:`call_args` leaves out.
        What is compared is no option: to repeat the run give its ``obsm_key``, ``sample_col`` and,
        for expression, ``layer`` and ``genes``, too, which are in ``params``.

        Raises
        ------
        ValueError
            If an array among them was not kept, or a value is of another version.
        """
        flat = self._restored({"model": None})
        unknown = call_arguments(flat, self.analysis_type)[1]
        held = NO_ARGUMENTS.get(self.analysis_type, ())
        self._warn_of_unknown({name: one for name, one in unknown.items() if name not in held})
        return settings_of_run(flat, self.analysis_type)

    def call_args(self, **changes: Any) -> dict[str, Any]:
        """Arguments with which the documented function repeats the run.

        ``compute_differential_expression(adata, **run.call_args())`` gives the same numbers, bit
        for bit, with the same version on the same data and machine: seeds that were drawn are
        filled in, landmarks that were stored since are not used, and what
        :func:`kompot.recompute_fdr` has judged anew is judged as at first. Left out are
        ``overwrite``, ``copy``, ``inplace``, ``return_full_results`` and ``progress``, and options
        beside those of the model that have their default.

        Parameters
        ----------
        **changes
            Arguments that replace or complement those of the run.

        Raises
        ------
        ValueError
            If an array (landmarks, groups, ...) was too large to be recorded and is not given in
            ``changes``.

        Warns
        -----
        UserWarning
            If the run used a parameter that is no argument here: one of another version, or of a
            settings object that several analyses share.
        """
        arguments, unknown = call_arguments(self._restored(changes), self.analysis_type)
        self._warn_of_unknown(unknown)
        return arguments | changes

    def _warn_of_unknown(self, unknown: Mapping[str, Any]) -> None:
        if unknown:
            message = f"Parameters of the run that are no arguments here are left out: {unknown}."
            warn_user(message)

    def _restored(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters by dotted name with the arrays among them, but for those to be replaced."""
        flat = flattened(self.params, self.analysis_type)
        refuse_injected(flat, changes)
        names = argument_names(self.analysis_type)
        forms = self._dict("arrays")
        for dotted in [name for name in names if names[name] in changes]:
            flat.pop(dotted, None)
        for dotted, value in flat.items():
            form = forms.get(dotted)
            if dotted == "gp.landmarks":
                flat[dotted] = self._landmarks(value, form)
            elif form is not None or str(value).startswith("<array "):
                flat[dotted] = _kept(names.get(dotted, dotted), form)
        return flat

    def _landmarks(self, value: Any, form: Any) -> Any:
        """Landmarks of the run: its own, or none to be drawn as they were."""
        if form is None and value is not True:
            return value or ("draw" if "schema_version" in self.run_info else None)
        if form is not None and not _is_unkept(form):
            return decoded(form)
        stored = {
            key: np.asarray(entry["landmarks"])
            for key, entry in self.adata.uns.items()
            if isinstance(entry, Mapping) and "landmarks" in entry
        }
        if form is not None:
            same = [array for array in stored.values() if digest(array) == form.get("digest")]
            return same[0] if same else _kept("landmarks", form)
        for key in (self.run_info.get("result_key"), self.storage_key, *stored):
            if key in stored:
                message = f"Which landmarks the run used is not recorded; those in {key!r} are."
                warn_user(message)
                return stored[key]
        return _kept("landmarks", form)

    def _conditions(self) -> str:
        first, second = self.params.get("condition1"), self.params.get("condition2")
        if second is not None:
            return f"{first} to {second}"
        return str(self.params.get("condition") or "all cells")

    def _dict(self, name: str) -> dict[str, Any]:
        """An entry of the record; empty if it is no dictionary."""
        entry = self.run_info.get(name)
        return entry if isinstance(entry, dict) else {}


def _kept(argument: str, form: Any) -> Any:
    """An array of the record.

    Raises
    ------
    ValueError
        If it was not kept.
    """
    if form is not None and not _is_unkept(form):
        return decoded(form)
    reason = "not kept by the version that ran" if form is None else form.get("reason")
    msg = (
        f"`{argument}` of the run was an array that is not in the record ({reason}). Give the same "
        f"one: call_args({argument}=...)."
    )
    raise ValueError(msg)


def _is_unkept(form: Any) -> bool:
    return isinstance(form, Mapping) and form.get("kind") == "unkept"


def _detected(adata: AnnData) -> str:
    """The first analysis that has runs."""
    for analysis_type in HISTORY_KEYS:
        if recorded_runs(adata, analysis_type):
            return analysis_type
    msg = (
        "Could not detect analysis type: no runs are recorded in these data. Please specify 'de' "
        "or 'da', or run an analysis first."
    )
    raise ValueError(msg)
