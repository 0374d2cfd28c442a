"""The call that repeats a recorded run, in Python and in a shell."""

import shlex
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from kompot.plot.run_records import Record
from kompot.settings import (
    DAThresholdSettings,
    DensitySettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    StorageSettings,
)

__all__ = ["call_arguments", "python_call", "shell_call"]

_FUNCTIONS = {"de": "compute_differential_expression", "da": "compute_differential_abundance"}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "de": {"gp": GPSettings, "fdr": FDRSettings},
    "da": {"gp": DensitySettings, "threshold": DAThresholdSettings},
}
_SHARED = {"filter": FilterSettings, "storage": StorageSettings, "output": OutputSettings}
_NAMES = {
    ("fdr", "threshold"): "fdr_threshold",
    ("threshold", "lfc_threshold"): "log_fold_change_threshold",
}
_COMPARED = ("groupby", "condition1", "condition2")
# How results were returned and shown is no part of the analysis.
_LEFT_OUT = ("copy", "inplace", "return_full_results", "progress", "overwrite", "estimator")
_FLAT_LEFT_OUT = (*_LEFT_OUT, "use_sample_variance", "used_landmarks", "landmarks")


def call_arguments(record: Record, kind: str) -> dict[str, Any]:
    """Arguments of a run that are not the defaults, by name; the compared conditions come first.

    Parameters
    ----------
    record
        The record of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    parameters = record.entries.get("params") or {}
    arguments = {name: parameters.get(name) for name in _COMPARED}
    sections = _DEFAULTS[kind] | _SHARED
    for name, value in parameters.items():
        if isinstance(value, Mapping) and name in sections:
            defaults = _defaults(sections[name])
            given = {**value, **(value.get("estimator") or {})}
            arguments |= {
                _NAMES.get((name, key), key): found
                for key, found in given.items()
                if key not in _LEFT_OUT and found != defaults.get(key, MISSING)
            }
        elif name not in _FLAT_LEFT_OUT and not (value is None or name in _COMPARED):
            arguments[name] = value
    if arguments.get("landmarks") in (False, None):
        arguments.pop("landmarks", None)
    usual = {"obsm_key": "DM_EigenVectors", "result_key": f"kompot_{kind}"}
    return {name: value for name, value in arguments.items() if usual.get(name, MISSING) != value}


def python_call(record: Record, kind: str) -> str:
    """The call of the Python function that repeats a run.

    Parameters
    ----------
    record
        The record of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    arguments, unknown = _split(call_arguments(record, kind))
    lines = [f"    {name}={value!r}," for name, value in arguments.items()]
    lines += [f"    # {name}: {text}" for name, text in unknown.items()]
    return "\n".join([f"kompot.{_FUNCTIONS[kind]}(", "    adata,", *lines, ")"])


def shell_call(record: Record, kind: str) -> str:
    """The command that repeats a run.

    Parameters
    ----------
    record
        The record of the run.
    kind
        ``"de"`` or ``"da"``.
    """
    arguments, unknown = _split(call_arguments(record, kind))
    words = [f"kompot {kind} cells.h5ad -o result.h5ad"]
    for name, value in arguments.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
            continue
        text = value if isinstance(value, str) else repr(value)
        words.append(f"--{option} {shlex.quote('none' if value is None else text)}")
    lines = " \\\n  ".join(words)
    return "\n".join(
        [lines, *(f"# --{name.replace('_', '-')}: {unknown[name]}" for name in unknown)]
    )


def _defaults(settings: Any) -> dict[str, Any]:
    """Defaults of the options that belong together."""
    return {
        field.name: field.default if field.default is not MISSING else {}
        for field in fields(settings)
    }


def _split(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Arguments that the record holds, and those of which it only tells the kind."""
    unknown = {}
    for name, value in arguments.items():
        if name == "landmarks":
            unknown[name] = "an array of landmarks, which the record does not hold"
        elif isinstance(value, str) and value.startswith("<") and value.endswith(">"):
            unknown[name] = f"{value}, which the record does not hold"
    return {name: value for name, value in arguments.items() if name not in unknown}, unknown
