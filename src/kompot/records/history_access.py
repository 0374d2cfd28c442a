"""The history of runs for scripts that read or extend it themselves."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from anndata import AnnData

from kompot.records.history import (
    HISTORY_KEYS,
    appended_history,
    environment,
    recorded_runs,
)
from kompot.records.recorded import field_owners, recorded_fields
from kompot.records.run_choice import run_number

__all__ = [
    "append_to_run_history",
    "get_environment_info",
    "get_last_run_info",
    "get_run_from_history",
    "get_run_history",
    "validate_field_run_id",
]


def get_run_history(adata: AnnData, analysis_type: str = "da") -> list[dict[str, Any]]:
    """Records of all runs of an analysis, oldest first; none if there are none.

    Parameters
    ----------
    adata
        Data with recorded runs.
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``.

    Raises
    ------
    ValueError
        If the analysis is unknown or its history cannot be read.
    """
    return recorded_runs(adata, analysis_type)


def get_last_run_info(adata: AnnData, analysis_type: str = "da") -> dict[str, Any] | None:
    """Record of the newest run of an analysis; None if there is none.

    Parameters
    ----------
    adata, analysis_type
        As in :func:`get_run_history`.
    """
    return get_run_from_history(adata, -1, analysis_type)


def get_run_from_history(
    adata: AnnData,
    run_id: int = -1,
    analysis_type: str = "da",
    history_key: str | None = None,
) -> dict[str, Any] | None:
    """Record of one run; None if there is no such run.

    Parameters
    ----------
    adata
        Data with recorded runs.
    run_id
        Number from 0, or from the end if negative.
    analysis_type
        As in :func:`get_run_history`.
    history_key
        Key of ``uns`` that holds the history, instead of the analysis.
    """
    if history_key is not None:
        kinds = {key: kind for kind, key in HISTORY_KEYS.items()}
        if history_key not in kinds:
            msg = f"`history_key` must be one of {list(kinds)}, got {history_key!r}."
            raise ValueError(msg)
        analysis_type = kinds[history_key]
    runs = recorded_runs(adata, analysis_type)
    number = run_number(runs, run_id)
    return None if number is None else runs[number]


def append_to_run_history(
    adata: AnnData, run_info: Mapping[str, Any], analysis_type: str = "da"
) -> bool:
    """Append the record of a run that was made elsewhere; changes ``adata``.

    Parameters
    ----------
    adata
        The data.
    run_info
        The record; JSON must be able to hold it. Its ``field_mapping`` says which fields it wrote.
    analysis_type
        As in :func:`get_run_history`.

    Returns
    -------
    True.

    Raises
    ------
    ValueError, TypeError
        If the analysis is unknown, or JSON cannot hold the record.
    """
    recorded_runs(adata, analysis_type)  # refuses an unknown analysis
    key = HISTORY_KEYS[analysis_type]
    record = {"result_key": key, "analysis_type": analysis_type} | dict(run_info)
    stored = adata.uns.get(key)
    adata.uns[key] = appended_history(
        stored if isinstance(stored, MutableMapping) else None, record, recorded_fields(record)
    )
    return True


def get_environment_info() -> dict[str, Any]:
    """When and with what a run would be made: time, platform, versions; neither host nor user."""
    return environment()


def validate_field_run_id(
    adata: AnnData, field_name: str, location: str, requested_run_id: int, storage_key: str
) -> tuple[bool, int | None, str | None]:
    """Whether a field still holds what a run wrote.

    Parameters
    ----------
    adata
        Data with recorded runs.
    field_name, location
        The field, such as ``"kompot_de_A_to_B_mean_lfc"`` in ``"var"``.
    requested_run_id
        Number of the run, from 0 or from the end.
    storage_key
        ``"kompot_de"``, ``"kompot_da"`` or ``"kompot_smooth"``.

    Returns
    -------
    Whether it does (also if no run wrote it), the number of the run that wrote it last (None if
    none did), and if it was another, a sentence that says so.
    """
    kinds = {key: kind for kind, key in HISTORY_KEYS.items()}
    if storage_key not in kinds:
        msg = f"`storage_key` must be one of {list(kinds)}, got {storage_key!r}."
        raise ValueError(msg)
    runs = recorded_runs(adata, kinds[storage_key])
    last = field_owners(runs).get((location, field_name))
    wanted = requested_run_id + len(runs) if requested_run_id < 0 else requested_run_id
    if last is None or last == wanted:
        return True, last, None
    message = (
        f"Field {field_name!r} in {location} was last written by run_id={last}, but you requested "
        f"run_id={wanted}. The data may be inconsistent."
    )
    return False, last, message
