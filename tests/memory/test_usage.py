import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from kompot import memory
from kompot.memory import availability, usage


def test_bytes_are_those_of_numpy():
    assert memory.dense_bytes(7, 3) == np.zeros((7, 3)).nbytes
    assert memory.dense_bytes(7, 3, itemsize=4) == np.zeros((7, 3), np.float32).nbytes


@pytest.mark.parametrize(
    ("size", "text"), [(5, "5 B"), (1500, "1.5 kB"), (2e9, "2 GB"), (3.2e13, "32 TB")]
)
def test_sizes_in_words(size, text):
    assert memory.human(size) == text


def test_what_does_not_fit_is_refused_with_a_remedy(monkeypatch):
    machine = SimpleNamespace(available=1000, total=2000)
    monkeypatch.setattr(availability.psutil, "virtual_memory", lambda: machine)
    memory.require(500, 0.5, what="arrays", remedy="Buy more.")
    match = "arrays need 501 B, more than max_memory_ratio=0.5 of the 1 kB available. Buy more."
    with pytest.raises(MemoryError, match=match):
        memory.require(501, 0.5, what="arrays", remedy="Buy more.")


def test_usage_is_what_a_fresh_process_takes(tmp_path):
    code = """
import numpy, json, kompot.memory as memory
usage = memory.Usage()
before = memory.peak_bytes()
held = numpy.ones(10_000_000)
print(json.dumps([before, usage.taken(), memory.Usage().taken()]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True
    )
    before, taken, afterwards = json.loads(done.stdout)
    assert 5e6 < before < 500e6
    assert 0 < taken["seconds"] < 60
    assert 75e6 < taken["peak_memory_increase_bytes"] < 100e6
    grown = taken["peak_memory_bytes"] - before
    assert abs(grown - taken["peak_memory_increase_bytes"]) < 5e6
    assert afterwards["peak_memory_increase_bytes"] < 1e6


def test_peak_without_the_status_file_is_at_least_the_same(monkeypatch, tmp_path):
    peak = memory.peak_bytes()
    monkeypatch.setattr(usage, "_STATUS", tmp_path / "none")
    assert memory.peak_bytes() > 0.9 * peak
