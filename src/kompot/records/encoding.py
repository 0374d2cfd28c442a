"""Arrays and labels among the parameters of a run, as JSON keeps them."""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

__all__ = ["LIMIT", "decoded", "described", "digest", "encoded", "is_plain", "simplified"]

LIMIT = 2**20
"""Characters that a parameter may take in a record; of a larger one only the digest is kept."""

_SCALARS = (bool, int, float, str)


def is_plain(value: Any) -> bool:
    """Whether JSON gives back the same: numbers, texts, None, and lists and dicts of these."""
    if isinstance(value, Mapping):
        return all(type(key) is str and is_plain(entry) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return all(is_plain(entry) for entry in value)
    return value is None or type(value) in _SCALARS


def simplified(value: Any) -> Any:
    """The same with Python's own numbers, texts and lists where that is possible."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {simplified(key): simplified(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | range):
        return [simplified(entry) for entry in value]
    return value


def described(value: Any) -> Any:
    """A parameter for people: plain values as they are, an array by its type and shape."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        return {str(key): described(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [described(entry) for entry in value]
    if not hasattr(value, "dtype"):
        return f"<{type(value).__name__}>"
    return f"<{type(value).__name__} {value.shape} of {value.dtype}, {digest(value)[:8]}>"


def digest(value: Any) -> str:
    """A number by which an array is known again, 64 hexadecimal digits."""
    array = np.ascontiguousarray(value)
    if array.dtype.hasobject:
        content = repr(array.tolist()).encode("utf-8", "surrogatepass")
    else:
        content = array.tobytes()
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + content).hexdigest()


def encoded(value: Any) -> dict[str, Any]:
    """A parameter that is not plain; what is too large or of an unknown kind is only described."""
    try:
        form: dict[str, Any] = _encode(simplified(value))
        if len(json.dumps(form)) <= LIMIT:
            return form
        reason = "too large to be kept"
    except TypeError as error:
        reason = str(error)
    kept = {"kind": "unkept", "reason": reason, "description": described(value)}
    return kept | {"digest": digest(value)} if hasattr(value, "dtype") else kept


def decoded(form: Any) -> Any:
    """The parameter that was encoded."""
    if isinstance(form, list):
        return [decoded(entry) for entry in form]
    if not isinstance(form, Mapping):
        return form
    if form["kind"] == "mapping":
        return {decoded(key): decoded(entry) for key, entry in form["items"]}
    if form["kind"] == "numbers":
        flat = np.frombuffer(_unpacked(form["data"]), dtype=form["dtype"])
        return flat.reshape(form["shape"]).copy()
    values = json.loads(_unpacked(form["data"]))
    if form["kind"] == "objects":
        return _object_array(values, form["shape"]).astype(form["dtype"])
    dtype = form["dtype"]
    if "categories" in form:
        dtype = pd.CategoricalDtype(decoded(form["categories"]), ordered=form["ordered"])
    if form["kind"] == "array":
        return pd.array(values, dtype=dtype)
    if form["kind"] == "index":
        return pd.Index(values, dtype=dtype, name=form["name"])
    return pd.Series(values, index=decoded(form["index"]), dtype=dtype, name=form["name"])


def _encode(value: Any) -> Any:
    """A simplified value as JSON; every dict of it says its ``kind``."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, Mapping):
        items = [[_encode(key), _encode(entry)] for key, entry in value.items()]
        return {"kind": "mapping", "items": items}
    if isinstance(value, set | frozenset):
        return [_encode(entry) for entry in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [_encode(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, pd.Series | pd.Index | ExtensionArray):
        return _encode_labels(value)
    msg = f"a {type(value).__name__} cannot be kept"
    raise TypeError(msg)


def _encode_array(value: NDArray[Any]) -> dict[str, Any]:
    form = {"dtype": value.dtype.str, "shape": list(value.shape)}
    if value.dtype.kind in "biufc":
        data = _packed(np.ascontiguousarray(value).tobytes())
        return {"kind": "numbers", **form, "data": data}
    return {"kind": "objects", **form, "data": _packed_list(value.ravel())}


def _encode_labels(value: Any) -> dict[str, Any]:
    """A pandas vector: its values, its categories and, of a Series, its index."""
    form: dict[str, Any] = {"dtype": str(value.dtype), "data": _packed_list(value)}
    if isinstance(value.dtype, pd.CategoricalDtype):
        form |= {"categories": _encode(value.dtype.categories), "ordered": value.dtype.ordered}
    if isinstance(value, ExtensionArray):
        return {"kind": "array", **form}
    name = value.name if is_plain(value.name) else str(value.name)
    if isinstance(value, pd.Index):
        return {"kind": "index", **form, "name": name}
    return {"kind": "series", **form, "name": name, "index": _encode(value.index)}


def _object_array(values: list[Any], shape: list[int]) -> NDArray[Any]:
    """Values as objects, whatever they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array.reshape(shape)


def _packed_list(values: Any) -> str:
    """Values in a row, missing ones as None, as text."""
    plain = [None if _is_missing(value) else simplified(value) for value in values]
    if not is_plain(plain):
        kinds = sorted({type(v).__name__ for v in plain if not is_plain(v)})
        msg = f"values of type {', '.join(kinds)} cannot be kept"
        raise TypeError(msg)
    return _packed(json.dumps(plain).encode())


def _is_missing(value: Any) -> bool:
    return value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _packed(data: bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(zlib.compress(data, 6)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
