"""Expression summed on the workers of a Dask cluster."""

import os
import signal
import threading

import numpy as np
import pandas as pd
import pytest

import kompot
from kompot import cluster

CONDITIONS = "condition", "control", "treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 40, "null_seed": 1, "layers": "none"}


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", protocol="tcp"
        ) as workers,
        distributed.Client(workers) as found,
    ):
        yield found


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr("kompot.memory.expression_sizes.FIT_CHUNK", 15)


def table(adata, **options):
    return kompot.compute_differential_expression(
        adata.copy(), *CONDITIONS, return_full_results=True, inplace=False, **QUIET | options
    )["table"]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("options", [{}, {"sample_col": "sample"}], ids=["cells", "samples"])
def test_results_are_those_of_one_process(adata, client, options):
    expected = table(adata, client=False, **options)
    before = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    pd.testing.assert_frame_equal(table(adata, **options), expected, check_exact=True)
    after = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.transition_counter)
    assert after > before  # the active client was used
    found = table(adata, client=client, **options)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.usefixtures("small_chunks")
def test_a_lost_worker_changes_nothing(adata, client, monkeypatch):
    expected = table(adata, client=False)
    pids = set(client.run(os.getpid).values())
    mapped, lost = cluster.map_batches, threading.Event()

    def map_and_kill(work, shared, batches):
        def passed():
            for number, batch in enumerate(batches):
                if number == 10 and not lost.is_set():
                    os.kill(min(pids), signal.SIGKILL)
                    lost.set()
                yield batch

        return mapped(work, shared, passed())

    monkeypatch.setattr(cluster, "map_batches", map_and_kill)
    found = table(adata, client=client)
    assert lost.is_set()
    client.wait_for_workers(2, timeout=15)
    assert set(client.run(os.getpid).values()) != pids
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_what_is_no_client_is_refused(adata):
    with pytest.raises(TypeError, match=r"`client` must be a dask\.distributed\.Client.*got str"):
        table(adata, client="tcp://127.0.0.1:8786")
    assert cluster.current() is None


def test_a_client_that_is_to_be_awaited_is_not_used(client):
    class Awaited:
        asynchronous = True
        submit = nthreads = print

    with cluster.used(client=False):
        assert cluster.current() is None
    with cluster.used():
        assert cluster.current() is client
    with pytest.raises(TypeError, match="must not be asynchronous"), cluster.used(Awaited()):
        pass


def test_an_error_on_a_worker_arrives(client):
    def fail(_shared, number):
        if number == 2:
            msg = "no number two"
            raise ValueError(msg)
        return np.float64(number)

    with cluster.used(client), pytest.raises(ValueError, match="no number two"):
        list(cluster.map_batches(fail, None, range(5)))
