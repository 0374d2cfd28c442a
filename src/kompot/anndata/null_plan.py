"""Which comparisons of samples to make in which nothing differs."""

import logging
from dataclasses import dataclass

import numpy as np

from kompot.anndata.samples import Samples
from kompot.settings.checks import choice, number
from kompot.stats.balanced_splits import balanced_splits
from kompot.stats.design import Design, two_group_design

__all__ = ["NullComparison", "NullPlan", "planned_comparisons"]

log = logging.getLogger(__name__)

_FEWEST_SAMPLES = 4
"""Samples of a condition that can be split into two groups with a variance each."""


@dataclass(frozen=True)
class NullPlan:
    """How often and in which way to compare what does not differ.

    Attributes
    ----------
    kind
        ``"splits"``, ``"covariates"`` or None for whichever is possible.
    n_splits
        Splits of each condition, or covariates.
    seed
        Of their choice.
    """

    kind: str | None
    n_splits: int
    seed: int

    def __post_init__(self) -> None:
        number("n_splits", self.n_splits, least=1, whole=True)
        number("seed", self.seed, least=0, whole=True)
        if self.kind is not None:
            choice("kind", self.kind, ("splits", "covariates"))


@dataclass(frozen=True)
class NullComparison:
    """A comparison in which nothing differs.

    Attributes
    ----------
    condition
        Number of the condition whose samples are divided; None for random covariates.
    design
        Of its samples, or of all.
    n_draws
        How many covariates.
    """

    condition: int | None
    design: Design
    n_draws: int = 1


def planned_comparisons(
    samples: Samples, design: Design, names: tuple[str, str], plan: NullPlan, *, least_freedom: int
) -> list[NullComparison]:
    """The comparisons to make; those of one condition follow one another.

    Parameters
    ----------
    samples
        Samples of both conditions.
    design
        In which the conditions are compared.
    names
        Labels of the conditions.
    plan
        What is wanted.
    least_freedom
        Degrees of freedom that the test needs.

    Raises
    ------
    ValueError
        If there are too few samples.
    """
    counts = " and ".join(
        f"{size} of {name!r}" for size, name in zip(samples.sizes, names, strict=True)
    )
    left_out = "covariate left out: "  # samples that do not count have columns, too
    has_covariates = any(
        name.startswith("covariate ") and not name.startswith(left_out) for name in design.columns
    )
    groups, further = "", ""
    if has_covariates:
        groups, further = (
            "in groups that covariates do not explain and ",
            " or leave out covariates",
        )
    kind = plan.kind
    if kind is None:
        kind = "splits" if max(samples.sizes) >= _FEWEST_SAMPLES else "covariates"
    if kind == "covariates":
        freedom = design.degrees_of_freedom
        if freedom < least_freedom + 1:  # a covariate takes one
            few = f"Fewer than {_FEWEST_SAMPLES} samples of a condition cannot be divided. "
            msg = (
                f"{few if plan.kind is None else ''}Random covariates need a design with at least "
                f"{least_freedom + 1} degrees of freedom, but the {design.n_samples} samples "
                f"({counts}) and the columns {list(design.columns)} leave {freedom}; add "
                f"samples{further}."
            )
            raise ValueError(msg)
        return [NullComparison(None, design, plan.n_splits)]
    planned = []
    for c, size in enumerate(samples.sizes):
        if size >= _FEWEST_SAMPLES:
            rng = np.random.default_rng((plan.seed, c))
            planned += _splits(samples, design, c, plan.n_splits, rng, least_freedom)
    if not planned:
        msg = (
            f"Splits need at least {_FEWEST_SAMPLES} samples in a condition, {groups}"
            f"with {least_freedom} degree(s) of freedom left, but there are {counts}; "
            f"use kind='covariates'{further}."
        )
        raise ValueError(msg)
    return planned


def _splits(  # noqa: PLR0917
    samples: Samples,
    design: Design,
    condition: int,
    n_splits: int,
    rng: np.random.Generator,
    least_freedom: int,
) -> list[NullComparison]:
    """Designs that compare groups within a condition, in the order of their first groups."""
    inside = samples.condition == condition
    names = [name for name, is_in in zip(samples.names, inside, strict=True) if is_in]
    compared = samples.compared[inside]  # others have a covariate of their own
    covariates = {
        name: design.matrix[inside, column]
        for column, name in enumerate(design.columns)
        if name.startswith("covariate ")
    }
    found: list[tuple[tuple[int, ...], Design]] = []
    n_left_out = 0
    for divided in balanced_splits(int(compared.sum()), rng):
        if len(found) == n_splits:
            break
        groups = np.zeros(len(names), dtype=np.intp)
        groups[compared] = divided
        try:
            split = two_group_design(groups, covariates=covariates, samples=names)
        except ValueError:  # a covariate says the same as the groups
            n_left_out += 1
            continue
        if split.degrees_of_freedom >= least_freedom:
            found.append((tuple(groups.tolist()), split))
        else:
            n_left_out += 1
    if n_left_out:
        what = "%d splits were left out: covariates explain them, or leave less than %d df"
        log.info(what, n_left_out, least_freedom)
    return [NullComparison(condition, split) for _, split in sorted(found, key=lambda one: one[0])]
