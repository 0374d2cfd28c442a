"""Refusing runs that do not fit, without finding out more about them than is needed."""

from collections.abc import Callable

from kompot import memory
from kompot.gp.rank import RankEstimate
from kompot.memory.estimate import Estimate

__all__ = ["require"]

_FEW_CELLS = 1000
_MARGIN = 3
"""Multiple of the rank of few cells that the rank of all of them does not reach."""


def require(
    estimate: Callable[[int], Estimate],
    rank: Callable[[int | None], RankEstimate],
    largest: int,
    max_memory_ratio: float,
    n_threads: int,
) -> None:
    """Refuse a run that would take more than its share of the available memory.

    The rank is only estimated if the largest that it could have does not fit, and well only if
    thrice that of a few cells does not.

    Parameters
    ----------
    estimate
        What the run takes at a rank.
    rank
        The rank, estimated from so many cells; None for the usual number.
    largest
        What the rank cannot exceed.
    max_memory_ratio
        Share of the available memory that the run may take.
    n_threads
        Threads of the run.

    Raises
    ------
    MemoryError
        Before anything is computed, with the options that would fit.
    """
    available = memory.available_bytes(n_threads)
    limit = max_memory_ratio * available
    if estimate(largest).memory_bytes <= limit:
        return
    if estimate(min(largest, _MARGIN * rank(_FEW_CELLS).high)).memory_bytes <= limit:
        return
    refusal = estimate(rank(None).rank).refusal(
        available, max_memory_ratio, what="the arrays of this run"
    )
    if refusal is not None:
        raise MemoryError(refusal)
