"""Errors and interrupts at every step: data and files are as before, or whole and new."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad

import kompot
from kompot import threads

MANY = int(os.environ.get("KOMPOT_FUZZ", "0"))
PAIR = ("condition", "a", "b")
OPTIONS = {"progress": False, "overwrite": True}
SOURCE = str(Path(kompot.__file__).parent)


def de(adata, **options):
    chosen = OPTIONS | {"null_genes": 4, "random_state": 0, "batch_size": 9} | options
    kompot.compute_differential_expression(adata, *PAIR, **chosen)


RUNS = {
    "de": de,
    "de in groups": lambda adata: de(adata, groups="type", min_cells=1),
    "de by donors": lambda adata: de(adata, sample_col="donor", paired=False),
    "de on disk": lambda adata: de(adata, store_arrays_on_disk=True),
    "de factored": lambda adata: de(adata, layers="factored"),
    "da": lambda adata: kompot.compute_differential_abundance(adata, *PAIR, **OPTIONS),
    "smooth": lambda adata: kompot.compute_smoothed_expression(adata, batch_size=9, **OPTIONS),
    "densify": lambda adata: kompot.densify(adata, **OPTIONS),
    "dm": lambda adata: kompot.diffusion_maps(adata, n_components=2, knn=5, overwrite=True),
    "cleanup": kompot.cleanup,
    "recompute_fdr": kompot.recompute_fdr,
}
FAULTS_RAISED = "errors and interrupts raised"
FAULTS = (RuntimeError("injected"), MemoryError("injected"), KeyboardInterrupt())


class Injector:
    """Raises at the k-th step of our code in this thread; counts steps if k is none."""

    def __init__(self, fault=None, at=None, *, lines_of=()):
        self.fault, self.at, self.lines_of, self.count = fault, at, lines_of, 0

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(SOURCE):
            return None
        if frame.f_code.co_name in self.lines_of:
            return self.step
        if not self.lines_of:
            self.hit()
        return None

    def step(self, frame, event, argument):
        if event == "line":
            self.hit()
        return self.step

    def hit(self):
        self.count += 1
        if self.count == self.at:
            raise self.fault

    def run(self, call, adata):
        """Call it; whether the fault was raised, as the error that arrived or swallowed."""
        earlier = sys.gettrace()
        sys.settrace(self)
        try:
            call(adata)
        except type(self.fault):
            return True
        finally:
            sys.settrace(earlier)
        return False


@pytest.fixture
def data(sound_data):
    """Data with an earlier factored run, which every run here replaces or reads."""
    adata = sound_data(n_cells=24, n_genes=4)
    de(adata, layers="factored")
    return adata


def steps(total, most):
    """Numbers of steps to fail at, from the first to the last."""
    return sorted({int(k) for k in np.linspace(1, total, MANY or most)})


@pytest.mark.parametrize("name", list(RUNS))
def test_failure_at_any_step_leaves_the_data(name, data, snapshot, tally):
    call = RUNS[name]
    counter = Injector()
    counter.run(call, data.copy())
    adata = data.copy()
    before = snapshot(adata)
    for number, step in enumerate(steps(counter.count, 12)):
        fault = FAULTS[number % len(FAULTS)]
        tally[FAULTS_RAISED] += 1
        if Injector(fault, step).run(call, adata) and snapshot(adata) != before:
            assert is_complete(call, adata, data, snapshot), (
                step,
                changes(adata, before, snapshot),
            )
            adata = data.copy()


def changes(adata, before, snapshot):
    after = snapshot(adata)
    return [key for key in before | after if before.get(key) != after.get(key)]


def is_complete(call, adata, data, snapshot):
    """Whether data hold all that an undisturbed run writes."""
    whole = data.copy()
    call(whole)
    return set(snapshot(whole)) == set(snapshot(adata))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_failure_at_any_line_of_writing_leaves_the_data(fault, data, snapshot, tally):
    counter = Injector(lines_of=("write_fields",))
    counter.run(de, data.copy())
    assert counter.count > 10
    adata = data.copy()
    before = snapshot(adata)
    for step in range(1, counter.count + 1):
        tally[FAULTS_RAISED] += 1
        assert Injector(fault, step, lines_of=("write_fields",)).run(de, adata)
        if snapshot(adata) != before:
            assert is_complete(de, adata, data, snapshot), step
            adata = data.copy()


@pytest.mark.parametrize("name", ["de", "de by donors", "de on disk", "da", "smooth"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_failure_in_any_batch_leaves_the_data(name, n_threads, data, snapshot, monkeypatch, tally):
    """Batches are done in other threads, where interrupts do not arrive but errors do."""
    true, state = threads.map_batches, {"count": 0, "at": None}

    def failing(work, batches):
        def counted(batch):
            state["count"] += 1
            if state["count"] == state["at"]:
                raise state["fault"]
            return work(batch)

        return true(counted, batches)

    monkeypatch.setattr(threads, "map_batches", failing)
    with threads.limited(n_threads):
        RUNS[name](data.copy())
        total, before = state["count"], snapshot(data)
        assert total > 0
        for number, step in enumerate(steps(total, 8)):
            fault = FAULTS[number % 2]
            state.update(count=0, at=step, fault=fault)
            tally[FAULTS_RAISED] += 1
            with pytest.raises(type(fault), match="injected"):
                RUNS[name](data)
            assert snapshot(data) == before


def test_interrupt_between_batches_leaves_the_data(data, snapshot, monkeypatch, tally):
    true, state = threads.map_batches, {"count": 0, "at": None}

    def failing(work, batches):
        for result in true(work, batches):
            state["count"] += 1
            if state["count"] == state["at"]:
                raise KeyboardInterrupt
            yield result

    monkeypatch.setattr(threads, "map_batches", failing)
    de(data.copy())
    before = snapshot(data)
    for step in range(1, state["count"] + 1):
        state.update(count=0, at=step)
        tally[FAULTS_RAISED] += 1
        with pytest.raises(KeyboardInterrupt):
            de(data)
        assert snapshot(data) == before


@pytest.fixture
def file(data, tmp_path):
    path = tmp_path / "cells.h5ad"
    data.write_h5ad(path)
    return path


@pytest.mark.parametrize("name", ["de", "dm", "cleanup"])
def test_failure_at_any_step_of_a_command_leaves_its_file(name, file, shell, options, tally):
    arguments = (name, file, "-o", file, *options[name])
    counter = Injector()
    counter.run(lambda _: shell(*arguments), None)
    read_h5ad(file)
    content = file.read_bytes()
    for number, step in enumerate(steps(counter.count, 6)):
        fault = FAULTS[number % len(FAULTS)]
        tally[FAULTS_RAISED] += 1
        try:
            Injector(fault, step).run(lambda _: shell(*arguments), None)
        finally:
            assert [path.name for path in file.parent.iterdir()] == [file.name]
        if file.read_bytes() != content:
            read_h5ad(file)
            content = file.read_bytes()
