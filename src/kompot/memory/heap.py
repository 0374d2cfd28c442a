"""Memory that a process has freed but still holds."""

import ctypes
from collections.abc import Callable
from functools import cache

__all__ = ["release"]


def release() -> None:
    """Give free memory back to the system, between the steps of a run.

    The allocator of Linux (glibc) keeps what arrays smaller than 32 MB took, and each thread keeps
    its own: without this a run would hold the sum of what its steps took, not the most of it. Takes
    about a millisecond; does nothing where there is another allocator.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim`` of glibc, if it is there."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no such handle
        return None
