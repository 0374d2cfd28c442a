import numpy as np
import pytest

from kompot.memory.steps import (
    _FRAGMENTED,
    _KEPT_BYTES,
    _KEPT_SHARE,
    Held,
    Ledger,
    Step,
    array,
    peak_of,
)

MB = 10**6
BIG = 40 * MB


def test_an_array_takes_what_numpy_says():
    assert array("a", 7, 3, count=2).size_bytes == 2 * np.zeros((7, 3)).nbytes
    assert array("a", 7, 3, itemsize=4).size_bytes == np.zeros((7, 3), np.float32).nbytes


def test_the_peak_is_the_step_that_holds_most():
    steps = [Step("one", (Held("a", BIG),)), Step("two", (Held("a", BIG), Held("b", 2 * BIG)))]
    peak = peak_of([*steps, Step("three", (Held("b", 2 * BIG),))])
    assert (peak.step, peak.size_bytes) == ("two", 3 * BIG)
    assert [one.name for one in peak.held] == ["b", "a"]
    assert peak.steps == {"one": BIG, "two": 3 * BIG, "three": 2 * BIG}


def test_small_arrays_of_the_main_thread_count_while_they_are_there():
    steps = [
        Step("small", (Held("a", 10 * MB),)),
        Step("large", (Held("b", BIG),)),
        Step("last", (Held("c", BIG), Held("d", 4 * MB))),
    ]
    peak = peak_of(steps)
    small, last = (int(_FRAGMENTED * size * MB) for size in (10, 4))  # with gaps
    assert peak.steps == {"small": small, "large": BIG, "last": BIG + last}
    assert sum(one.size_bytes for one in peak.held) == peak.size_bytes


def test_heaps_of_threads_keep_what_they_held():
    steps = [
        Step("threads", (Held("a", 10 * MB, in_thread=True),)),
        Step("main", (Held("b", 8 * MB),)),
        Step("threads again", (Held("c", 6 * MB, in_thread=True),)),
    ]
    found = peak_of(steps).steps
    kept = _KEPT_SHARE * 10 * MB
    assert found["threads"] == pytest.approx(_FRAGMENTED * 10 * MB)
    assert found["main"] == pytest.approx(_FRAGMENTED * (8 * MB + kept))
    assert found["threads again"] == pytest.approx(_FRAGMENTED * kept)


def test_each_thread_keeps_no_more_than_a_limit():
    steps = [
        Step("threads", (Held("a", 900 * MB, count=90, in_thread=True),)),
        Step("main", (Held("b", BIG),)),
    ]
    for n_threads in (1, 2):
        kept = _FRAGMENTED * n_threads * _KEPT_BYTES
        assert peak_of(steps, n_threads).steps["main"] == pytest.approx(BIG + kept)


def test_many_small_arrays_are_small_each():
    assert Held("a", 90 * MB, count=9).is_from_heap
    assert not Held("a", 90 * MB).is_from_heap


def test_a_ledger_notes_what_is_kept_and_what_was_dropped():
    ledger = Ledger()
    ledger.keep("a", 1000, count=2)
    ledger.step("one", array("b", 500))
    ledger.drop("a", "unknown")
    ledger.keep_bytes("c", 77)
    ledger.step("two")
    assert [step.size_bytes for step in ledger.steps] == [20_000, 77]


@pytest.mark.parametrize("name", ["a", "b"])
def test_keeping_under_a_name_again_replaces(name):
    ledger = Ledger()
    ledger.keep("a", 10)
    ledger.keep(name, 20)
    ledger.step("only")
    assert ledger.steps[0].size_bytes == (160 if name == "a" else 240)
