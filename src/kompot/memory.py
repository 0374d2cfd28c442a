"""Byte counts of large arrays, whether they fit, and what a run took."""

import sys
import time
from pathlib import Path

import psutil

__all__ = [
    "Usage",
    "basis_bytes",
    "dense_bytes",
    "human",
    "layer_bytes",
    "peak_bytes",
    "require",
    "weights_bytes",
]

_STATUS = Path("/proc/self/status")


class Usage:
    """Time and memory from the making of this object on."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._peak = peak_bytes()

    def taken(self) -> dict[str, float]:
        """What was taken so far.

        ``seconds``, ``peak_memory_bytes`` (the most that the process has ever held, with the data
        and all before) and ``peak_memory_increase_bytes`` (by how much this grew; 0 where less
        was held than before).
        """
        peak = peak_bytes()
        return {
            "seconds": time.perf_counter() - self._started,
            "peak_memory_bytes": peak,
            "peak_memory_increase_bytes": peak - self._peak,
        }


def peak_bytes() -> int:
    """The most memory that this process has held, resident."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux" and _STATUS.exists():  # getrusage counts the parent's peak too
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def dense_bytes(*shape: int, itemsize: int = 8) -> int:
    """Bytes of a dense array."""
    size = itemsize
    for length in shape:
        size *= length
    return size


def layer_bytes(n_cells: int, n_genes: int, n_layers: int = 1) -> int:
    """Bytes of dense layers, float32."""
    return n_layers * dense_bytes(n_cells, n_genes, itemsize=4)


def basis_bytes(n_cells: int, rank: int) -> int:
    """Bytes of the features of factored layers, float32."""
    return dense_bytes(n_cells, rank, itemsize=4)


def weights_bytes(n_genes: int, rank: int, n_differences: int = 0) -> int:
    """Bytes of the weights of factored layers.

    Of two conditions, float64, and of the samples' differences (one less than samples in each
    condition), float32.
    """
    return 2 * dense_bytes(n_genes, rank) + dense_bytes(n_genes, n_differences * rank, itemsize=4)


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
