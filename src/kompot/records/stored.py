"""Removing the large results of runs, and saying which results are there."""

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData, ImplicitModificationWarning

from kompot import memory
from kompot.records.expression_fields import ExpressionFields
from kompot.records.factored import is_shared
from kompot.records.fields import AbundanceFields, Field
from kompot.records.history import recorded_runs, refuse_newer
from kompot.records.recorded import LOCATIONS, field_owners, is_present, recorded_fields
from kompot.records.run_choice import run_number
from kompot.user_warnings import warn_user

__all__ = ["cleanup", "get_field_status"]

log = logging.getLogger(__name__)

Keep = bool | Sequence[str] | None

_FURTHER_TYPES = {
    *("smoothed", "std_with_sample_var", "weighted_mean_log_fold_change", "local_fdr"),
    *("basis", "weights", "deviations", "posterior_std", "colors"),
}
_FACTORS = {"basis", "weights", "deviations"}
"""Layers in factored form, in ``obsm`` and ``varm``."""
_FACTORED = {
    *("imputed", "smoothed", "fold_change", "fold_change_zscores", "std_with_sample_var"),
}
_SAME_TYPE = {"smoothed": "imputed", "imputed": "smoothed"}
"""What versions of the original call the same thing."""


def cleanup(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    run_ids: int | Sequence[int] | None = None,
    analysis_type: str = "de",
    keep_layers: bool | list[str] | None = None,
    keep_var_fields: bool | list[str] | None = True,
    keep_obs_fields: bool | list[str] | None = True,
    keep_obsp_fields: bool | list[str] | None = None,
    keep_varm_fields: bool | list[str] | None = None,
    inplace: bool = True,
) -> AnnData | None:
    """Remove the large results of runs (layers, covariances, tables of groups).

    The number of fields and bytes freed is logged. The record of the runs stays as it is;
    removed fields then count as missing. A field that a later run wrote too holds that run's
    result, so it goes only with that run.

    Parameters
    ----------
    adata
        Data with results.
    run_ids
        Numbers of the runs, from 0, or from the end if negative; None for all. Those that do not
        exist are skipped with a warning.
    analysis_type
        ``"de"`` for differential expression, ``"da"`` for differential abundance.
    keep_layers
        None or False removes all layers of the runs, True keeps them, a list keeps these types:
        ``"imputed"``, ``"fold_change"``, ``"fold_change_zscores"``, ``"std_with_sample_var"``.
        Factored layers (in ``obsm`` and ``varm``) are kept with any type made of them;
        ``["basis", "weights", "deviations"]`` keeps them and removes dense ones. A basis that other
        runs use, too, stays.
    keep_var_fields
        The same for columns of ``var``: ``"mean_log_fold_change"``, ``"mahalanobis"``, ``"ptp"``,
        ``"mahalanobis_pvalue"``, ``"mahalanobis_local_fdr"``, ``"mahalanobis_tail_fdr"``,
        ``"is_de"``, ``"weighted_mean_log_fold_change"``.
    keep_obs_fields
        The same for columns of ``obs``: ``"std"``; ``"log_fold_change"``, ``"density"``,
        ``"direction"`` (with its colours in ``uns``), ...
    keep_obsp_fields
        The same for ``obsp``: ``"covariance"``.
    keep_varm_fields
        The same for ``varm``: ``"mean_log_fold_change"``, ``"mahalanobis"``, ...
    inplace
        Change ``adata``; False leaves it and returns a changed copy.

    Returns
    -------
    None, or the copy.

    Raises
    ------
    ValueError, TypeError
        If the history cannot be read, or a type to keep does not exist; nothing is removed.
    """
    runs = recorded_runs(adata, analysis_type)
    rules = {
        location: _checked_rule(location, keep, runs)
        for location, keep in {
            "layers": keep_layers,
            "var": keep_var_fields,
            "obs": keep_obs_fields,
            "obsp": keep_obsp_fields,
            "varm": keep_varm_fields,
        }.items()
    }
    chosen = _checked_runs(runs, run_ids, analysis_type)
    removed, later = _to_remove(adata, runs, chosen, rules)
    target = adata if inplace else _copied(adata)
    freed = sum(
        memory.stored_bytes(getattr(target, field.location)[field.name]) for field in removed
    )
    _remove(target, removed)
    log.info(
        "%d fields of %d runs of %r removed, %s freed (%d bytes); %d that later runs wrote stay",
        len(removed),
        len(chosen),
        analysis_type,
        memory.human(freed),
        freed,
        later,
    )
    return None if inplace else target


