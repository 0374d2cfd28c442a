"""What a run takes in all, and what it would take with other options."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kompot.memory.expression import ExpressionSizes, expression_steps
from kompot.memory.given import GivenSizes, given_steps
from kompot.memory.requirement import Alternative, ResourceRequirement, insufficient
from kompot.memory.sizes import dense_bytes, layer_bytes
from kompot.memory.steps import Peak, Step, peak_of

__all__ = ["Estimate", "estimate_expression", "estimate_given", "estimate_steps"]

_FEW_NULL = 200
"""Null genes of the alternative with fewer."""
_FEW_LANDMARKS = 200
"""Landmarks of the alternative with fewer."""


@dataclass(frozen=True)
class Estimate:
    """What a run takes.

    Attributes
    ----------
    requirements
        What is held at the step that holds most, largest first, then files.
    step
        That step.
    steps
        Bytes held at each step, by its name.
    alternatives
        Other options that take less, those that give up least first.
    """

    requirements: tuple[ResourceRequirement, ...]
    step: str
    steps: dict[str, int]
    alternatives: tuple[Alternative, ...] = field(default=())

    @property
    def memory_bytes(self) -> int:
        """The most memory that the run takes, beyond what the process holds."""
        return _total(self.requirements, "memory")

    @property
    def disk_bytes(self) -> int:
        """What it writes to files while it runs."""
        return _total(self.requirements, "disk")

    def remedy(self, limit: float) -> str:
        """Alternatives that take no more than a limit, in words; else how to take less."""
        now = self.memory_bytes
        fitting = [one for one in self.alternatives if one.memory_bytes <= limit]
        if fitting:
            return " ".join(one.in_words(now) for one in fitting[:3])
        told = [one.in_words(now) for one in self.alternatives[:2]]
        if len(self.alternatives) > 2:
            told.append(self.alternatives[-1].in_words(now))
        end = "None of these fits: choose" if told else "Choose"
        return " ".join([*told, f"{end} fewer `genes` or cells, or a larger machine."])

    def refusal(self, available: int, max_memory_ratio: float, *, what: str) -> str | None:
        """Why the run is refused; None if it fits.

        Parameters
        ----------
        available
            Bytes available.
        max_memory_ratio
            Share of them that the run may take.
        what
            The run, in words, plural.
        """
        limit = max_memory_ratio * available
        if self.memory_bytes <= limit:
            return None
        largest = self.requirements[0]
        return insufficient(
            self.memory_bytes,
            available,
            max_memory_ratio,
            what=f"{what} (most of it {largest.name[:1].lower()}{largest.name[1:]})",
            remedy=self.remedy(limit),
        )


def _total(requirements: Sequence[ResourceRequirement], resource_type: str) -> int:
    return sum(one.size_bytes for one in requirements if one.resource_type == resource_type)


def estimate_expression(
    sizes: ExpressionSizes, layers: Sequence[tuple[str, bool]] = ()
) -> Estimate:
    """What a differential-expression run takes.

    Parameters
    ----------
    sizes
        Its sizes.
    layers
        Names of the layers that it stores, and whether they exist.
    """
    peak = peak_of(expression_steps(sizes), sizes.n_threads)
    requirements = [*_requirements(peak, layers), *_files(sizes, layers)]
    return Estimate(tuple(requirements), peak.step, peak.steps, tuple(_expression_choices(sizes)))


def estimate_given(sizes: GivenSizes, layers: Sequence[tuple[str, bool]] = ()) -> Estimate:
    """What a run with given functions, or with functions fitted apart, takes.

    Parameters
    ----------
    sizes, layers
        As for :func:`estimate_expression`.
    """
    run = sizes.run
    peak = peak_of(given_steps(sizes), run.n_threads)
    requirements = [*_requirements(peak, layers), *_files(run, layers)]
    choices = []
    if run.n_layers:
        if not run.on_disk:
            on_disk = replace(run, on_disk=True)
            choices.append((["store_arrays_on_disk=True"], "large arrays are in files", on_disk))
        none = replace(run, storage="none", n_layers=0)
        choices.append((["layers='none'"], "statistics only, no values of cells", none))
    if sizes.is_fitted and run.is_shuffled and run.n_null > _FEW_NULL:
        fewer = replace(run, n_null=_FEW_NULL)
        choices.append(([f"null_genes={_FEW_NULL}"], "false discovery rates are coarser", fewer))
    alternatives = _taking_less(
        choices, peak.size_bytes, lambda other: given_steps(replace(sizes, run=other))
    )
    return Estimate(tuple(requirements), peak.step, peak.steps, tuple(alternatives))


def estimate_steps(
    steps: Sequence[Step], alternatives: Sequence[Alternative] = (), n_threads: int = 1
) -> Estimate:
    """What a run of some steps takes."""
    peak = peak_of(steps, n_threads)
    return Estimate(tuple(_requirements(peak, ())), peak.step, peak.steps, tuple(alternatives))


def _requirements(peak: Peak, layers: Sequence[tuple[str, bool]]) -> list[ResourceRequirement]:
    """What is held at the peak; layers one by one."""
    found = []
    for held in peak.held:
        if held.name.startswith("Layers") and held.count == len(layers):
            size = held.size_bytes // held.count
            found += [
                _of_layer(name, size, "memory", held.shape, exists=exists)
                for name, exists in layers
            ]
        else:
            shape = held.shape if held.count == 1 else None
            name = held.name
            if held.count > 1 and held.shape is not None:
                name = f"{name}, {held.count} of {' x '.join(map(str, held.shape))}"
            found.append(ResourceRequirement(name, held.size_bytes, "memory", shape))
    return found


def _files(sizes: ExpressionSizes, layers: Sequence[tuple[str, bool]]) -> list[ResourceRequirement]:
    """What is written to files."""
    found: list[ResourceRequirement] = []
    if sizes.matrix.is_stored and sizes.turned_bytes:
        found.append(ResourceRequirement("Expression by rows", sizes.turned_bytes, "disk"))
    if not sizes.on_disk:
        return found
    if sizes.storage == "dense":
        shape = sizes.n_obs, sizes.n_vars
        size = layer_bytes(*shape)
        found += [_of_layer(name, size, "disk", shape, exists=exists) for name, exists in layers]
    if sizes.n_samples:
        fits = sizes.n_samples, sizes.rank, sizes.n_fitted
        found.append(
            ResourceRequirement("Weights of each sample", dense_bytes(*fits), "disk", fits)
        )
    return found


def _of_layer(
    name: str, size: int, resource_type: str, shape: tuple[int, ...] | None, *, exists: bool
) -> ResourceRequirement:
    field = f"adata.layers[{name!r}]"
    return ResourceRequirement(f"Layer {name}", size, resource_type, shape, field, exists)


def _expression_choices(sizes: ExpressionSizes) -> list[Alternative]:
    """Options that take less, those that give up least first; later ones add to earlier ones."""
    has_layers = sizes.storage == "dense" and sizes.n_layers > 0
    choices: list[tuple[list[str], str, ExpressionSizes]] = []
    if has_layers:
        factored = replace(sizes, storage="factored")
        loses = "layers are computed when they are read"
        choices.append((["layers='factored'"], loses, factored))
    if not sizes.on_disk and (sizes.n_samples or has_layers):
        on_disk = replace(sizes, on_disk=True)
        choices.append((["store_arrays_on_disk=True"], "large arrays are in files", on_disk))
    steps: list[tuple[bool, str, str, dict[str, Any]]] = [
        (
            sizes.has_covariance,
            "store_posterior_covariance=False",
            "no covariance between cells",
            {"has_covariance": False},
        ),
        (
            sizes.storage != "none",
            "layers='none'",
            "statistics only, no values of cells",
            {"storage": "none", "n_layers": 0},
        ),
        (
            sizes.is_shuffled and sizes.n_null > _FEW_NULL,
            f"null_genes={_FEW_NULL}",
            "false discovery rates are coarser",
            {"n_null": _FEW_NULL},
        ),
        (
            sizes.rank > _FEW_LANDMARKS,
            f"n_landmarks={_FEW_LANDMARKS}",
            "functions are smoother",
            {"rank": _FEW_LANDMARKS},
        ),
    ]
    said: list[str] = []
    least = sizes
    for applies, option, loses, change in steps:
        if applies:
            said, least = [*said, option], replace(least, **change)
            choices.append((said, loses, least))
    now = peak_of(expression_steps(sizes), sizes.n_threads).size_bytes
    return _taking_less(choices, now, expression_steps)


def _taking_less(
    choices: Sequence[tuple[list[str], str, ExpressionSizes]],
    now: int,
    steps_of: Callable[[ExpressionSizes], Sequence[Step]],
) -> list[Alternative]:
    """Those of some options that take less than a run takes now."""
    found = []
    for options, loses, other in choices:
        memory = peak_of(steps_of(other), other.n_threads).size_bytes
        disk = sum(one.size_bytes for one in _files(other, [("", False)] * other.n_layers))
        if memory < now:
            found.append(Alternative(", ".join(options), loses, memory, disk))
    return found
