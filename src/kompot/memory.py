"""Byte counts of large arrays, and whether they fit."""

import psutil

__all__ = ["dense_bytes", "human", "require"]


def dense_bytes(*shape: int, itemsize: int = 8) -> int:
    """Bytes of a dense array."""
    size = itemsize
    for length in shape:
        size *= length
    return size


def human(n_bytes: float) -> str:
    """Bytes in words, decimal units.

    >>> human(1_500_000)
    '1.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


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
    available = psutil.virtual_memory().available
    if n_bytes > max_memory_ratio * available:
        msg = (
            f"Insufficient memory: {what} need {human(n_bytes)}, more than "
            f"max_memory_ratio={max_memory_ratio:g} of the {human(available)} available. {remedy}"
        )
        raise MemoryError(msg)
