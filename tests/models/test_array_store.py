"""Arrays in files without names: filled by rows, gone with the array."""

import errno
import os
import subprocess
import sys
import threading

import numpy as np
import psutil
import pytest

from kompot.models import array_store
from kompot.models.array_store import ArrayStore, RowArray, is_in_file


def open_files(directory):
    """Files of a directory that this process has open, named or not."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    found = [os.readlink(link) for link in links if os.path.islink(link)]
    return [path for path in found if str(directory) in path]


@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("step", [1, 3, 10])
def test_rows_are_what_was_written(tmp_path, rng, on_disk, step):
    values = rng.normal(size=(10, 4))
    with ArrayStore(on_disk, tmp_path).rows((10, 4), np.float32) as array:
        for start in reversed(range(0, 10, step)):
            rows = slice(start, min(start + step, 10))
            array.write(rows, values[rows])
        found = array.finished()
    assert type(found) is np.ndarray
    assert is_in_file(found) == on_disk
    assert is_in_file(found[2:]) == on_disk
    assert not is_in_file(found.copy())
    np.testing.assert_array_equal(found, values.astype(np.float32))
    found[3, 2] = 7.0
    assert found[3, 2] == 7.0
    assert not list(tmp_path.iterdir())


def test_order_of_values_in_memory_does_not_matter(tmp_path, rng):
    values = np.asfortranarray(rng.normal(size=(6, 5)))
    with ArrayStore(on_disk=True, directory=tmp_path).rows((6, 5), float) as array:
        array.write(slice(0, 6), values)
        np.testing.assert_array_equal(array.finished(), values)


@pytest.mark.parametrize("shape", [(0, 4), (4, 0)])
def test_nothing_can_be_stored(tmp_path, shape):
    with ArrayStore(on_disk=True, directory=tmp_path).rows(shape, float) as array:
        array.write(slice(0, shape[0]), np.empty(shape))
        assert array.finished().shape == shape


def test_threads_can_write_side_by_side(tmp_path):
    with ArrayStore(on_disk=True, directory=tmp_path).rows((400, 50), np.float32) as array:

        def fill(start):
            for row in range(start, 400, 4):
                array.write(slice(row, row + 1), np.full((1, 50), row))

        workers = [threading.Thread(target=fill, args=[start]) for start in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        found = array.finished()
    np.testing.assert_array_equal(found, np.repeat(np.arange(400.0)[:, None], 50, axis=1))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
def test_files_vanish_with_the_array_and_with_an_error(tmp_path):
    with ArrayStore(on_disk=True, directory=tmp_path).rows((5, 5), float) as array:
        assert open_files(tmp_path)
        found = array.finished()
    assert open_files(tmp_path)  # what the map holds
    del found, array
    assert not open_files(tmp_path)
    unfinished = ArrayStore(on_disk=True, directory=tmp_path).rows((5, 5), float)
    with pytest.raises(KeyboardInterrupt), unfinished:
        raise KeyboardInterrupt
    assert not open_files(tmp_path)


def test_directory_is_made(tmp_path):
    place = tmp_path / "a" / "b"
    assert ArrayStore(on_disk=True, directory=place).settled(8).on_disk
    assert place.is_dir()


def test_choice_between_memory_and_disk(tmp_path):
    available = psutil.virtual_memory().available
    store = ArrayStore(directory=tmp_path, max_memory_ratio=1e-9)
    assert store.settled(10 * available // 10**9 + 10).on_disk
    assert not store.settled(1).on_disk
    assert not ArrayStore(on_disk=False).settled(10**18).on_disk
    with pytest.raises(OSError, match=r"1e\+06 TB do not fit into the .* free"):
        ArrayStore(on_disk=True, directory=tmp_path).settled(10**18)


def test_files_in_memory_are_no_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr(array_store, "_is_memory", lambda _place: True)
    with pytest.raises(OSError, match="take memory, too: give a directory on a disk"):
        ArrayStore(directory=tmp_path, max_memory_ratio=1e-12).settled(10**6)
    assert ArrayStore(on_disk=True, directory=tmp_path).settled(10**6).on_disk  # as was wished


def test_file_systems_are_told_apart(tmp_path, monkeypatch):
    disk = psutil.disk_partitions(all=True)[0]
    mounts = [
        disk._replace(mountpoint=str(place), fstype=kind)
        for place, kind in ((tmp_path, "ext4"), (tmp_path / "fast", "tmpfs"))
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_options: mounts)
    assert array_store._is_memory(tmp_path / "fast" / "deep")
    assert not array_store._is_memory(tmp_path / "slow")


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no reservation on this system")
def test_full_disk_is_an_error_at_once(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left") as caught:
        RowArray((10, 10), float, tmp_path)
    assert "800 B" in caught.value.__notes__[0]
    assert not open_files(tmp_path)


def test_disk_without_reservation_is_used_all_the_same(tmp_path, monkeypatch):
    def unable(*_args):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    with RowArray((2, 2), float, tmp_path) as array:
        array.write(slice(0, 2), np.eye(2))
        np.testing.assert_array_equal(array.finished(), np.eye(2))


_FULL = """
import resource, sys
import numpy as np
from pathlib import Path
from kompot.models import array_store
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
array_store._reserve = lambda *_: None
array = array_store.RowArray((1000, 1000), float, Path(sys.argv[1]))
try:
    for row in range(1000):
        array.write(slice(row, row + 1), np.ones((1, 1000)))
except OSError as error:
    print("refused at row", row, error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file size")
def test_disk_that_fills_while_writing_is_an_error_and_not_the_end(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"refused at row 125 {errno.EFBIG}\n"
    assert not list(tmp_path.iterdir())


_KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from kompot.models.array_store import RowArray
array = RowArray((100, 100), float, Path(sys.argv[1]))
array.write(slice(0, 50), np.ones((50, 100)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_killed_process_leaves_nothing(tmp_path):
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], check=False)
    assert ended.returncode == -9
    assert not list(tmp_path.iterdir())


_PEAK = """
import sys
import numpy as np
from pathlib import Path
from kompot.memory import peak_bytes
from kompot.models.array_store import RowArray
block = np.ones((100, 20_000), dtype=np.float32)
before = peak_bytes()
with RowArray((5000, 20_000), np.float32, Path(sys.argv[1])) as array:
    for start in range(0, 5000, 100):
        array.write(slice(start, start + 100), block)
    found = array.finished()
assert found[4999, 0] == 1
print(peak_bytes() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are measured differently")
def test_a_file_takes_no_memory_while_it_is_written(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", _PEAK, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) < 40e6  # of 400 MB
