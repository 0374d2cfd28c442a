"""Dry runs: all that a run reads and checks, and what it would take, without computing it."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from anndata import AnnData

from kompot import threads
from kompot.anndata import (
    abundance_inputs,
    compute_differential_abundance,
    compute_differential_expression,
    expression_inputs,
)
from kompot.anndata.abundance_resources import (
    abundance_rank,
    abundance_sizes,
    estimate_abundance,
)
from kompot.anndata.abundance_results import stored_fields as abundance_fields
from kompot.anndata.abundance_run import density_parameters
from kompot.anndata.expression_resources import (
    estimate_run,
    expression_rank,
    expression_sizes,
)
from kompot.anndata.expression_results import stored_fields as expression_fields
from kompot.anndata.later import refuse_own_noise, refuse_unknown
from kompot.anndata.layer_store import array_store
from kompot.gp.backend import require_jax
from kompot.gp.rank import RankEstimate
from kompot.memory import SystemAvailability, human
from kompot.memory.estimate import Estimate, estimate_expression
from kompot.memory.expression import ExpressionSizes
from kompot.models.array_store import ArrayStore
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import AbundanceFields, Field
from kompot.resource_estimation.call import (
    abundance_settings,
    expression_settings,
    with_defaults,
    with_documented_names,
)
from kompot.resource_estimation.overwrites import (
    output_fields,
    overwritten_fields,
    previous_runs,
)
from kompot.resource_estimation.plan import ResourcePlan
from kompot.resource_estimation.wall_time import (
    abundance_seconds,
    expression_seconds,
    measure_speed,
)
from kompot.settings import AbundanceSettings, ExpressionSettings, StorageSettings
from kompot.settings.checks import SEPARATE

__all__ = ["dry_run_differential_abundance", "dry_run_differential_expression"]


def dry_run_differential_expression(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    verbose: bool = True,
    **kwargs: Any,
) -> ResourcePlan:
    """What :func:`kompot.compute_differential_expression` would take, without running it.

    The arguments are read and checked as by the run; nothing is computed or changed. The number of
    features, on which most sizes depend, is estimated from up to 8,000 of the cells
    (:func:`kompot.gp.rank.estimate_rank`), the time from how fast this machine does small pieces
    of the work.

    Parameters
    ----------
    adata
        The data.
    groupby
        Column of ``adata.obs`` with the conditions.
    condition1, condition2
        Labels of the conditions.
    verbose
        Print the report.
    **kwargs
        Any further argument of :func:`kompot.compute_differential_expression`. Samples may also be
        given as ``use_sample_variance=True`` with ``sample_column``.

    Returns
    -------
    The plan, bytes and seconds. Its memory is the most that the process will hold beyond what it
    holds now.

    Raises
    ------
    ValueError, TypeError
        If the run would refuse an argument.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=200, n_genes=20, random_state=0)
    >>> plan = kompot.dry_run_differential_expression(
    ...     adata, "condition", "control", "treated", null_genes=0, verbose=False
    ... )
    >>> plan.is_feasible
    True
    >>> plan.output_fields["adata.obs"]
    ['kompot_de_control_std', 'kompot_de_treated_std']
    """
    given = with_documented_names(kwargs)
    names = {"groupby": groupby, "condition1": condition1, "condition2": condition2}
    _check_order(adata, **names)
    function = compute_differential_expression
    parameters = with_defaults(function, names | given)
    known = _known(function)
    refuse_unknown({name: one for name, one in parameters.items() if name not in known}, function)
    settings = expression_settings(parameters)
    refuse_own_noise(settings)
    availability = _availability(settings.storage)
    with _quiet():
        inputs = expression_inputs.read_inputs(adata, settings)
    fields = ExpressionFields(
        settings.storage.result_key,
        condition1,
        condition2,
        with_samples=inputs.samples is not None,
        donor_level=inputs.donor_level,
        with_noise=settings.gp.use_empirical_variance,
    )
    has_fdr = inputs.donor_level or inputs.null.exists
    wanted = expression_fields(fields, settings, has_fdr=has_fdr)
    rank = expression_rank(inputs, settings)
    store = array_store(settings.storage)
    sizes = expression_sizes(
        adata, inputs, settings, wanted, rank.rank, on_disk=bool(store.on_disk)
    )
    sizes, told = _place(sizes, store, settings.storage.max_memory_ratio, availability)
    estimate = estimate_run(sizes, adata, wanted)
    plan = _plan(adata, settings, wanted, estimate, availability)
    plan.warnings += told
    plan.wall_time = expression_seconds(sizes, measure_speed())
    plan.info += _about_rank(rank)
    plan.info += _about_bound(adata, wanted, sizes, rank)
    plan.info += _about_null(sizes)
    if settings.gp.param_scheme == SEPARATE:
        plan.info.append("Conditions with scales of their own are planned as if they shared one.")
    if verbose:
        print(plan.format_report())
    return plan


def dry_run_differential_abundance(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    verbose: bool = True,
    **kwargs: Any,
) -> ResourcePlan:
    """What :func:`kompot.compute_differential_abundance` would take, without running it.

    As :func:`dry_run_differential_expression`.

    Parameters
    ----------
    adata
        The data.
    groupby
        Column of ``adata.obs`` with the conditions.
    condition1, condition2
        Labels of the conditions.
    verbose
        Print the report.
    **kwargs
        Any further argument of :func:`kompot.compute_differential_abundance`, parameters of the
        density among them. Samples may also be given as ``use_sample_variance=True`` with
        ``sample_column``.

    Returns
    -------
    The plan, bytes and seconds.

    Raises
    ------
    ValueError, TypeError
        If the run would refuse an argument.
    """
    given = with_documented_names(kwargs)
    names = {"groupby": groupby, "condition1": condition1, "condition2": condition2}
    _check_order(adata, **names)
    parameters = with_defaults(compute_differential_abundance, names | given)
    known = _known(compute_differential_abundance)
    estimator = {name: value for name, value in parameters.items() if name not in known}
    settings = abundance_settings(parameters, density_parameters(estimator))
    availability = _availability(settings.storage)
    with _quiet():
        inputs = abundance_inputs.read_inputs(adata, settings)
    fields = AbundanceFields(
        settings.storage.result_key, condition1, condition2, inputs.samples is not None
    )
    wanted = abundance_fields(fields, settings.storage, donor_level=inputs.donor_level)
    rank = abundance_rank(inputs, settings)
    sizes = abundance_sizes(adata, inputs, settings, rank.rank)
    estimate = estimate_abundance(sizes)
    plan = _plan(adata, settings, wanted, estimate, availability)
    plan.wall_time = abundance_seconds(sizes, measure_speed())
    plan.info += _about_rank(rank)
    if verbose:
        print(plan.format_report())
    return plan


def _known(function: Any) -> set[str]:
    """Names of the arguments of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}


