"""Plans of runs from their settings."""

from dataclasses import replace

from anndata import AnnData

from kompot.anndata import abundance_inputs, expression_inputs
from kompot.anndata.abundance_resources import (
    abundance_rank,
    abundance_sizes,
    estimate_abundance,
    rank_of_labels,
)
from kompot.anndata.expression_resources import (
    estimate_run,
    expression_rank,
    expression_sizes,
)
from kompot.anndata.given_inputs import needs_given_run, read_given_inputs
from kompot.anndata.given_resources import estimate_given_run, given_ranks, given_sizes
from kompot.anndata.on_disk import with_frames
from kompot.anndata.refusals import refuse_factored, refuse_own_noise
from kompot.gp.rank import RankEstimate
from kompot.memory import human
from kompot.memory.estimate import Estimate
from kompot.memory.expression import ExpressionSizes
from kompot.memory.given import GivenSizes
from kompot.records.fields import Field
from kompot.resource_estimation.making import (
    about_rank,
    availability_of,
    in_place,
    planned,
    quiet,
)
from kompot.resource_estimation.plan import ResourcePlan
from kompot.resource_estimation.wall_time import (
    abundance_seconds,
    expression_seconds,
    given_seconds,
    measure_speed,
)
from kompot.settings import AbundanceSettings, ExpressionSettings

__all__ = ["plan_abundance", "plan_expression"]


def plan_expression(adata: AnnData, settings: ExpressionSettings) -> ResourcePlan:
    """The plan of a differential-expression run.

    Parameters
    ----------
    adata
        The data.
    settings
        Options of the run.

    Raises
    ------
    ValueError, TypeError
        If the run would refuse an option.
    """
    adata = with_frames(adata)
    refuse_own_noise(settings)
    if needs_given_run(settings):
        return _plan_given(adata, settings)
    availability = availability_of(settings.storage)
    with quiet():
        inputs = expression_inputs.read_inputs(adata, settings)
    wanted = inputs.wanted(settings)
    rank = expression_rank(inputs, settings)

    def sizes_of(*, on_disk: bool) -> ExpressionSizes:
        return expression_sizes(adata, inputs, settings, wanted, rank.rank, on_disk=on_disk)

    def estimate(*, on_disk: bool) -> Estimate:
        return estimate_run(sizes_of(on_disk=on_disk), adata, wanted)

    on_disk, told = in_place(settings.storage, availability, estimate)
    sizes = sizes_of(on_disk=on_disk)
    plan = planned(adata, settings, wanted, estimate(on_disk=on_disk), availability)
    plan.warnings += told
    plan.wall_time = expression_seconds(sizes, measure_speed())
    plan.info += about_rank(rank)
    plan.info += _about_bound(adata, wanted, sizes, rank)
    plan.info += _about_null(sizes)
    return plan


def plan_abundance(adata: AnnData, settings: AbundanceSettings) -> ResourcePlan:
    """The plan of a differential-abundance run; as :func:`plan_expression`."""
    adata = with_frames(adata)
    availability = availability_of(settings.storage)
    with quiet():
        inputs = abundance_inputs.read_inputs(adata, settings)
    wanted = inputs.wanted(settings)
    rank = abundance_rank(inputs, settings)
    of_labels = rank_of_labels(inputs, settings)
    sizes = abundance_sizes(adata, inputs, settings, rank.rank, of_labels)
    plan = planned(adata, settings, wanted, estimate_abundance(sizes), availability)
    plan.wall_time = abundance_seconds(sizes, measure_speed())
    plan.info += about_rank(rank)
    if of_labels:
        plan.info.append(
            f"Rank of the log odds of the condition: about {of_labels}; their length scale is "
            "chosen by the run, and this is for a middle one."
        )
    return plan


def _plan_given(adata: AnnData, settings: ExpressionSettings) -> ResourcePlan:
    """The plan of a run with given functions, or with functions fitted apart."""
    refuse_factored(settings)
    availability = availability_of(settings.storage)
    with quiet():
        given = read_given_inputs(adata, settings)
    settings = given.settled(settings)
    wanted = given.wanted(settings)
    first, second = given_ranks(given, settings)
    ranks = first.rank, second.rank

    def sizes_of(*, on_disk: bool) -> GivenSizes:
        return given_sizes(adata, given, settings, wanted, ranks, on_disk=on_disk)

    def estimate(*, on_disk: bool) -> Estimate:
        return estimate_given_run(sizes_of(on_disk=on_disk), adata, wanted)

    on_disk, told = in_place(settings.storage, availability, estimate)
    plan = planned(adata, settings, wanted, estimate(on_disk=on_disk), availability)
    plan.warnings += told
    plan.wall_time = given_seconds(sizes_of(on_disk=on_disk), measure_speed())
    if given.model is None:
        plan.info += about_rank(max(first, second, key=lambda one: one.rank))
        plan.info += _about_null(sizes_of(on_disk=on_disk).run)
    else:
        plan.info.append(
            "Functions are given: what they hold while they are evaluated is not counted, but for "
            "features of their landmarks; nor is it in the time."
        )
    return plan


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
