"""What the plans of all analyses have in common."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anndata import AnnData

from kompot import threads
from kompot.anndata.layer_store import array_store
from kompot.anndata.on_disk import refuse_unwritable
from kompot.anndata.writing import existing_tables
from kompot.gp.backend import require_jax
from kompot.gp.rank import RankEstimate
from kompot.memory import SystemAvailability, human
from kompot.memory.estimate import Estimate
from kompot.records.fields import Field
from kompot.resource_estimation.overwrites import (
    output_fields,
    overwritten_fields,
    previous_runs,
)
from kompot.resource_estimation.plan import ResourcePlan
from kompot.settings import AbundanceSettings, ExpressionSettings, StorageSettings

__all__ = ["about_rank", "availability_of", "in_place", "planned", "quiet"]


@contextmanager
def quiet() -> Iterator[None]:
    """Leave warnings to the run, which gives them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def availability_of(storage: StorageSettings) -> SystemAvailability:
    """What the machine leaves, at the place of large arrays."""
    return SystemAvailability.now(str(array_store(storage).place), threads.number())


def in_place(
    storage: StorageSettings,
    found: SystemAvailability,
    estimate: Callable[..., Estimate],
) -> tuple[bool, list[str]]:
    """Whether a run keeps large arrays in files, and why if that was not asked for.

    Parameters
    ----------
    storage
        What the user wants.
    found
        What the machine leaves.
    estimate
        What the run takes, with ``on_disk`` for large arrays in files.
    """
    store = array_store(storage)
    memory, disk = estimate(on_disk=False), estimate(on_disk=True)
    limit = storage.max_memory_ratio * found.memory_available
    helps = memory.memory_bytes > limit >= disk.memory_bytes
    if store.on_disk is not None or not helps:
        return bool(store.on_disk), []
    try:
        store.require_space(disk.disk_bytes)
    except OSError as error:  # too little of it, or none but memory
        return False, [f"The disk does not help: {error}"]
    return True, [
        f"In memory the run would take {human(memory.memory_bytes)}, more than the {human(limit)} "
        f"that it may: large arrays go to files in {found.disk_path!r}."
    ]


def planned(
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
    if output.is_written:
        refuse_unwritable(adata, copy=output.copy)
        plan.output_fields = output_fields(wanted)
        plan.overwritten, runs = overwritten_fields(adata, wanted, analysis_type)
        tables = existing_tables(adata, settings)
        told = previous_runs(plan.overwritten, tables, runs, storage.result_key, analysis_type)
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


def about_rank(rank: RankEstimate) -> list[str]:
    """How many features, and how sure that is."""
    if rank.low == rank.high:
        return [f"Rank of the features: {rank.rank}."]
    return [
        f"Rank of the features: about {rank.rank} ({rank.low} to {rank.high}, at most "
        f"{rank.bound}), estimated from some of the cells."
    ]
