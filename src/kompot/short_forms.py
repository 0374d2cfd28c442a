"""The short forms ``de`` and ``da``: options by keyword, in settings objects, or in both."""

import logging
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from typing import Any

import numpy as np
from anndata import AnnData

from kompot.anndata.abundance_run import density_parameters, run_abundance
from kompot.anndata.expression_start import start_expression
from kompot.gp.backend import jit_compiled
from kompot.records.parameters import FURTHER, argument_names, by_kind
from kompot.settings import (
    AbundanceSettings,
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    ModelSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)
from kompot.settings.given import Options
from kompot.user_warnings import warn_user

__all__ = ["da", "de"]

_OF_FILES = ("store_arrays_on_disk", "disk_storage_dir")

log = logging.getLogger(__name__)


def de(  # noqa: PLR0917 the order of arguments that users know
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    obsm_key: str = "DM_EigenVectors",
    layer: str | None = None,
    genes: Any = None,
    sample_col: str | None = None,
    gp: GPSettings | None = None,
    fdr: FDRSettings | None = None,
    filter: FilterSettings | None = None,
    storage: StorageSettings | None = None,
    output: OutputSettings | None = None,
    model: ModelSettings | None = None,
    dry_run: bool = False,
    *,
    samples: SampleSettings | None = None,
    client: Any = None,
    **function_kwargs: Any,
) -> Any:
    """Find the genes whose expression differs between two conditions as a function of cell state.

    The same analysis as :func:`kompot.compute_differential_expression`, whose keywords it takes,
    with the same defaults, fields and records. Options may come in settings objects, by keyword, or
    partly so.

    Parameters
    ----------
    adata, groupby, condition1, condition2, obsm_key, layer, genes, sample_col
        As in :func:`kompot.compute_differential_expression`.
    gp
        Options of the Gaussian process.
    fdr
        Of false discovery rates.
    filter
        Of groups and cells left out.
    storage
        Of what is stored, and how.
    output
        Of what is returned.
    model
        Models and predictors to use instead of fitting
        (:mod:`kompot.anndata.given_expression_run`).
    dry_run
        Only estimate what the run would need: print it and return a plan; nothing is computed.
    samples
        How samples are compared.
    client
        A ``dask.distributed.Client``, as in :func:`kompot.compute_differential_expression`.
    **function_kwargs
        Further keywords of :func:`kompot.compute_differential_expression`.

    Returns
    -------
    As :func:`kompot.compute_differential_expression`; with ``dry_run`` the
    :class:`kompot.resource_estimation.ResourcePlan`.

    Raises
    ------
    ValueError, TypeError
        As there, and if a keyword and an option that was given in an object differ.
    """
    flat = _merged(
        "de",
        {
            "groupby": groupby,
            "condition1": condition1,
            "condition2": condition2,
            "obsm_key": obsm_key,
            "layer": layer,
            "genes": genes,
            "sample_col": sample_col,
        },
        {
            "gp": _checked("gp", gp, GPSettings),
            "fdr": _checked("fdr", fdr, FDRSettings),
            "filter": _checked("filter", filter, FilterSettings),
            "storage": _checked("storage", storage, StorageSettings),
            "output": _checked("output", output, OutputSettings),
            "samples": _checked("samples", samples, SampleSettings),
        },
        function_kwargs,
    )
    injected = _checked("model", model, ModelSettings) or ModelSettings()
    settings = ExpressionSettings(**by_kind(flat, "de"), model=injected)
    if dry_run:
        return _dry_run(adata, settings)
    return start_expression(adata, settings, client)


def da(  # noqa: PLR0917 the order of arguments that users know
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    obsm_key: str = "DM_EigenVectors",
    sample_col: str | None = None,
    gp: GPSettings | DensitySettings | None = None,
    threshold: DAThresholdSettings | None = None,
    storage: StorageSettings | None = None,
    output: OutputSettings | None = None,
    model: ModelSettings | None = None,
    dry_run: bool = False,
    *,
    filter: FilterSettings | None = None,
    samples: SampleSettings | None = None,
    donor: DonorAbundanceOptions | None = None,
    **density_kwargs: Any,
) -> Any:
    """Find where in the space of cell states one condition has more cells than the other.

    The same analysis as :func:`kompot.compute_differential_abundance`, whose keywords it takes,
    with the same defaults, fields and records. Options may come in settings objects, by keyword, or
    partly so.

    Parameters
    ----------
    adata, groupby, condition1, condition2, obsm_key, sample_col
        As in :func:`kompot.compute_differential_abundance`.
    gp
        Options of the densities. Of :class:`kompot.GPSettings` count ``n_landmarks``,
        ``landmarks``, ``ls``, ``ls_factor``, ``kernel``, ``tol``, ``param_scheme``,
        ``batch_size``, ``random_state`` and ``jit_compile``; the others are of expression. None
        sets no limit to the number of landmarks.
    threshold
        When a change counts.
    storage
        Of what is stored, and how. Abundance keeps no arrays that would need files:
        ``store_arrays_on_disk`` and ``disk_storage_dir`` change nothing, and a warning says so.
    output
        Of what is returned.
    model
        Densities and variances between samples to use instead of fitting
        (:class:`kompot.DifferentialAbundance`).
    dry_run
        Only estimate what the run would need: print it and return a plan; nothing is computed.
    filter
        Of groups and cells left out.
    samples
        How samples are compared.
    donor
        Of the donor-level test.
    **density_kwargs
        Further keywords of :func:`kompot.compute_differential_abundance`.

    Returns
    -------
    As :func:`kompot.compute_differential_abundance`; with ``dry_run`` the
    :class:`kompot.resource_estimation.ResourcePlan`.

    Raises
    ------
    ValueError, TypeError
        As there, and if a keyword and an option that was given in an object differ.
    """
    density = _checked("gp", gp, (GPSettings, DensitySettings))
    _warn_of_files(storage)
    flat = _merged(
        "da",
        {
            "groupby": groupby,
            "condition1": condition1,
            "condition2": condition2,
            "obsm_key": obsm_key,
            "sample_col": sample_col,
        },
        {
            "gp": density,
            "threshold": _checked("threshold", threshold, DAThresholdSettings),
            "filter": _checked("filter", filter, FilterSettings),
            "storage": _checked("storage", storage, StorageSettings),
            "output": _checked("output", output, OutputSettings),
            "samples": _checked("samples", samples, SampleSettings),
            "donor": _checked("donor", donor, DonorAbundanceOptions),
        },
        density_kwargs,
    )
    injected = _checked("model", model, ModelSettings) or ModelSettings()
    settings = AbundanceSettings(**by_kind(flat, "da"), model=injected)
    density_parameters(settings.gp.estimator)
    if dry_run:
        return _dry_run(adata, settings)
    with jit_compiled(settings.gp.jit_compile):
        return run_abundance(adata, settings)


