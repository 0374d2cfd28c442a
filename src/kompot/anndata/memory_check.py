"""Whether runs fit, without finding out more about them than is needed."""

from collections.abc import Callable
from dataclasses import dataclass

from kompot import memory
from kompot.gp.rank import RankEstimate
from kompot.memory.estimate import Estimate

__all__ = ["MemoryCheck"]

_FEW_CELLS = 1000
_MARGIN = 3
"""Multiple of the rank of few cells that the rank of all of them does not reach."""
_WHAT = "the arrays of this run"


@dataclass
class MemoryCheck:
    """Whether a run fits into its share of the available memory.

    The rank is only estimated if the largest that it could have does not fit, and well only if
    thrice that of a few cells does not.

    Attributes
    ----------
    rank
        The rank, estimated from so many cells; None for the usual number.
    largest
        What the rank cannot exceed.
    max_memory_ratio
        Share of the available memory that the run may take.
    available
        Bytes available.
    """

    rank: Callable[[int | None], RankEstimate]
    largest: int
    max_memory_ratio: float
    available: int

    def __post_init__(self) -> None:
        self._known: dict[int | None, int] = {}

    @classmethod
    def now(
        cls,
        rank: Callable[[int | None], RankEstimate],
        largest: int,
        max_memory_ratio: float,
        n_threads: int,
    ) -> "MemoryCheck":
        """With the memory that is available at this moment."""
        return cls(rank, largest, max_memory_ratio, memory.available_bytes(n_threads))

    def refusal(self, estimate: Callable[[int], Estimate]) -> str | None:
        """Why a run is refused; None if it fits.

        Parameters
        ----------
        estimate
            What the run takes at a rank.
        """
        limit = self.max_memory_ratio * self.available
        if estimate(self.largest).memory_bytes <= limit:
            return None
        if estimate(self._few()).memory_bytes <= limit:
            return None
        if None not in self._known:
            self._known[None] = self.rank(None).rank
        found = estimate(self._known[None])
        return found.refusal(self.available, self.max_memory_ratio, what=_WHAT)

    def _few(self) -> int:
        if _FEW_CELLS not in self._known:
            high = _MARGIN * self.rank(_FEW_CELLS).high
            self._known[_FEW_CELLS] = min(self.largest, high)
        return self._known[_FEW_CELLS]
