"""Results do not depend on threads or on neighbours, and repeated calls take no more memory."""

import gc
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import psutil
import pytest

import kompot
from kompot import threads
from kompot.cli import main

CALLS = 200 if os.environ.get("KOMPOT_FUZZ") else 50
PAIR = ("condition", "a", "b")
DE = {"null_genes": 20, "random_state": 0, "progress": False, "overwrite": True}


def de(adata, **options):
    kompot.compute_differential_expression(adata, *PAIR, **(DE | options))


RUNS = {
    "de": lambda adata: de(adata, batch_size=17),
    "de by donors": lambda adata: de(adata, sample_col="donor", paired=False),
    "de with own noise": lambda adata: de(adata, use_empirical_variance=True),
    "de in groups": lambda adata: de(adata, groups="type", min_cells=1),
    "da": lambda adata: kompot.compute_differential_abundance(
        adata, *PAIR, progress=False, overwrite=True
    ),
    "da by donors": lambda adata: kompot.compute_differential_abundance(
        adata, *PAIR, sample_col="donor", paired=False, progress=False, overwrite=True
    ),
    "smooth": lambda adata: kompot.compute_smoothed_expression(
        adata, random_state=0, batch_size=17, progress=False, overwrite=True
    ),
    "dm": lambda adata: kompot.diffusion_maps(adata, n_components=3, knn=8, overwrite=True),
}


def numbers(adata):
    """All stored results that are numbers."""
    frames = {"obs": adata.obs, "var": adata.var} | {
        f"varm {key}": frame for key, frame in adata.varm.items() if isinstance(frame, pd.DataFrame)
    }
    found = {
        f"{place} {name}": frame[name].to_numpy(float)
        for place, frame in frames.items()
        for name in frame.select_dtypes("number")
    }
    found |= {f"layer {key}": np.asarray(adata.layers[key]) for key in adata.layers if key}
    return found | {f"obsm {key}": np.asarray(adata.obsm[key]) for key in adata.obsm}


def assert_same(first, second, tolerance):
    assert set(first) == set(second)
    for name, expected in first.items():
        np.testing.assert_allclose(
            second[name], expected, rtol=tolerance, atol=tolerance, err_msg=name
        )


@pytest.mark.parametrize("name", list(RUNS))
def test_number_of_threads_does_not_matter(name, sound_data):
    found = []
    for n_threads in (1, 2):
        adata = sound_data(n_cells=160, n_genes=12)
        with threads.limited(n_threads):
            RUNS[name](adata)
        found.append(numbers(adata))
    assert_same(*found, tolerance=1e-10)


def test_option_threads_of_the_shell_does_not_matter(sound_data, tmp_path, capsys):
    path = tmp_path / "cells.h5ad"
    sound_data(n_cells=80).write_h5ad(path)
    tables = []
    for n_threads in (1, 2):
        table = tmp_path / f"{n_threads}.csv"
        options = ["--groupby", "condition", "--condition1", "a", "--condition2", "b", "-q"]
        options += ["--random-state", "0", "--null-genes", "20", "--threads", str(n_threads)]
        with pytest.raises(SystemExit) as ended:
            main(["de", str(path), "-t", str(table), *options])
        assert ended.value.code == 0, capsys.readouterr().err
        tables.append(pd.read_csv(table, index_col=0).select_dtypes("number"))
    pd.testing.assert_frame_equal(*tables, rtol=1e-10, atol=1e-10)


def test_calls_side_by_side_give_what_they_give_alone(sound_data):
    """Each on its own data, of different seeds, all kinds of analyses at once."""
    tasks = [(name, seed) for seed in (1, 2) for name in RUNS]

    def run(task):
        name, seed = task
        adata = sound_data(n_cells=60, n_genes=8, seed=seed)
        RUNS[name](adata)
        return numbers(adata)

    alone = [run(task) for task in tasks]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, tasks))
    for one, other in zip(alone, together, strict=True):
        assert_same(one, other, tolerance=1e-10)


@pytest.mark.parametrize("name", ["de", "da", "smooth"])
def test_repeated_calls_take_no_more_memory(name, sound_data):
    """Neither objects (an array is one, besides the small ones that NumPy keeps) nor memory."""
    if sys.gettrace() is not None:
        pytest.skip("a tracer, such as that of coverage, keeps objects of every thread")
    logging.disable()  # pytest keeps all messages
    process = psutil.Process()

    def held():
        gc.collect()
        return len(gc.get_objects()), sys.getallocatedblocks(), process.memory_info().rss

    try:
        for _ in range(10):
            RUNS[name](sound_data(n_cells=16))
        before = held()
        for _ in range(CALLS):
            RUNS[name](sound_data(n_cells=16))
        growth = [after - earlier for after, earlier in zip(held(), before, strict=True)]
    finally:
        logging.disable(logging.NOTSET)
    assert growth[0] < CALLS // 2, f"{growth[0]} containers in {CALLS} calls"
    assert growth[1] < 20 * CALLS, f"{growth[1]} objects in {CALLS} calls"
    assert growth[2] < 32 << 20, f"{growth[2]} bytes in {CALLS} calls"


def test_repeated_calls_leave_no_open_files(sound_data, tmp_path):
    """Layers in files give back their descriptors with the data."""
    count = "/proc/self/fd"
    if not os.path.isdir(count):
        pytest.skip("open files cannot be counted here")

    def run():
        de(sound_data(), store_arrays_on_disk=True, disk_storage_dir=str(tmp_path))

    run()
    gc.collect()
    before = len(os.listdir(count))
    for _ in range(10):
        run()
    gc.collect()
    assert len(os.listdir(count)) <= before
    assert os.listdir(tmp_path) == []
