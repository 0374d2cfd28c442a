"""Time and memory that a process and those it starts may take."""

import contextlib
import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

EVERY = 0.2
"""Seconds between looks."""


class LimitExceededError(Exception):
    """A process took more than it may; the message says of what."""


@dataclass(frozen=True)
class Limit:
    """Most seconds of wall time, and most bytes resident in all processes of the group."""

    seconds: float
    n_bytes: float


class Watch:
    """Kill the group of a process when it exceeds a limit; memory is seen on Linux only.

    Attributes
    ----------
    peak_bytes
        Largest resident memory of the group that was seen, 0 without a limit.
    """

    def __init__(self, leader: int, limit: Limit | None) -> None:
        self._leader = leader
        self._limit = limit
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._exceeded = ""
        self.peak_bytes = 0

    def __enter__(self) -> "Watch":
        if self._limit is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._limit is not None:
            self._thread.join()
            self._kill()  # whatever the process left behind

    def check(self) -> None:
        """Raise `LimitExceededError` if the process was killed."""
        if self._exceeded:
            raise LimitExceededError(self._exceeded)

    def _look(self) -> None:
        assert self._limit is not None
        started = time.perf_counter()
        while not self._ended.wait(EVERY):
            self.peak_bytes = max(self.peak_bytes, resident(self._leader))
            if time.perf_counter() - started > self._limit.seconds:
                self._exceeded = f"over {self._limit.seconds / 60:g} min"
            elif self.peak_bytes > self._limit.n_bytes:
                self._exceeded = f"over {self._limit.n_bytes / 1e9:g} GB"
            if self._exceeded:
                self._kill()
                return

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, signal.SIGKILL)


def resident(group: int) -> int:
    """Resident bytes of the processes of a group."""
    page, total = os.sysconf("SC_PAGE_SIZE"), 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            words = path.read_text().rpartition(")")[2].split()
            if int(words[2]) == group:
                total += int(words[21]) * page
    return total
