"""Settings of a run from the arguments of the documented functions."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from kompot.settings import (
    AbundanceSettings,
    Comparison,
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = ["abundance_settings", "expression_settings", "with_documented_names"]

_PREFIXED = {
    FDRSettings: {"threshold": "fdr_threshold"},
    DAThresholdSettings: {"lfc_threshold": "log_fold_change_threshold"},
}
"""Options whose argument has another name."""


def expression_settings(parameters: Mapping[str, Any]) -> ExpressionSettings:
    """Settings of a differential-expression run.

    Parameters
    ----------
    parameters
        Arguments of :func:`kompot.compute_differential_expression`, defaults included.
    """
    return ExpressionSettings(
        _chosen(Comparison, parameters),
        _chosen(GPSettings, parameters),
        _chosen(FDRSettings, parameters),
        _chosen(FilterSettings, parameters),
        _chosen(StorageSettings, parameters),
        _chosen(OutputSettings, parameters),
        _chosen(SampleSettings, parameters),
    )


def abundance_settings(
    parameters: Mapping[str, Any], estimator: Mapping[str, Any]
) -> AbundanceSettings:
    """Settings of a differential-abundance run.

    Parameters
    ----------
    parameters
        Arguments of :func:`kompot.compute_differential_abundance`, defaults included.
    estimator
        Further parameters of the density, checked.
    """
    return AbundanceSettings(
        _chosen(Comparison, parameters),
        _chosen(DensitySettings, {**parameters, "estimator": estimator}),
        _chosen(DAThresholdSettings, parameters),
        _chosen(FilterSettings, parameters),
        _chosen(StorageSettings, parameters),
        _chosen(OutputSettings, parameters),
        _chosen(SampleSettings, parameters),
        _chosen(DonorAbundanceOptions, parameters),
    )


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


def _chosen(kind: Any, parameters: Mapping[str, Any]) -> Any:
    """Settings of one kind from the arguments of the same names."""
    names = {one.name: _PREFIXED.get(kind, {}).get(one.name, one.name) for one in fields(kind)}
    return kind(**{own: parameters[name] for own, name in names.items() if name in parameters})
