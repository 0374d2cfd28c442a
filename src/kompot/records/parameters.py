"""The parameters of a run: as a record keeps them, and as arguments that repeat it."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from kompot.records.encoding import described, encoded, is_plain, simplified
from kompot.settings import (
    AbundanceSettings,
    ExpressionSettings,
    ModelSettings,
    SmoothingSettings,
)

__all__ = [
    "FURTHER",
    "NO_ARGUMENTS",
    "OUTCOME",
    "argument_names",
    "by_kind",
    "call_arguments",
    "flattened",
    "stored_parameters",
]

_SETTINGS: dict[str, Any] = {
    "de": ExpressionSettings,
    "da": AbundanceSettings,
    "smooth": SmoothingSettings,
}
NO_ARGUMENTS = {
    "smooth": {
        *("gp.param_scheme", "storage.store_posterior_covariance"),
        *("storage.store_additional_stats", "output.compute_mahalanobis"),
        *("output.allow_single_condition_variance", "output.attribution"),
        "output.return_null_data",
    },
    "da": {
        *("layer", "genes", "differential_abundance_key"),
        *("filter.min_cells", "filter.min_percentage", "filter.check_representation"),
        *("filter.group_variance", "storage.layers", "storage.store_posterior_covariance"),
        *("storage.store_arrays_on_disk", "storage.disk_storage_dir", "storage.max_memory_ratio"),
        *("output.return_null_data", "output.compute_mahalanobis", "output.attribution"),
        "samples.regions",  # these are its groups
    },
}
"""Options that a function does not take, though objects that it shares with others hold them."""
_RENAMED = {
    "fdr.threshold": "fdr_threshold",
    "threshold.lfc_threshold": "log_fold_change_threshold",
}
OUTCOME = frozenset(
    ("overwrite", "copy", "inplace", "return_full_results", "return_null_data", "progress")
)
"""Arguments that say where results go, not what they are."""
_SEQUENCES = {"genes", "fdr.null_genes"}
FURTHER = "gp.estimator."
"""Dotted names of further parameters of a density begin with this."""
_ALWAYS = (
    *("gp.", "fdr.null_genes", "fdr.null_seed", "fdr.threshold", "threshold."),
    *("storage.result_key", "groupby", "condition", "obsm_key"),
)
"""Options that are repeated even where they have their default."""
_DERIVED = {
    *("result_key", "use_sample_variance", "used_landmarks", "auto_filtered"),
    *("n_genes", "n_cells"),
}
"""What versions of the original record beside the arguments."""


def stored_parameters(
    settings: ExpressionSettings | AbundanceSettings | SmoothingSettings,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters of a run as JSON can hold them, and the arrays among them.

    Parameters
    ----------
    settings
        All options of the run.

    Returns
    -------
    parameters
        The comparison, and the other options by kind (``gp``, ``filter``, ...); an array is
        described by its type and shape.
    arrays
        Arrays among them by dotted name (``filter.groups``), encoded.
    """
    parameters: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for kind in fields(settings):
        chosen = getattr(settings, kind.name)
        if isinstance(chosen, ModelSettings):
            if chosen.names:
                given = {name: type(getattr(chosen, name)).__name__ for name in chosen.names}
                parameters[kind.name] = given
            continue
        values = {option.name: getattr(chosen, option.name) for option in fields(chosen)}
        for name, given in values.items():
            dotted = _dotted(kind.name, name)
            value = simplified(_converted(dotted, given))
            values[name] = value if is_plain(value) else described(value)
            if not is_plain(value):
                arrays[dotted] = encoded(value)
        if kind.name == "comparison":
            parameters |= values
        else:
            parameters[kind.name] = values
    return parameters, arrays


def _converted(dotted: str, value: Any) -> Any:
    """Names, column numbers and landmarks in one form, whatever holds them."""
    if value is None or isinstance(value, str):
        return value
    if dotted == "gp.landmarks":
        return np.asarray(value)
    return list(value) if dotted in _SEQUENCES and np.ndim(value) else value


