"""The record of runs that travels with the data: JSON text under a key of ``uns``.

``uns["kompot_de"]`` and ``uns["kompot_da"]`` hold ``run_history`` (a list of runs),
``last_run_info`` (the newest) and ``anndata_fields`` (which run wrote each field last).
"""

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import numpy as np
from anndata import AnnData

from kompot.records.annotation import require_anndata
from kompot.records.fields import Field
from kompot.records.recorded import field_owners
from kompot.user_warnings import warn_user

__all__ = [
    "HISTORY_KEYS",
    "SCHEMA_VERSION",
    "amended_history",
    "appended_history",
    "environment",
    "field_mapping",
    "read_history",
    "recorded_runs",
    "refuse_newer",
]

HISTORY_KEYS = {"de": "kompot_de", "da": "kompot_da", "smooth": "kompot_smooth"}
"""Key of ``uns`` with the history of each analysis; the original also smooths."""
SCHEMA_VERSION = 1
"""Layout of a run's record; those without a number are the original's, of the same layout."""

_PACKAGES = ("kompot", "anndata", "numpy", "scipy", "pandas")


def environment() -> dict[str, Any]:
    """When and with what a run was made; neither host nor user."""
    return {
        "timestamp": datetime.now().isoformat(),
        "platform": f"{platform.system()}-{platform.release()}-{platform.machine()}",
        "python_version": platform.python_version(),
        "package_versions": {name: metadata.version(name) for name in _PACKAGES},
    }


def field_mapping(fields: Iterable[Field]) -> dict[str, dict[str, str]]:
    """Where each field is and what, as a record keeps it."""
    return {
        field.name: {
            "location": field.location,
            "type": field.type,
            "description": field.description,
        }
        for field in fields
    }


def recorded_runs(adata: AnnData, analysis_type: str) -> list[dict[str, Any]]:
    """Runs of an analysis recorded in the data, oldest first; none if there is no record.

    Parameters
    ----------
    adata
        The data.
    analysis_type
        A key of `HISTORY_KEYS`.

    Raises
    ------
    ValueError
        If the analysis is unknown, or what the data hold in its place is no readable history.
    TypeError
        If this is no AnnData object.
    """
    require_anndata(adata)
    if analysis_type not in HISTORY_KEYS:
        known = ", ".join(map(repr, HISTORY_KEYS))
        msg = f"Invalid analysis_type: {analysis_type!r}. Must be one of {known}."
        raise ValueError(msg)
    key = HISTORY_KEYS[analysis_type]
    stored = adata.uns.get(key)
    if stored is None:
        return []
    if not isinstance(stored, Mapping):
        found = f"it is a {type(stored).__name__}, not the record of runs."
    else:
        try:
            return read_history(stored)
        except ValueError as error:
            found = str(error)
    msg = (
        f"adata.uns[{key!r}] cannot be read: {found} A new run keeps what is there and begins a "
        f"new history; to begin one now, rename the entry."
    )
    raise ValueError(msg)


