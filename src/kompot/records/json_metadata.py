"""JSON texts in ``uns``, addressed by a path such as ``"kompot_de.run_history"``."""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np
from anndata import AnnData

__all__ = ["from_json_string", "get_json_metadata", "set_json_metadata", "to_json_string"]


def to_json_string(obj: Any) -> str:
    """JSON of an object; numbers and arrays of NumPy become numbers and lists, keys texts.

    Raises
    ------
    TypeError
        If something in it has no JSON.
    """
    return json.dumps(_jsonable(obj))


def from_json_string(json_str: Any) -> Any:
    """The object of a JSON text; what is no JSON text is returned as it is."""
    if not isinstance(json_str, str | bytes):
        return json_str
    try:
        return json.loads(json_str)
    except ValueError:
        return json_str


def get_json_metadata(adata: AnnData, key_path: str) -> Any:
    """The object at a path of ``uns``; None if there is nothing.

    Parameters
    ----------
    adata
        The data.
    key_path
        Keys joined by dots, the last one that of a JSON text.
    """
    found: Any = adata.uns
    for key in key_path.split("."):
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return from_json_string(found)


def set_json_metadata(adata: AnnData, key_path: str, value: Any) -> bool:
    """Store an object as JSON text at a path of ``uns``; changes ``adata``.

    Parameters
    ----------
    adata
        The data.
    key_path
        Keys joined by dots; missing dictionaries on the way are made.
    value
        What to store.

    Returns
    -------
    True.

    Raises
    ------
    ValueError
        If something on the way is no dictionary.
    TypeError
        If the value has no JSON.
    """
    text = to_json_string(value)
    *path, last = key_path.split(".")
    place: Any = adata.uns
    for number, key in enumerate(path):
        if key not in place:
            place[key] = {}
        place = place[key]
        if not isinstance(place, MutableMapping):
            msg = f"adata.uns[{'.'.join(path[: number + 1])!r}] is no dictionary."
            raise ValueError(msg)
    place[last] = text
    return True


def _jsonable(value: Any) -> Any:
    """The same of what JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return _jsonable(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_jsonable(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value
