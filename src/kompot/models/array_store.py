"""Large arrays in memory, or in files that vanish with them."""

import errno
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from mmap import mmap
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

from kompot.memory import available_bytes, human

__all__ = ["ArrayStore", "RowArray", "is_in_file"]

Array = NDArray[np.float64]

_IN_MEMORY = ("tmpfs", "ramfs")
"""File systems whose files take memory."""
_NO_RESERVATION = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass(frozen=True)
class ArrayStore:
    """Where large arrays are kept.

    Files have no name: they vanish with the last array that shows them, and with the process,
    however that ends.

    Parameters
    ----------
    on_disk
        Whether in files; None for whether they would take more than their share of memory.
    directory
        For the files, made if it does not exist; None for the system's place for temporary files.
    max_memory_ratio
        Share of the available memory that they may take.
    """

    on_disk: bool | None = None
    directory: str | os.PathLike[str] | None = None
    max_memory_ratio: float = 0.8

    @property
    def place(self) -> Path:
        """Directory of the files."""
        return Path(tempfile.gettempdir() if self.directory is None else self.directory)

    def settled(self, n_bytes: int) -> "ArrayStore":
        """The same with ``on_disk`` decided for arrays to come.

        Parameters
        ----------
        n_bytes
            Size of all of them.

        Raises
        ------
        OSError
            If they are to be in files and the disk has too little space, or is none but memory.
        """
        on_disk = self.on_disk
        if on_disk is None:
            on_disk = n_bytes > self.max_memory_ratio * available_bytes()
        if on_disk:
            self.require_space(n_bytes)
        return replace(self, on_disk=on_disk)

    def keeper(self, n_bytes: int) -> Callable[[Array], Array]:
        """What to put each array through to keep it, the same or a copy in a file.

        Parameters
        ----------
        n_bytes
            Size of all arrays to come.

        Raises
        ------
        OSError
            If they are to be in files and the disk has too little space.
        """
        settled = self.settled(n_bytes)
        return settled._copied if settled.on_disk else lambda array: array

    def rows(self, shape: tuple[int, int], dtype: DTypeLike) -> "RowArray":
        """A new array to be filled by rows, in a file if ``on_disk`` is True.

        Raises
        ------
        OSError
            If the disk has too little space for it.
        """
        return RowArray(shape, dtype, self.place if self.on_disk else None)

    def _copied(self, array: Array) -> Array:
        """A copy in a file, column by column."""
        with self.rows(array.shape[::-1], array.dtype) as copy:
            copy.write(slice(0, array.shape[1]), array.T)
            return copy.finished().T

    def require_space(self, n_bytes: int) -> None:
        """Refuse files for which there is no space, or (if not wanted as such) in memory.

        Raises
        ------
        OSError
            If the disk has too little space, or is none but memory.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        if self.on_disk is None and _is_memory(self.place):
            msg = (
                f"Arrays of {human(n_bytes)} do not fit into memory, and the files in "
                f"{str(self.place)!r} take memory, too: give a directory on a disk."
            )
            raise OSError(msg)
        free = psutil.disk_usage(str(self.place)).free
        if n_bytes > free:
            msg = (
                f"Arrays of {human(n_bytes)} do not fit into the {human(free)} free in "
                f"{str(self.place)!r}: give another directory, or fewer genes."
            )
            raise OSError(msg)


class RowArray:
    """A matrix that is written by blocks of rows, in memory or in a file without a name.

    Blocks are written to the file and not through a map of it, so that they take no memory, and a
    full disk is an error and not the end of the process. Use it in a ``with`` statement: a matrix
    that was not finished then leaves nothing behind.

    Parameters
    ----------
    shape
        ``(n_rows, n_columns)``.
    dtype
        Type of its numbers.
    directory
        Of the file; None for memory.

    Raises
    ------
    OSError
        If the disk has too little space.
    """

    def __init__(self, shape: tuple[int, int], dtype: DTypeLike, directory: Path | None) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._array: NDArray[Any] | None = None
        self._file: Any = None
        self._lock = threading.Lock()
        if directory is None or 0 in shape:
            self._array = np.empty(shape, dtype=self.dtype)
            return
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0))
            _reserve(file, shape[0] * shape[1] * self.dtype.itemsize)
            opened.pop_all()
        self._file = file

    def write(self, rows: slice, values: NDArray[Any]) -> None:
        """Write consecutive rows; from several threads at a time if they like."""
        if self._array is not None:
            self._array[rows] = values
            return
        contiguous: Any = np.ascontiguousarray(values, dtype=self.dtype)
        block = memoryview(contiguous).cast("B")
        with self._lock:
            self._file.seek(rows.start * self.shape[1] * self.dtype.itemsize)
            while block:
                block = block[self._file.write(block) :]

    def finished(self) -> NDArray[Any]:
        """The matrix, read from its file where and when it is looked at."""
        if self._array is None:
            mapped = np.memmap(self._file, dtype=self.dtype, mode="r+", shape=self.shape)
            self._array = mapped.view(np.ndarray)
        return self._array

    def close(self) -> None:
        """Give up the file; a finished matrix keeps what it needs of it."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def is_in_file(array: NDArray[Any]) -> bool:
    """Whether an array shows a file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap)


def _reserve(file: Any, n_bytes: int) -> None:
    """Take all the space of a file now, so that the disk is not full half-way."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file.fileno(), 0, n_bytes)
    except OSError as error:
        if error.errno not in _NO_RESERVATION:
            error.add_note(f"There is no space for an array of {human(n_bytes)}.")
            raise


def _is_memory(directory: Path) -> bool:
    """Whether files in a directory take memory."""
    path = directory.resolve()
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    holder = next((place for place in (path, *path.parents) if place in mounts), None)
    return holder is not None and mounts[holder] in _IN_MEMORY
