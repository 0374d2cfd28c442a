"""How many threads the numerics may use, and work on batches in parallel."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from threadpoolctl import threadpool_limits

__all__ = ["limit", "limited", "map_batches"]

_Batch = TypeVar("_Batch")

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


def map_batches(work: Callable[[_Batch], None], batches: Iterable[_Batch]) -> Iterator[None]:
    """Do independent pieces of work, one thread each.

    Small products in a multi-threaded BLAS mostly wait for each other, several times longer than
    they compute when cores are shared; so each piece runs on one thread and the pieces side by
    side. An error or interrupt cancels what has not begun.

    Parameters
    ----------
    work
        Called with each batch; writes its result where no other does.
    batches
        What to work on.

    Yields
    ------
    None, as each batch is done, in order.
    """
    n_threads = limit() if limit() > 0 else os.cpu_count()
    with threadpool_limits(1), ThreadPoolExecutor(n_threads) as pool:
        try:
            yield from pool.map(work, batches)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
