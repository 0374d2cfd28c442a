"""Work on the processes of a Dask cluster, if there is one."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any, TypeVar

from kompot import threads

__all__ = ["current", "map_batches", "used"]

_Batch = TypeVar("_Batch")
_Result = TypeVar("_Result")

_client: ContextVar[Any] = ContextVar("kompot_client", default=None)

_RETRIES = 3
"""How often a piece of work is begun again after an error. Work of a worker that is lost is begun
again in any case, as often as the cluster allows (``distributed.scheduler.allowed-failures``)."""
_AHEAD = 2
"""Pieces of work for each thread of the cluster that are sent ahead of the results."""


@contextmanager
def used(client: Any = None) -> Iterator[None]:
    """Use a cluster inside.

    Parameters
    ----------
    client
        A ``dask.distributed`` client; None for the active one, if there is one; False for none.

    Raises
    ------
    TypeError
        If it is no client, or one that is to be awaited.
    """
    if client is None:
        client = _active()
    if client is not None and client is not False:
        _refuse_unusable(client)
    token = _client.set(client or None)
    try:
        yield
    finally:
        _client.reset(token)


def current() -> Any:
    """The client that is used; None for none."""
    return _client.get()


def map_batches(
    work: Callable[[Any, _Batch], _Result], shared: Any, batches: Iterable[_Batch]
) -> Iterator[_Result]:
    """Do independent pieces of work on the cluster that is used.

    A piece on a worker that is lost is done again by another: all that it needs is kept by the
    scheduler until its result has arrived.

    Parameters
    ----------
    work
        Called with what is shared and each batch, in another process.
    shared
        What all pieces need; sent once.
    batches
        What to work on; only a few are taken ahead of the results, so that memory is bounded.

    Yields
    ------
    What ``work`` returned, in the order of the batches.
    """
    dask = import_module("dask")  # the client was made with it
    client = current()
    pending: deque[Any] = deque()
    quietly = {"distributed.admin.large-graph-warning-threshold": "1 TB"}  # batches are large
    with dask.config.set(quietly):
        # A task can be done again where it is lost with its worker, scattered data could not.
        common = client.submit(_same, shared, pure=False, retries=_RETRIES)
        try:
            for batch in batches:
                future = client.submit(_work, work, common, batch, pure=False, retries=_RETRIES)
                pending.append(future)
                if len(pending) > _AHEAD * max(1, sum(client.nthreads().values())):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            client.cancel([common, *pending])


def _same(value: Any) -> Any:
    return value


def _work(work: Callable[[Any, Any], Any], shared: Any, batch: Any) -> Any:
    """One piece of work, on one thread: the threads of a worker share its cores."""
    with threads.single_threaded_products():
        return work(shared, batch)


def _active() -> Any:
    """The client of this process; None if there is none, or one that is to be awaited."""
    distributed = sys.modules.get("distributed")
    if distributed is None:  # nobody can have made a client
        return None
    try:
        client = distributed.default_client()
    except ValueError:
        return None
    return None if client.asynchronous else client


def _refuse_unusable(client: Any) -> None:
    if not callable(getattr(client, "submit", None)) or not hasattr(client, "nthreads"):
        msg = (
            "`client` must be a dask.distributed.Client, None for the active one or False for "
            f"none, got {type(client).__name__}."
        )
        raise TypeError(msg)
    if getattr(client, "asynchronous", False):
        msg = "`client` must not be asynchronous; make it by dask.distributed.Client(address)."
        raise TypeError(msg)
