"""What a run holds at each of its steps, and the most of it all."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from kompot.memory.sizes import dense_bytes

__all__ = ["FROM_SYSTEM", "Held", "Ledger", "Peak", "Step", "peak_of"]

FROM_SYSTEM = 32 * 2**20
"""Arrays from this size on are given back to the system when they are dropped. Smaller ones come
from heaps (glibc, ``M_MMAP_THRESHOLD_MAX``), of which that of the main thread is trimmed between
steps (:func:`kompot.memory.release`); those of other threads keep some of what they held."""

_KEPT_SHARE, _KEPT_BYTES = 0.85, 34 * 2**20
"""What heaps of threads keep between steps, of the most that they held and at most for each thread:
free pages within a heap are given back, those at its end are not. Fitted to runs."""

_FRAGMENTED = 1.1
"""Size of a heap over what it holds: arrays of other sizes do not fill every gap.
Fitted to runs."""


@dataclass(frozen=True)
class Held:
    """One or several arrays that are held at a time.

    Attributes
    ----------
    name
        What they are, in words.
    size_bytes
        Size of all of them.
    shape
        Shape of each; None if they have several.
    count
        How many there are.
    in_thread
        Whether threads make them, which have heaps of their own.
    """

    name: str
    size_bytes: int
    shape: tuple[int, ...] | None = None
    count: int = 1
    in_thread: bool = False

    @property
    def is_from_heap(self) -> bool:
        """Whether its memory stays with the process when it is dropped."""
        return self.size_bytes < self.count * FROM_SYSTEM


@dataclass(frozen=True)
class Step:
    """What is held at a step of a run."""

    name: str
    held: tuple[Held, ...]

    @property
    def size_bytes(self) -> int:
        """Size of all arrays."""
        return sum(one.size_bytes for one in self.held)


@dataclass(frozen=True)
class Peak:
    """The most that a run holds.

    Attributes
    ----------
    step
        At which step.
    held
        What is held then, largest first, with what heaps keep of steps before.
    steps
        Bytes held at each step, by its name.
    """

    step: str
    held: tuple[Held, ...]
    steps: dict[str, int]

    @property
    def size_bytes(self) -> int:
        """Size of all."""
        return sum(one.size_bytes for one in self.held)


@dataclass
class Ledger:
    """Arrays as a run makes and drops them."""

    kept: dict[str, Held] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def keep(
        self,
        name: str,
        *shape: int,
        count: int = 1,
        itemsize: int = 8,
        in_thread: bool = False,
    ) -> None:
        """Hold arrays from now on."""
        size = count * dense_bytes(*shape, itemsize=itemsize)
        self.kept[name] = Held(name, size, shape, count, in_thread)

    def keep_bytes(self, name: str, size_bytes: int) -> None:
        """Hold what has no single shape from now on."""
        self.kept[name] = Held(name, size_bytes)

    def drop(self, *names: str) -> None:
        """Hold these no longer."""
        for name in names:
            self.kept.pop(name, None)

    def step(self, name: str, *during: Held) -> None:
        """Note what is held at a step: all that is kept, and what is made for the step."""
        self.steps.append(Step(name, (*self.kept.values(), *during)))


def array(
    name: str, *shape: int, count: int = 1, itemsize: int = 8, in_thread: bool = False
) -> Held:
    """Arrays of one shape that are made for a step."""
    size = count * dense_bytes(*shape, itemsize=itemsize)
    return Held(name, size, shape, count, in_thread)


def peak_of(steps: Iterable[Step], n_threads: int = 1) -> Peak:
    """The most that is held at any step.

    Arrays count while they are there; some of the small ones that threads make also from then on.

    Parameters
    ----------
    steps
        Of the run.
    n_threads
        Threads that work side by side.
    """
    most, totals = Peak("", (), {}), {}
    of_threads = 0
    for step in steps:
        small = [one for one in step.held if one.is_from_heap]
        main = sum(one.size_bytes for one in small if not one.in_thread)
        now = sum(one.size_bytes for one in small if one.in_thread)
        of_threads = max(of_threads, min(int(_KEPT_SHARE * now), n_threads * _KEPT_BYTES))
        left = int(_FRAGMENTED * (main + max(now, of_threads))) - main - now
        total = step.size_bytes + left
        totals[step.name] = total
        if total >= most.size_bytes:  # of equals the last, which holds the results
            held = sorted(step.held, key=lambda one: -one.size_bytes)
            kept = [Held("Memory kept of earlier steps", left)] if left else []
            most = Peak(step.name, (*(one for one in held if one.size_bytes), *kept), {})
    return Peak(most.step, most.held, totals)
