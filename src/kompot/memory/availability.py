"""How much memory and disk space a process may still take."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from kompot.memory.sizes import human

__all__ = [
    "SystemAvailability",
    "available_bytes",
    "disk_space",
    "is_address_space_limited",
    "memory_limit",
]

_ROOT = Path("/")
_UNLIMITED = 2**60
"""Limits from here on (cgroup v1 writes 2**63 less a page) are none."""
_THREAD_SPACE = 72 * 2**20
"""Address space that a thread reserves: its stack and the heap of its own."""


@dataclass(frozen=True)
class SystemAvailability:
    """What the machine, and limits on this process, leave.

    Attributes
    ----------
    memory_total, memory_available
        Bytes; limits of a container (cgroup) or of the process (``ulimit -v``) count.
    disk_path
        Where large arrays would be written.
    disk_total, disk_available
        Bytes there.
    """

    memory_total: int
    memory_available: int
    disk_path: str
    disk_total: int
    disk_available: int

    @property
    def memory_total_human(self) -> str:
        """In words."""
        return human(self.memory_total)

    @property
    def memory_available_human(self) -> str:
        """In words."""
        return human(self.memory_available)

    @property
    def disk_total_human(self) -> str:
        """In words."""
        return human(self.disk_total)

    @property
    def disk_available_human(self) -> str:
        """In words."""
        return human(self.disk_available)

    @classmethod
    def now(cls, directory: str, n_threads: int = 1) -> "SystemAvailability":
        """As it is at this moment.

        Parameters
        ----------
        directory
            Where large arrays would be written, or its nearest parent that exists.
        n_threads
            Threads of the work to come.
        """
        total, available = _memory(n_threads)
        path, disk_total, disk_available = disk_space(directory)
        return cls(total, available, path, disk_total, disk_available)


def available_bytes(n_threads: int = 1) -> int:
    """Memory that this process may still take.

    The least of what the machine has free, of what control groups (of a container or a batch
    system) leave, and of the address space that ``ulimit -v`` leaves, less what ``n_threads``
    threads will reserve of that.
    """
    return _memory(n_threads)[1]


def _memory(n_threads: int) -> tuple[int, int]:
    """Total and available memory."""
    machine = psutil.virtual_memory()
    total, available = int(machine.total), int(machine.available)
    for limit, used in (*memory_limit(_ROOT), *_address_space(n_threads)):
        total, available = min(total, limit), min(available, max(limit - used, 0))
    return total, available


def memory_limit(root: Path) -> list[tuple[int, int]]:
    """Limits of the control groups of this process, and what is in use of each, in bytes.

    Version 2 has a limit in every group above; version 1 says the least of them. Memory of files
    that the system can drop at any time is not in use.

    Parameters
    ----------
    root
        Root of the file system.
    """
    membership = root / "proc/self/cgroup"
    found: list[tuple[int, int]] = []
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # no control groups here
        return found
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            found += _limit_of(top / group, names)
    return found


def _limit_of(group: Path, names: tuple[str, str, str]) -> list[tuple[int, int]]:
    """Limit of one group and what is in use, if there is one; the top itself may have none."""
    try:
        limit = (group / names[0]).read_text().strip()
        used = int((group / names[1]).read_text())
        statistics = (group / "memory.stat").read_text().splitlines()
    except OSError:
        return []
    if not limit.isdigit() or int(limit) >= _UNLIMITED:
        return []
    droppable = [int(one.split()[1]) for one in statistics if one.split()[0] == names[2]]
    return [(int(limit), max(used - sum(droppable), 0))]


def is_address_space_limited() -> bool:
    """Whether files that are mapped into memory count as much as memory (``ulimit -v``)."""
    return bool(_address_space(0))


def _address_space(n_threads: int) -> list[tuple[int, int]]:
    """Limit of the address space and what is in use or will be reserved, if there is one."""
    if sys.platform == "win32":
        return []
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or limit >= _UNLIMITED:
        return []
    return [(limit, psutil.Process().memory_info().vms + n_threads * _THREAD_SPACE)]


def disk_space(directory: str) -> tuple[str, int, int]:
    """Path, total and free bytes of a directory, or of its nearest parent that exists."""
    path = Path(directory).absolute()
    while not path.exists():
        path = path.parent
    usage = shutil.disk_usage(path)
    return str(path), usage.total, usage.free
