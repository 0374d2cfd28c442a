"""Settings of a run from the arguments of the documented functions."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kompot.records.parameters import argument_names, by_kind

__all__ = ["settings_by_kind", "with_defaults", "with_documented_names"]


def settings_by_kind(arguments: Mapping[str, Any], analysis_type: str) -> dict[str, Any]:
    """Options of a run as objects by kind: ``comparison``, ``gp``, ``filter``, ...

    Parameters
    ----------
    arguments
        Arguments of the documented function, defaults included.
    analysis_type
        ``"de"`` or ``"da"``.
    """
    names = argument_names(analysis_type).items()
    given = {dotted: arguments[name] for dotted, name in names if name in arguments}
    return by_kind(given, analysis_type)


def with_documented_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments in their present spelling.

    The document spells ``sample_col`` as ``use_sample_variance=True`` with ``sample_column``;
    without samples there is no ``use_sample_variance``, or it is False.

    Raises
    ------
    ValueError
        If the spellings contradict each other.
    """
    found = dict(given)
    wanted, column = found.pop("use_sample_variance", None), found.pop("sample_column", None)
    known = found.get("sample_col")
    if known is not None and column is not None and known != column:
        msg = f"`sample_col` is {known!r} but `sample_column` is {column!r}; give one of them."
        raise ValueError(msg)
    if known is None:
        known = column
    if wanted and known is None:
        msg = "`use_sample_variance` is True but there are no samples: give `sample_col`."
        raise ValueError(msg)
    if wanted is not None and not wanted:
        known = None
    return found | {"sample_col": known}


def with_defaults(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a function, defaults included, and others as they are."""
    parameters = inspect.signature(function).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
    return defaults | dict(given)