def flattened(parameters: Mapping[str, Any], analysis_type: str) -> dict[str, Any]:
    """Parameters by dotted name (``gp.sigma``), whichever version recorded them.

    Version 0.6.3 of the original recorded arguments without kinds, later ones by kind.
    """
    kinds = _kinds(analysis_type)
    dotted = {argument: name for name, argument in argument_names(analysis_type).items()}
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if name in kinds and isinstance(value, Mapping):
            flat |= {f"{name}.{option}": entry for option, entry in value.items()}
        else:
            flat[dotted.get(name, name)] = value
    further = flat.pop("gp.estimator", None)
    if isinstance(further, Mapping):
        flat |= {f"gp.estimator.{name}": value for name, value in further.items()}
    return flat


def argument_names(analysis_type: str) -> dict[str, str]:
    """Argument of the documented function for each dotted name of an option."""
    return {
        dotted: _RENAMED.get(dotted, option.name)
        for kind, made_of in _kinds(analysis_type).items()
        for option in fields(made_of)
        for dotted in [_dotted(kind, option.name)]
        if dotted not in NO_ARGUMENTS.get(analysis_type, ())
    }


def by_kind(flat: Mapping[str, Any], analysis_type: str) -> dict[str, Any]:
    """Options of a run as objects by kind: ``comparison``, ``gp``, ``filter``, ...

    The comparison is left out if its conditions are not among the options.

    Raises
    ------
    ValueError, TypeError
        If a value is none that this version knows.
    """
    made = {}
    for kind, made_of in _kinds(analysis_type).items():
        if kind == "comparison" and "groupby" not in flat:
            continue
        given = {
            option.name: flat[_dotted(kind, option.name)]
            for option in fields(made_of)
            if _dotted(kind, option.name) in flat
        }
        if kind == "gp" and any(name.startswith(FURTHER) for name in flat):
            given["estimator"] = {
                name.removeprefix(FURTHER): value
                for name, value in flat.items()
                if name.startswith(FURTHER)
            }
        made[kind] = made_of(**given)
    return made


def call_arguments(
    flat: Mapping[str, Any], analysis_type: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arguments that repeat a run, and what was set but is no argument here.

    Left out are those that say where results go, and not what they are (``overwrite``, ``copy``,
    ``inplace``, ``return_full_results``, ``progress``), and those that have their default, but for
    the parameters of the model.

    Parameters
    ----------
    flat
        Parameters by dotted name.
    analysis_type
        ``"de"``, ``"da"`` or ``"smooth"``.
    """
    names = argument_names(analysis_type)
    defaults = _defaults(analysis_type)
    arguments: dict[str, Any] = {}
    unknown: dict[str, Any] = {}
    for dotted, value in flat.items():
        further = dotted.startswith(FURTHER)
        argument = dotted.removeprefix(FURTHER) if further else names.get(dotted)
        if argument is None:
            if dotted not in _DERIVED and not _is_unset(dotted, value):
                unknown[dotted] = value
        elif dotted in defaults and not dotted.startswith(_ALWAYS):
            if argument not in OUTCOME and not _is_default(value, defaults[dotted]):
                arguments[argument] = value
        else:
            arguments[argument] = value
    return arguments, unknown


def _kinds(analysis_type: str) -> dict[str, Any]:
    """Classes of the options of an analysis, by kind; none of one that is only read here.

    Injected models are no options: a record says that there were some, and cannot hold them.
    """
    made_of = _SETTINGS.get(analysis_type)
    if made_of is None:
        return {}
    kinds = {field.name: field.type for field in fields(made_of)}
    return {name: kind for name, kind in kinds.items() if kind is not ModelSettings}


def _dotted(kind: str, name: str) -> str:
    return name if kind == "comparison" else f"{kind}.{name}"


def _defaults(analysis_type: str) -> dict[str, Any]:
    """Default of each option that has a plain one."""
    return {
        _dotted(kind, option.name): option.default
        for kind, made_of in _kinds(analysis_type).items()
        for option in fields(made_of)
        if option.default is not MISSING
    }


def _is_unset(dotted: str, value: Any) -> bool:
    """Whether an option that is unknown here has no effect, or its default in another analysis."""
    if value is None or value is False:
        return True
    name = dotted.rpartition(".")[2]
    known = {**_defaults("de"), **_defaults("da")}
    return any(
        _is_default(value, default)
        for other, default in known.items()
        if other.rpartition(".")[2] == name
    )


def _is_default(value: Any, default: Any) -> bool:
    return type(value) is type(default) and bool(value == default)
