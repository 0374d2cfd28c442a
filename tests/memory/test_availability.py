import subprocess
import sys

import psutil
import pytest

from kompot.memory import SystemAvailability, available_bytes
from kompot.memory.availability import disk_space, memory_limit

MB = 10**6


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def groups_v2(root, limits):
    """Control groups one in another, each with a limit, what is in use, and files in memory."""
    folder = root / "sys/fs/cgroup"
    for name, (limit, used, files) in limits.items():
        folder /= name
        write(folder / "memory.max", f"{limit}\n")
        write(folder / "memory.current", f"{used}\n")
        write(folder / "memory.stat", f"anon 5\ninactive_file {files}\nactive_file 7\n")
    write(root / "proc/self/cgroup", f"0::/{'/'.join(limits)}\n")


def test_every_group_above_has_a_limit(tmp_path):
    groups_v2(
        tmp_path,
        {
            "batch": (900 * MB, 300 * MB, 100 * MB),
            "job": ("max", 300 * MB, 0),
            "step": (500 * MB, 200 * MB, 50 * MB),
        },
    )
    assert memory_limit(tmp_path) == [(500 * MB, 150 * MB), (900 * MB, 200 * MB)]


def test_limits_of_version_1_are_read(tmp_path):
    folder = tmp_path / "sys/fs/cgroup/memory/docker/abc"
    write(folder / "memory.limit_in_bytes", f"{600 * MB}\n")
    write(folder / "memory.usage_in_bytes", f"{250 * MB}\n")
    write(folder / "memory.stat", f"cache 9\ntotal_inactive_file {50 * MB}\n")
    write(tmp_path / "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path / "sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n")
    write(tmp_path / "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 0\n")
    write(tmp_path / "proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n")
    assert memory_limit(tmp_path) == [(600 * MB, 200 * MB)]


@pytest.mark.parametrize("text", [None, "0::/\n", "3:cpuset:/\n"])
def test_without_groups_there_is_no_limit(tmp_path, text):
    if text is not None:
        write(tmp_path / "proc/self/cgroup", text)
    assert memory_limit(tmp_path) == []


def test_more_is_never_available_than_the_machine_has():
    assert 0 < available_bytes() <= psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_a_limit_of_the_address_space_counts():
    code = """
import resource
from kompot.memory import available_bytes
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
few, many = available_bytes(1), available_bytes(5)
held = bytearray(300_000_000)
print(few, many, available_bytes(1))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    few, many, later = map(int, done.stdout.split())
    assert 0.5e9 < few < 2**31
    assert 200e6 < few - many < 400e6  # four more threads
    assert 299e6 < few - later < 310e6


def test_space_is_that_of_the_nearest_directory_that_exists(tmp_path):
    path, total, free = disk_space(str(tmp_path / "not" / "yet"))
    assert path == str(tmp_path)
    assert 0 < free <= total


def test_availability_in_words(tmp_path):
    found = SystemAvailability(32 * 10**9, 16 * 10**9, str(tmp_path), 10**12, 5 * 10**11)
    words = found.memory_total_human, found.memory_available_human
    assert words == ("32 GB", "16 GB")
    assert (found.disk_total_human, found.disk_available_human) == ("1 TB", "500 GB")
    now = SystemAvailability.now(str(tmp_path))
    assert now.memory_available <= now.memory_total
