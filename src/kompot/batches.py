"""Functions applied to an array piece by piece, in smaller pieces where memory runs out."""

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from kompot.progress import bar
from kompot.settings.checks import number

__all__ = ["apply_batched", "batch_process", "batched", "merge_batch_results"]

log = logging.getLogger(__name__)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def apply_batched(  # noqa: PLR0917 the order of arguments that users know
    func: Callable[[Any], Any],
    X: ArrayLike,
    batch_size: int | None = None,
    axis: int = 0,
    show_progress: bool = True,
    desc: str | None = None,
    concat_axis: int = 0,
) -> Any:
    """Apply a function to an array in batches and put the results together.

    Where memory runs out (``MemoryError``) batches are halved, down to single slices.

    Parameters
    ----------
    func
        Takes a piece of the array; returns an array, or a dict, tuple or list of arrays.
    X
        The array.
    batch_size
        Slices at a time; None or 0 for all at once.
    axis
        Axis along which the array is cut.
    show_progress
        Show a progress bar if there is more than one batch.
    desc
        Its text.
    concat_axis
        Axis along which results are joined.

    Returns
    -------
    As ``func``.

    Raises
    ------
    ValueError
        If the array has nothing along the axis, or ``batch_size`` is negative.
    MemoryError
        If memory does not suffice for a single slice.

    Examples
    --------
    >>> apply_batched(lambda x: 2 * x, [1, 2, 3], batch_size=2, show_progress=False)
    array([2, 4, 6])
    """
    array: Any = X if hasattr(X, "shape") else np.asarray(X)
    n_slices = array.shape[axis]
    if n_slices == 0:
        msg = f"`X` has no slices along axis {axis}, got shape {array.shape}."
        raise ValueError(msg)
    number("batch_size", batch_size, least=0, whole=True, optional=True)
    size = min(batch_size or n_slices, n_slices)
    while True:
        starts = range(0, n_slices, size)
        pieces = ((slice(None),) * axis + (slice(start, start + size),) for start in starts)
        shown = show_progress and len(starts) > 1
        try:
            results = [
                func(array[piece])
                for piece in bar(pieces, desc or "batches", "batch", len(starts), shown=shown)
            ]
        except MemoryError:
            if size == 1:
                raise
            size = max(1, size // 2)
            log.warning("Memory does not suffice; trying again with %d at a time", size)
            continue
        return merge_batch_results(results, concat_axis)


def merge_batch_results(results: Sequence[Any], concat_axis: int = 0) -> Any:
    """Put results of batches together: arrays, or dicts, tuples or lists of them.

    Parameters
    ----------
    results
        One for each batch, all of the same kind; one alone is returned as it is.
    concat_axis
        Axis along which arrays are joined.
    """
    first = results[0]
    if len(results) == 1:
        return first
    if isinstance(first, dict):
        return {
            name: merge_batch_results([one[name] for one in results], concat_axis) for name in first
        }
    if isinstance(first, tuple | list):
        parts = (merge_batch_results(part, concat_axis) for part in zip(*results, strict=True))
        return type(first)(parts)
    if np.ndim(first) == 0:
        return np.asarray(results)
    return np.concatenate([np.asarray(one) for one in results], axis=concat_axis)


def batched(
    batch_size: int | None = None,
    axis: int = 0,
    desc: str | None = None,
    show_progress: bool = True,
    concat_axis: int = 0,
) -> Callable[[_Function], _Function]:
    """Decorate a function of an array so that it works in batches (:func:`apply_batched`).

    Parameters
    ----------
    batch_size, axis, desc, show_progress, concat_axis
        As in :func:`apply_batched`.
    """

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def wrapped(X: ArrayLike, *args: Any, **kwargs: Any) -> Any:
            return apply_batched(
                lambda piece: function(piece, *args, **kwargs),
                X,
                batch_size,
                axis=axis,
                show_progress=show_progress,
                desc=desc,
                concat_axis=concat_axis,
            )

        return wrapped  # type: ignore[return-value]

    return decorate


def batch_process(default_batch_size: int = 500) -> Callable[[_Function], _Function]:
    """Decorate a method of an array of cells, such as ``predict``, so that it works in batches.

    The object's ``batch_size`` says how many cells at a time; 0 is all at once.

    Parameters
    ----------
    default_batch_size
        For objects that have none, or None.
    """

    def decorate(method: _Function) -> _Function:
        @wraps(method)
        def wrapped(self: Any, X_new: ArrayLike, *args: Any, **kwargs: Any) -> Any:
            own = getattr(self, "batch_size", None)
            return apply_batched(
                lambda piece: method(self, piece, *args, **kwargs),
                X_new,
                default_batch_size if own is None else own,
                show_progress=bool(kwargs.get("progress", False)),
            )

        return wrapped  # type: ignore[return-value]

    return decorate
