"""What a run needs, and refusing what does not fit."""

from dataclasses import dataclass

from kompot.memory.availability import available_bytes
from kompot.memory.sizes import human

__all__ = ["Alternative", "ResourceRequirement", "insufficient", "require"]


@dataclass(frozen=True)
class ResourceRequirement:
    """One thing that takes memory or disk space.

    Attributes
    ----------
    name
        What it is.
    size_bytes
        How much it takes.
    resource_type
        ``"memory"`` or ``"disk"``.
    shape
        Shape of each array; None if it is no array.
    field_name
        The field that will hold it; None if it is not stored.
    overwrite
        Whether that field exists.
    """

    name: str
    size_bytes: int
    resource_type: str = "memory"
    shape: tuple[int, ...] | None = None
    field_name: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.resource_type not in ("memory", "disk"):
            msg = f"`resource_type` must be 'memory' or 'disk', got {self.resource_type!r}."
            raise ValueError(msg)

    @property
    def size_human(self) -> str:
        """The size in words."""
        return human(self.size_bytes)


@dataclass(frozen=True)
class Alternative:
    """Other options for the same comparison, and what they would take.

    Attributes
    ----------
    options
        As they are written in a call.
    loses
        What is given up.
    memory_bytes, disk_bytes
        What the run would take with them.
    """

    options: str
    loses: str
    memory_bytes: int
    disk_bytes: int = 0

    def in_words(self, now: int) -> str:
        """One sentence; ``now`` is what the run takes as it is."""
        disk = f" and {human(self.disk_bytes)} of disk space" if self.disk_bytes else ""
        return (
            f"{self.options} needs {human(self.memory_bytes)}{disk} instead of {human(now)} "
            f"({self.loses})."
        )


def insufficient(n_bytes: int, available: int, ratio: float, *, what: str, remedy: str) -> str:
    """The message for what does not fit."""
    return (
        f"Insufficient memory: {what} need {human(n_bytes)}, more than "
        f"max_memory_ratio={ratio:g} of the {human(available)} available. {remedy}"
    )


def require(n_bytes: int, max_memory_ratio: float, *, what: str, remedy: str) -> None:
    """Refuse before computing what does not fit.

    Parameters
    ----------
    n_bytes
        Size of the arrays to come.
    max_memory_ratio
        Share of the available memory that they may take.
    what
        The arrays, in words.
    remedy
        What to do instead, in words.

    Raises
    ------
    MemoryError
        If they would take more.
    """
    available = available_bytes()
    if n_bytes > max_memory_ratio * available:
        raise MemoryError(
            insufficient(n_bytes, available, max_memory_ratio, what=what, remedy=remedy)
        )
