"""The record of runs that travels with the data: JSON text under a key of ``uns``.

``uns["kompot_de"]`` and ``uns["kompot_da"]`` hold ``run_history`` (a list of runs),
``last_run_info`` (the newest) and ``anndata_fields`` (which run wrote each field last).
"""

import json
import platform
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib import metadata
from typing import Any

import numpy as np

from kompot.records.fields import Field

__all__ = ["appended_history", "environment", "field_mapping", "read_history"]

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
    except (TypeError, json.JSONDecodeError) as error:
        msg = f"The run history is not readable as JSON: {error}."
        raise ValueError(msg) from error
    if not (isinstance(runs, list) and all(isinstance(run, dict) for run in runs)):
        msg = f"The run history must be a list of runs, got {str(text)[:80]!r}."
        raise ValueError(msg)
    return runs


def appended_history(
    stored: Mapping[str, Any] | None, run: Mapping[str, Any], fields: Iterable[Field]
) -> dict[str, Any]:
    """What a key of ``uns`` holds after a run; the argument is left as it is.

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
        owners = json.loads(changed.get("anndata_fields", "{}"))
    except (ValueError, TypeError) as error:
        warnings.warn(
            f"{error} A new history was begun; the old one is kept as 'unreadable_history'.",
            stacklevel=2,
        )
        changed["unreadable_history"] = str(changed.get("run_history"))
        runs, owners = [], {}
    for field in fields:
        owners.setdefault(field.location, {})[field.name] = len(runs)
    owners.setdefault("uns", {})[str(run["result_key"])] = len(runs)
    runs.append(dict(run))
    changed["run_history"] = json.dumps(runs, default=_plain)
    changed["last_run_info"] = json.dumps(run, default=_plain)
    changed["anndata_fields"] = json.dumps(owners)
    return changed


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy as JSON knows them."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    msg = f"A run record cannot hold a {type(value).__name__}."
    raise TypeError(msg)
