"""How many threads the numerics may use, and work on batches in parallel."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

from threadpoolctl import threadpool_limits

__all__ = ["limit", "limited", "map_batches", "number", "single_threaded_products"]

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")

_limit: ContextVar[int] = ContextVar("kompot_threads", default=-1)
_single: ContextVar[bool] = ContextVar("kompot_single_threaded_products", default=False)


def limit() -> int:
    """Largest number of threads; -1 for all cores."""
    return _limit.get()


def number() -> int:
    """Threads that work on batches side by side."""
    return limit() if limit() > 0 else os.cpu_count() or 1


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


@contextmanager
def single_threaded_products() -> Iterator[None]:
    """Let linear algebra use one thread inside.

    The matrices of a fit are thin: a multi-threaded BLAS mostly waits for its threads, and a whole
    run took a sixth longer with two of them on two free cores. Nested uses cost nothing.
    """
    if _single.get():
        yield
        return
    _single.set(True)
    try:
        with threadpool_limits(1):
            yield
    finally:
        _single.set(False)


def map_batches(work: Callable[[_Batch], _Result], batches: Iterable[_Batch]) -> Iterator[_Result]:
    """Do independent pieces of work side by side, each on one thread.

    The pieces share the cores, not the products inside one: on busy cores a multi-threaded BLAS
    took ten times as long. An error or interrupt cancels what has not begun.

    Parameters
    ----------
    work
        Called with each batch.
    batches
        What to work on; only a few are taken ahead of the results, so that memory is bounded.

    Yields
    ------
    What ``work`` returned, in the order of the batches, whatever the number of threads.
    """
    n_threads = number()
    pending: deque[Future[_Result]] = deque()
    with single_threaded_products(), ThreadPoolExecutor(n_threads) as pool:
        try:
            for batch in batches:
                pending.append(pool.submit(copy_context().run, work, batch))
                if len(pending) > n_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