def _warn_of_files(storage: StorageSettings | None) -> None:
    """Say that abundance keeps nothing in files, if that was asked for."""
    given = [] if not isinstance(storage, StorageSettings) else storage.given()
    unused = [name for name in _OF_FILES if name in given and getattr(storage, name)]
    if unused:
        msg = f"{unused} of `storage` have no effect: abundance keeps no arrays that need files."
        warn_user(msg)


def _checked(name: str, given: Any, kinds: Any) -> Any:
    """A settings object; a TypeError if it is something else."""
    if given is not None and not isinstance(given, kinds):
        wanted = " or ".join(kind.__name__ for kind in np.atleast_1d(kinds))
        msg = f"'{name}' must be {wanted} or None, got {type(given).__name__}."
        raise TypeError(msg)
    return given


def _merged(
    analysis_type: str,
    comparison: Mapping[str, Any],
    objects: Mapping[str, Options | None],
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """Options by dotted name (``gp.sigma``), from settings objects and from keywords.

    Raises
    ------
    ValueError
        If an option is given in both, with different values.
    TypeError
        If a keyword is unknown.
    """
    names = argument_names(analysis_type)
    dotted = {argument: name for name, argument in names.items()}
    flat: dict[str, Any] = dict(comparison)
    given: dict[str, Any] = {}
    for kind, made in objects.items():
        if made is None:
            continue
        values, chosen = _options(kind, made, analysis_type)
        flat |= values
        given |= chosen
    unknown = [name for name in keywords if name not in dotted]
    if unknown and analysis_type == "de":
        known = [*objects, "model", "dry_run", "client", *dotted]
        msg = f"Unknown arguments: {sorted(unknown)}. Known arguments: {known}"
        raise TypeError(msg)
    for argument, value in keywords.items():
        name = dotted.get(argument, FURTHER + argument)
        if name in given and not _agree(given[name], value):
            option = name.replace(FURTHER, "gp.")
            msg = (
                f"`{argument}={value!r}` and `{option}={given[name]!r}` differ: give this option "
                f"by keyword or in `{option.partition('.')[0]}`, not in both."
            )
            raise ValueError(msg)
        flat[name] = value
    return flat


def _options(kind: str, made: Options, analysis_type: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values of a settings object by dotted name, and those of them that were given."""
    values = {f"{kind}.{one.name}": getattr(made, one.name) for one in fields(made)}  # type: ignore[arg-type]
    chosen = {f"{kind}.{name}": value for name, value in made.given().items()}
    further = values.pop("gp.estimator", None) or {}
    values |= {FURTHER + name: value for name, value in further.items()}
    chosen |= {FURTHER + name: value for name, value in further.items()}
    chosen.pop("gp.estimator", None)
    if analysis_type == "de" or not isinstance(made, GPSettings):
        return values, chosen
    shared = {f"gp.{one.name}" for one in fields(DensitySettings)}
    passed = {name: value for name, value in values.items() if name in shared}
    estimator = ("ls", "kernel", "tol")
    renamed = {FURTHER + name: chosen[f"gp.{name}"] for name in estimator if f"gp.{name}" in chosen}
    unused = set(chosen) - shared - {f"gp.{name}" for name in estimator}
    if unused:
        log.info("%s are of expression; densities have none", sorted(unused))
    return passed | renamed, {n: v for n, v in chosen.items() if n in shared} | renamed


def _agree(first: Any, second: Any) -> bool:
    """Whether two values of an option are the same, numbers or arrays."""
    if first is second:
        return True
    if isinstance(first, bool) != isinstance(second, bool):
        return False
    if first is None or second is None or isinstance(first, str) or isinstance(second, str):
        return bool(type(first) is type(second) and first == second)
    try:
        return bool(np.array_equal(np.asarray(first), np.asarray(second)))
    except ValueError:  # of lists of different lengths no array is made
        return bool(first == second)


def _dry_run(adata: AnnData, settings: ExpressionSettings | AbundanceSettings) -> Any:
    """The plan of a run with these options, printed."""
    planning = import_module("kompot.resource_estimation.planning")  # not needed by runs
    is_expression = isinstance(settings, ExpressionSettings)
    plan = (planning.plan_expression if is_expression else planning.plan_abundance)(adata, settings)
    print(plan.format_report())
    return plan
