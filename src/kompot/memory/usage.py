"""What a run takes of time and memory."""

import sys
import time
from pathlib import Path

import psutil

__all__ = ["Usage", "peak_bytes"]

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
            "peak_memory_increase_bytes": max(peak - self._peak, 0),  # the kernel counts roughly
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
