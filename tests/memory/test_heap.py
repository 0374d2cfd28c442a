import sys
import threading

import numpy as np
import psutil
import pytest

from kompot.memory import heap, release


def test_nothing_happens_without_the_function_of_glibc(monkeypatch):
    monkeypatch.setattr(heap, "_trim", lambda: None)
    release()


@pytest.mark.skipif(sys.platform != "linux", reason="glibc gives memory back when it is told to")
def test_memory_of_small_arrays_goes_back_to_the_system():
    if heap._trim() is None:
        pytest.skip("another allocator")
    process, held = psutil.Process(), []

    def fill():
        held.extend(np.ones(40_000) for _ in range(400))  # 128 MB in arrays of 320 kB

    worker = threading.Thread(target=fill)
    worker.start()
    worker.join()
    full = process.memory_info().rss
    del held[1::2]
    release()
    assert full - process.memory_info().rss > 50e6
    assert len(held) == 200
    assert (held[3] == 1.0).all()
