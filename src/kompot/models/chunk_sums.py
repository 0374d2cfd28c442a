"""Sums over chunks of cells, made by threads or by a cluster, in the same order.

Consecutive chunks are added up in groups, at most about 64, and these to the total: a cluster sends
one sum for each group. Numbers depend neither on who makes the sums nor on how many there are.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from kompot import cluster, threads
from kompot.progress import bar

__all__ = ["Sum", "grouped_sums"]

_GROUPS = 64
"""Largest number of groups, about."""


class Sum(Protocol):
    """What can be added to."""

    def __iadd__(self, other: Self, /) -> Self:
        """Add another."""
        ...


_Sum = TypeVar("_Sum", bound=Sum)
_Chunk = TypeVar("_Chunk")


def grouped_sums(
    sum_of: Callable[[Any, _Chunk], _Sum],
    shared: Any,
    chunks: Iterable[tuple[int, Callable[[], _Chunk]]],
    counts: Mapping[int, int],
    *,
    progress: bool,
) -> Iterator[tuple[int, _Sum, int]]:
    """Sums over groups of chunks, on the cluster that is used or side by side on threads.

    Parameters
    ----------
    sum_of
        Gives the sum over a chunk, from what is shared and the chunk; may run in another process.
    shared
        What all chunks need.
    chunks
        Number of the sum that a chunk belongs to, and what gives the chunk; those of one sum in
        their order.
    counts
        Number of chunks of each sum.
    progress
        Show a progress bar.

    Yields
    ------
    The number of a sum, the next part of it, to be added in this order, and of how many chunks.
    """
    n_chunks = sum(counts.values())
    size = -(-n_chunks // _GROUPS)
    left = dict(counts)
    if cluster.current() is not None:
        n_groups = sum(-(-count // size) for count in counts.values())
        work = partial(_sum_of_group, sum_of)
        groups = _groups(chunks, left, size)
        found = cluster.map_batches(work, shared, groups)
        yield from bar(found, "fitting", "group", n_groups, shown=progress)
        return

    def part(item: tuple[int, Callable[[], _Chunk]]) -> tuple[int, _Sum]:
        number, chunk = item
        return number, sum_of(shared, chunk())

    grown: dict[int, tuple[_Sum, int]] = {}
    parts = threads.map_batches(part, chunks)
    for number, found_part in bar(parts, "fitting", "chunk", n_chunks, shown=progress):
        total, n_added = found_part, 0
        if number in grown:
            total, n_added = grown[number]
            total = total.__iadd__(found_part)
        grown[number] = total, n_added + 1
        left[number] -= 1
        if n_added + 1 == size or not left[number]:
            del grown[number]
            yield number, total, n_added + 1


def _groups(
    chunks: Iterable[tuple[int, Callable[[], _Chunk]]], left: dict[int, int], size: int
) -> Iterator[tuple[int, list[_Chunk]]]:
    """Consecutive chunks of a sum, together."""
    waiting: dict[int, list[_Chunk]] = {}
    for number, chunk in chunks:
        waiting.setdefault(number, []).append(chunk())
        left[number] -= 1
        if len(waiting[number]) == size or not left[number]:
            yield number, waiting.pop(number)


def _sum_of_group(
    sum_of: Callable[[Any, _Chunk], _Sum], shared: Any, group: tuple[int, list[_Chunk]]
) -> tuple[int, _Sum, int]:
    """The sum over the chunks of a group, one after the other."""
    number, chunks = group
    total = sum_of(shared, chunks[0])
    for chunk in chunks[1:]:
        total = total.__iadd__(sum_of(shared, chunk))
    return number, total, len(chunks)
