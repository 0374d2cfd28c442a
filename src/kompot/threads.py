"""How many threads the numerics may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from threadpoolctl import threadpool_limits

__all__ = ["limit", "limited"]

_limit: ContextVar[int] = ContextVar("kompot_threads", default=-1)


def limit() -> int:
    """Largest number of threads; -1 for all cores."""
    return _limit.get()


@contextmanager
def limited(n_threads: int | None) -> Iterator[None]:
    """Use at most so many threads inside, in linear algebra and neighbour search.

    Parameters
    ----------
    n_threads
        None for all cores.
    """
    token = _limit.set(n_threads or -1)
    try:
        with threadpool_limits(n_threads):
            yield
    finally:
        _limit.reset(token)