def get_field_status(
    adata: AnnData, run_id: int | None = None, analysis_type: str = "de"
) -> dict[str, dict[str, dict[str, bool]]]:
    """Which fields of a run the data hold.

    Parameters
    ----------
    adata
        Data with results.
    run_id
        Number of the run, from 0, or from the end if negative; None for the last.
    analysis_type
        ``"de"`` or ``"da"``.

    Returns
    -------
    ``{location: {type: {name: is_present}}}``; empty, and logged, if there is no such run.

    Raises
    ------
    ValueError
        If the history cannot be read.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=60, n_genes=4, random_state=0)
    >>> conditions = ("condition", "control", "treated")
    >>> kompot.compute_differential_expression(adata, *conditions, null_genes=0, progress=False)
    >>> del adata.layers["kompot_de_treated_imputed"]
    >>> status = kompot.get_field_status(adata)
    >>> status["layers"]["imputed"]
    {'kompot_de_control_imputed': True, 'kompot_de_treated_imputed': False}
    """
    runs = recorded_runs(adata, analysis_type)
    wanted = -1 if run_id is None else run_id
    number = run_number(runs, wanted)
    if number is None:
        log.warning("There is no run %d of %r; %d are recorded", wanted, analysis_type, len(runs))
        return {}
    refuse_newer(runs[number], f"Run {number} of {analysis_type}")
    status: dict[str, dict[str, dict[str, bool]]] = {}
    for field in recorded_fields(runs[number]):
        by_type = status.setdefault(field.location, {})
        by_type.setdefault(field.type, {})[field.name] = is_present(adata, field)
    return status


def _checked_rule(location: str, keep: Keep, runs: Iterable[Mapping[str, Any]]) -> set[str] | bool:
    """Types to keep, or whether to keep all.

    Raises
    ------
    ValueError, TypeError
        If this is no rule, or a type is unknown.
    """
    if keep is None or isinstance(keep, bool | np.bool_):
        return bool(keep)
    argument = "keep_layers" if location == "layers" else f"keep_{location}_fields"
    if isinstance(keep, str) or not all(isinstance(kind, str) for kind in keep):
        msg = f"`{argument}` must be True, False, None or a list of types, got {keep!r}."
        raise TypeError(msg)
    known = {field.type for run in runs for field in recorded_fields(run)} | _FURTHER_TYPES
    for names in (ExpressionFields("", "1", "2"), AbundanceFields("", "1", "2")):
        known |= {field.type for field in names}
    unknown = sorted({*keep} - known)
    if unknown:
        msg = f"`{argument}` holds {unknown}, no types of fields. Known types: {sorted(known)}"
        raise ValueError(msg)
    return {*keep} | {_SAME_TYPE[kind] for kind in keep if kind in _SAME_TYPE}


def _checked_runs(
    runs: Sequence[Mapping[str, Any]], run_ids: int | Sequence[int] | None, analysis_type: str
) -> set[int]:
    """Numbers from 0 of the runs that exist and can be read."""
    if not runs:
        warn_user(f"No run of {analysis_type!r} is recorded in these data.")
        return set()
    wanted = [run_ids] if isinstance(run_ids, int | np.integer) else run_ids
    chosen: set[int] = set()
    for one in range(len(runs)) if wanted is None else wanted:
        number = run_number(runs, one, argument="run_ids")
        if number is None:
            warn_user(f"There is no run {one} of {analysis_type!r}; {len(runs)} are recorded.")
            continue
        refuse_newer(runs[number], f"Run {number} of {analysis_type}")
        chosen.add(number)
    return chosen


def _to_remove(
    adata: AnnData,
    runs: Sequence[Mapping[str, Any]],
    chosen: set[int],
    rules: Mapping[str, set[str] | bool],
) -> tuple[list[Field], int]:
    """Fields to remove, and how many are left because a later run wrote them."""
    owners = field_owners(runs)
    fields = {
        (field.location, field.name): field
        for number in sorted(chosen)
        for field in recorded_fields(runs[number])
        if is_present(adata, field)
    }
    unwanted = [field for field in fields.values() if not _is_kept(field, rules)]
    removed = [
        field
        for field in unwanted
        if owners[field.location, field.name] in chosen
        and not (field.type == "basis" and is_shared(runs, chosen, field.name))
    ]
    if rules["obs"] is not True:
        removed += [
            field
            for field in fields.values()
            if owners[field.location, field.name] in chosen
            and field.type == "colors"
            and all(column in removed for column in _coloured(field, fields.values()))
        ]
    return removed, len(unwanted) - len([f for f in removed if f in unwanted])


def _coloured(colors: Field, fields: Iterable[Field]) -> list[Field]:
    """Columns that colours belong to: the one they are named after, or all directions."""
    columns = [field for field in fields if field.location == "obs"]
    own = [field for field in columns if f"{field.name}_colors" == colors.name]
    return own or [field for field in columns if field.type == "direction"]


def _is_kept(field: Field, rules: Mapping[str, set[str] | bool]) -> bool:
    """Whether the rules keep a field; ``uns`` has none, and its colours go with the directions."""
    if field.location == "uns":
        return True
    is_factor = field.location == "obsm" or field.type in _FACTORS
    rule = rules.get("layers" if is_factor else field.location, True)
    if isinstance(rule, bool):
        return rule
    return field.type in rule or (is_factor and bool(rule & _FACTORED))


def _copied(adata: AnnData) -> AnnData:
    return adata.to_memory() if adata.isbacked else adata.copy()


def _remove(adata: AnnData, fields: Iterable[Field]) -> None:
    """Remove fields that exist. A view becomes data of its own, as on any assignment."""
    by_location = {
        location: [field.name for field in fields if field.location == location]
        for location in LOCATIONS
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImplicitModificationWarning)
        for location, names in by_location.items():
            if location in ("obs", "var") and names:
                setattr(adata, location, getattr(adata, location).drop(columns=names))
                continue
            for name in names:
                del getattr(adata, location)[name]