def _check_order(adata: AnnData, groupby: str, condition1: str, condition2: str) -> None:
    """Say so if the arguments come in another order.

    Raises
    ------
    ValueError
        If ``groupby`` is no column but ``condition2`` is.
    """
    columns = getattr(adata, "obs", {})
    if groupby in columns or not isinstance(condition2, str) or condition2 not in columns:
        return
    msg = (
        f"Column {groupby!r} not found in adata.obs, but {condition2!r}, given as `condition2`, is "
        "a column: the order is (adata, groupby, condition1, condition2), here "
        f"{condition2!r}, {groupby!r}, {condition1!r}."
    )
    raise ValueError(msg)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave warnings to the run, which gives them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def _availability(storage: StorageSettings) -> SystemAvailability:
    return SystemAvailability.now(str(array_store(storage).place), threads.number())


def _place(
    sizes: ExpressionSizes, store: ArrayStore, ratio: float, found: SystemAvailability
) -> tuple[ExpressionSizes, list[str]]:
    """Sizes with large arrays where the run would keep them, and why if that is in files."""
    in_files = replace(sizes, on_disk=True)
    memory, disk = estimate_expression(sizes), estimate_expression(in_files)
    limit = ratio * found.memory_available
    helps = memory.memory_bytes > limit >= disk.memory_bytes
    if store.on_disk is not None or not helps or disk.disk_bytes > found.disk_available:
        return sizes, []
    return in_files, [
        f"In memory the run would take {human(memory.memory_bytes)}, more than the {human(limit)} "
        f"that it may: large arrays go to files in {found.disk_path!r}."
    ]


def _plan(
    adata: AnnData,
    settings: ExpressionSettings | AbundanceSettings,
    wanted: list[Field],
    estimate: Estimate,
    availability: SystemAvailability,
) -> ResourcePlan:
    """The plan without its time and its remarks."""
    storage, output = settings.storage, settings.output
    if settings.gp.jit_compile:
        require_jax()
    analysis_type = "de" if isinstance(settings, ExpressionSettings) else "da"
    plan = ResourcePlan(
        list(estimate.requirements),
        availability,
        memory_threshold=storage.max_memory_ratio,
        alternatives=list(estimate.alternatives),
        steps=estimate.steps,
    )
    if settings.gp.jit_compile:
        plan.info.append("Memory and time are of NumPy; JAX takes some 0.3 GB more.")
    if output.copy or output.inplace:
        plan.output_fields = output_fields(wanted)
        plan.overwritten, runs = overwritten_fields(adata, wanted, analysis_type)
        told = previous_runs(plan.overwritten, runs, storage.result_key, analysis_type)
        if storage.overwrite is False:
            again = "Set overwrite=True to overwrite or use a different result_key."
            plan.errors += [f"{one} {again}" for one in told]
        elif storage.overwrite is None:
            plan.warnings += told
        else:
            plan.info += told
    limit = storage.max_memory_ratio * availability.memory_available
    plan.check_availability(storage.max_memory_ratio)
    refusal = estimate.refusal(
        availability.memory_available, storage.max_memory_ratio, what="the arrays of this run"
    )
    plan.errors = [
        refusal if refusal is not None and one.startswith("Insufficient memory") else one
        for one in plan.errors
    ]
    if estimate.memory_bytes <= limit < 1.25 * estimate.memory_bytes:
        plan.warnings.append(
            f"The run takes almost all that it may: {human(estimate.memory_bytes)} of "
            f"{human(limit)}."
        )
    return plan


def _about_rank(rank: RankEstimate) -> list[str]:
    """How many features, and how sure that is."""
    if rank.low == rank.high:
        return [f"Rank of the features: {rank.rank}."]
    return [
        f"Rank of the features: about {rank.rank} ({rank.low} to {rank.high}, at most "
        f"{rank.bound}), estimated from some of the cells."
    ]


def _about_bound(
    adata: AnnData, wanted: list[Field], sizes: ExpressionSizes, rank: RankEstimate
) -> list[str]:
    """What the run takes at the highest rank that is expected, and at the largest possible."""
    if rank.low == rank.high:
        return []
    at = [
        human(estimate_run(replace(sizes, rank=one), adata, wanted).memory_bytes)
        for one in (rank.high, rank.bound)
    ]
    return [f"Memory at rank {rank.high}: {at[0]}; at rank {rank.bound}: {at[1]}."]


def _about_null(sizes: ExpressionSizes) -> list[str]:
    if not sizes.n_null:
        return []
    return [f"{sizes.n_null} null genes are fitted with the {sizes.n_genes} genes."]
