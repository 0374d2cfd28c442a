"""The call that repeats a recorded run, in Python and in a shell."""

import json
import shlex
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from anndata import AnnData

from kompot.records.parameters import call_arguments, flattened
from kompot.records.run_info import RunInfo

__all__ = ["python_call", "repeating_arguments", "shell_call"]

_FUNCTIONS = {"de": "compute_differential_expression", "da": "compute_differential_abundance"}
# A shell has no arrays; landmarks are drawn there unless the file holds some.
_NOT_IN_SHELL = ("null_mahalanobis", "null_expression", "combine_with_internal")
_AS_JSON = ("groups", "cell_filter", "regions")


def repeating_arguments(adata: AnnData, number: int, kind: str) -> dict[str, Any]:
    """Arguments that repeat a run, as far as its record tells.

    Parameters
    ----------
    adata
        The data.
    number
        Number of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    run = RunInfo(adata, number, kind)
    with warnings.catch_warnings():
        # Of parameters of other versions; all parameters are listed beside the call.
        warnings.simplefilter("ignore", UserWarning)
        try:
            return run.call_args()
        except ValueError:  # An array was too large to be recorded.
            return call_arguments(flattened(run.params, kind), kind)[0]


def python_call(adata: AnnData, number: int, kind: str) -> str:
    """The call of the Python function that repeats a run.

    Parameters
    ----------
    adata
        The data.
    number
        Number of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    arguments, arrays = _split(repeating_arguments(adata, number, kind))
    lines = [f"    {name}={value!r}," for name, value in arguments.items()]
    if arrays:
        lines.append(f"    # {', '.join(arrays)}: arrays; all arguments of the run are in")
        lines.append(f"    # kompot.RunInfo(adata, {number}, {kind!r}).call_args()")
    return "\n".join([f"kompot.{_FUNCTIONS[kind]}(", "    adata,", *lines, ")"])


def shell_call(adata: AnnData, number: int, kind: str) -> str:
    """The command that repeats a run.

    Parameters
    ----------
    adata
        The data.
    number
        Number of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    arguments, arrays = _split(repeating_arguments(adata, number, kind))
    arguments.pop("landmarks", None)
    absent = [*arrays, *(name for name in _NOT_IN_SHELL if arguments.pop(name, None))]
    words = [f"kompot {kind} cells.h5ad -o result.h5ad"]
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {shlex.quote(_text(name, value))}")
    note = [f"# Not in a shell, only in Python: {', '.join(absent)}."] if absent else []
    return "\n".join([" \\\n  ".join(words), *note])


def _split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Arguments that can be written, and names of those that are arrays."""
    arrays = [name for name, value in arguments.items() if _is_array(value)]
    return {name: value for name, value in arguments.items() if name not in arrays}, arrays


def _is_array(value: Any) -> bool:
    """Whether a value is an array, holds one, or is the description of one."""
    if isinstance(value, np.ndarray) or hasattr(value, "dtype"):
        return True
    if isinstance(value, list | tuple):
        return any(map(_is_array, value))
    if isinstance(value, Mapping):
        return any(map(_is_array, value.values()))
    return isinstance(value, str) and value.startswith("<") and value.endswith(">")


def _text(name: str, value: Any) -> str:
    """A value as an option takes it."""
    if value is None:
        return "none"
    if isinstance(value, Mapping) or (name in _AS_JSON and not isinstance(value, str)):
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return value if isinstance(value, str) else repr(value)