def read_history(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs recorded under a key of ``uns``, oldest first.

    Raises
    ------
    ValueError
        If the text is no list of runs.
    """
    text = stored.get("run_history", "[]")
    try:
        runs = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        msg = f"The run history is not readable as JSON: {error}."
        raise ValueError(msg) from error
    if not (isinstance(runs, list) and all(isinstance(run, dict) for run in runs)):
        newer = " (of a newer version)" if isinstance(runs, dict) and _is_newer(runs) else ""
        msg = f"The run history must be a list of runs, got {str(text)[:80]!r}{newer}."
        raise ValueError(msg)
    return runs


def refuse_newer(run: Mapping[str, Any], what: str) -> None:
    """Refuse a record of a layout that this version does not know.

    Raises
    ------
    ValueError
        Naming the run and what to do.
    """
    if _is_newer(run):
        msg = (
            f"{what} was recorded by kompot {run.get('kompot_version', 'of a newer version')} in "
            f"layout {run['schema_version']!r}; this version reads up to {SCHEMA_VERSION}. "
            "Install a newer kompot to read it."
        )
        raise ValueError(msg)


def appended_history(
    stored: Mapping[str, Any] | None, run: Mapping[str, Any], fields: Iterable[Field]
) -> dict[str, Any]:
    """What a key of ``uns`` holds after a run; the argument is left as it is.

    What cannot be read is kept beside the new text, with a warning.

    Parameters
    ----------
    stored
        What it holds now; None if nothing.
    run
        The record of the run, with values that JSON knows.
    fields
        The fields that the run wrote.
    """
    changed = dict(stored) if isinstance(stored, Mapping) else {}
    try:
        runs = read_history(changed)
    except ValueError as error:
        name = _put_aside(changed, "run_history")
        warn_user(f"{error} A new history was begun; the old one is kept as {name!r}.")
        runs = []
    owners = _read_owners(changed, runs)
    for field in fields:
        owners.setdefault(field.location, {})[field.name] = len(runs)
    owners.setdefault("uns", {})[str(run["result_key"])] = len(runs)
    runs.append(dict(run))
    return changed | _texts(runs, owners)


def amended_history(
    stored: Mapping[str, Any], number: int, run: Mapping[str, Any], fields: Iterable[Field]
) -> dict[str, Any]:
    """What a key of ``uns`` holds after the results of a recorded run were computed again.

    Parameters
    ----------
    stored
        What it holds now; left as it is.
    number
        Number of the run, from 0.
    run
        Its new record.
    fields
        The fields that were written; they are then this run's.
    """
    changed = dict(stored)
    runs = read_history(changed)
    owners = _read_owners(changed, runs)
    for field in fields:
        owners.setdefault(field.location, {})[field.name] = number
    runs[number] = dict(run)
    return changed | _texts(runs, owners)


def _texts(runs: list[dict[str, Any]], owners: Mapping[str, Any]) -> dict[str, str]:
    """Runs, the newest one and which run wrote each field, as they are stored."""
    newest = {name: value for name, value in runs[-1].items() if name != "arrays"}
    return {
        "run_history": json.dumps(runs, default=_plain),
        "last_run_info": json.dumps(newest, default=_plain),
        "anndata_fields": json.dumps(owners),
    }


def _is_newer(run: Mapping[str, Any]) -> bool:
    """Whether a record has a layout that this version does not know."""
    version = run.get("schema_version", SCHEMA_VERSION)
    return not isinstance(version, int) or version > SCHEMA_VERSION


def _read_owners(stored: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Run that wrote each field last; made anew from the runs if it cannot be read."""
    try:
        owners = json.loads(stored.get("anndata_fields", "{}"))
        if all(isinstance(number, int) for names in owners.values() for number in names.values()):
            known = range(len(runs))
            return {
                location: {name: number for name, number in names.items() if number in known}
                for location, names in owners.items()
            }
    except (TypeError, ValueError, AttributeError, RecursionError):
        pass
    name = _put_aside(stored, "anndata_fields")
    warn_user(f"The record of which run wrote each field was not readable; it is kept as {name!r}.")
    made: dict[str, dict[str, int]] = {}
    for (location, field), number in field_owners(runs).items():
        made.setdefault(location, {})[field] = number
    return made


def _put_aside(stored: dict[str, Any], name: str) -> str:
    """Keep an unreadable entry under another name, which is returned."""
    new = f"unreadable_{name.removeprefix('run_')}"
    number = 2
    while new in stored:
        new, number = f"unreadable_{name.removeprefix('run_')}_{number}", number + 1
    old = stored.pop(name)
    stored[new] = old if isinstance(old, str | np.ndarray) else repr(old)
    return new


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy as JSON knows them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    msg = f"A run record cannot hold a {type(value).__name__}."
    raise TypeError(msg)
