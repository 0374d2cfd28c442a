"""How many threads the numerics may use, and work on batches in parallel."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = ["limited", "map_batches", "number", "single_threaded_products"]

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")

_limit: ContextVar[int | None] = ContextVar("kompot_threads", default=None)


def number() -> int:
    """Threads that work side by side: the limit, or one for each core that the process may use."""
    return _limit.get() or _usable_cores()


def _usable_cores() -> int:
    """Cores of this process; batch systems give it fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def limited(n_threads: int | None) -> Iterator[None]:
    """Use at most so many threads inside, in linear algebra and neighbour search.

    Parameters
    ----------
    n_threads
        None for all cores.
    """
    token = _limit.set(n_threads or None)
    try:
        with _products_limited(n_threads):
            yield
    finally:
        _limit.reset(token)


@contextmanager
def single_threaded_products() -> Iterator[None]:
    """Let linear algebra use one thread inside.

    The matrices of a fit are thin: a multi-threaded BLAS mostly waits for its threads, and a whole
    run took a sixth longer with two of them on two free cores. Nested uses cost nothing.
    """
    with _products_limited(1):
        yield


class _ThreadLimit:
    """Threads of one kind of library: as many as found, or the least that anyone wants.

    Analyses in threads of one process overlap: what was found is restored when the last one ends.

    Parameters
    ----------
    api
        ``"blas"`` or ``"openmp"``.
    """

    def __init__(self, api: str) -> None:
        self._api, self._lock = api, threading.Lock()
        self._wanted: list[int] = []
        self._held: Any = None

    @contextmanager
    def at_most(self, n_threads: int, libraries: Callable[[], Any]) -> Iterator[None]:
        """Allow so many threads inside, in what ``libraries`` finds."""
        self._change(self._wanted.append, n_threads, libraries)
        try:
            yield
        finally:
            self._change(self._wanted.remove, n_threads, libraries)

    def _change(
        self, change: Callable[[int], None], n_threads: int, libraries: Callable[[], Any]
    ) -> None:
        with self._lock:
            before = min(self._wanted, default=None)
            change(n_threads)
            least = min(self._wanted, default=None)
            if least == before:
                return
            if before is not None:
                with self._held:  # restores what was found
                    pass
            if least is not None:
                controller = libraries().select(user_api=self._api)
                self._held = controller.limit(limits=least)
                with controller.limit():  # lets other threads restore (threadpoolctl 3.8)
                    pass


class _OfThread(threading.local):
    """OpenMP keeps a number of its own for each thread that calls it, other than BLAS."""

    def __init__(self) -> None:
        self.openmp = _ThreadLimit("openmp")


_of_thread, _blas = _OfThread(), _ThreadLimit("blas")


@contextmanager
def _products_limited(n_threads: int | None) -> Iterator[None]:
    """Let linear algebra use at most so many threads inside; any number with None."""
    if not n_threads:
        yield
        return
    libraries = cache(ThreadpoolController)  # looking for them takes milliseconds
    with (  # in this order: a BLAS may share its number with OpenMP
        _of_thread.openmp.at_most(n_threads, libraries),
        _blas.at_most(n_threads, libraries),
    ):
        yield


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
