"""Large arrays in memory, or in files that vanish with them."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray

from kompot.memory import human

__all__ = ["ArrayStore"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ArrayStore:
    """Where large arrays are kept between steps.

    Parameters
    ----------
    on_disk
        Whether in files; None for whether they would take more than their share of memory.
    directory
        For the files; None for the system's place for temporary files.
    max_memory_ratio
        Share of the available memory that they may take.
    """

    on_disk: bool | None = None
    directory: str | None = None
    max_memory_ratio: float = 0.8

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
        on_disk = self.on_disk
        if on_disk is None:
            on_disk = n_bytes > self.max_memory_ratio * psutil.virtual_memory().available
        if not on_disk:
            return lambda array: array
        directory = tempfile.gettempdir() if self.directory is None else self.directory
        free = psutil.disk_usage(directory).free
        if n_bytes > free:
            msg = (
                f"Arrays of {human(n_bytes)} do not fit into the {human(free)} free in "
                f"{directory!r}: give another directory, or fewer genes."
            )
            raise OSError(msg)
        return lambda array: _copy_to_file(array, directory)


def _copy_to_file(array: Array, directory: str) -> Array:
    """A copy in an unnamed file, column by column; the file goes when the array does."""
    with tempfile.TemporaryFile(dir=directory) as file:
        copy = np.memmap(file, dtype=np.float64, mode="w+", shape=array.shape[::-1])
    copy[:] = array.T
    return copy.T
