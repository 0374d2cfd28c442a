"""Plan a run, then do it, and say what the process held more than before it.

The plan is made in a child of this process, so that it leaves no memory behind; so are files of
data and functions that are given. Cells are on three branches in ten dimensions; expression is
random numbers, of which memory does not depend.
"""

import ctypes
import gc
import json
import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

import kompot

_DIMENSIONS = 10
_INTERVAL = 0.005
"""Seconds between looks at the process."""


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    with tempfile.TemporaryDirectory(dir=Path(task["report"]).parent) as folder:
        adata = data_of(task, folder)
        folder = tempfile.tempdir = tempfile.mkdtemp(dir=folder)  # of the run's own files
        call = call_of(task, adata, folder)
        plan = in_a_child(partial(planned, call))
        writes_files = plan["disk"]["total_bytes"] > 0
        forget()
        before, watch = status("VmRSS"), Watch(folder) if writes_files else None
        started = time.perf_counter()
        full = call(progress=False, return_full_results=True)
        found: dict[str, Any] = {"seconds": time.perf_counter() - started}
        found["peak_bytes"], found["disk_bytes"] = status("VmHWM") - before, 0
        if watch is not None:
            watch.stop()
            found["peak_bytes"], found["disk_bytes"] = watch.anonymous, watch.disk
        features = getattr(full["model"], "features_", None)
        found["rank"] = None if features is None else features.rank
        found["plan"] = plan
        del full, adata, call
        gc.collect()
    Path(task["report"]).write_text(json.dumps(found))


def data_of(task: dict[str, Any], folder: str) -> anndata.AnnData:
    """The data, in memory or backed by a file; made in a child where they are not to stay."""
    made = partial(make, task["cells"], task["genes"], task["density"], task["samples"])
    kind = task["data"]
    if not kind.startswith("backed"):
        return by_columns(made()) if kind == "columns" else made()
    path = Path(folder) / "data.h5ad"

    def write() -> None:
        adata = made()
        (by_columns(adata) if "columns" in kind else adata).write_h5ad(path)

    in_a_child(write)
    return anndata.read_h5ad(path, backed="r")


def by_columns(adata: anndata.AnnData) -> anndata.AnnData:
    """The data with expression in CSC."""
    adata.X = sparse.csc_matrix(adata.X)
    return adata


def call_of(task: dict[str, Any], adata: anndata.AnnData, folder: str) -> Callable[..., Any]:
    """The run, or with ``dry_run=True`` its plan."""
    options = {"random_state": 0, **task["options"]}
    if "genes" in options:
        options["genes"] = adata.var_names[: options["genes"]].tolist()
    if options.get("store_arrays_on_disk"):
        options["disk_storage_dir"] = folder
    if task["is_given"]:
        names = ("function_predictor1", "function_predictor2")
        fitted = in_a_child(lambda: fit(adata))
        options["model"] = kompot.ModelSettings(**dict(zip(names, fitted, strict=True)))
    run = kompot.de if task["analysis"] == "de" else kompot.da
    return partial(run, adata, "condition", "A", "B", **options)


def fit(adata: anndata.AnnData) -> list[kompot.FunctionEstimator]:
    """The function of each condition, fitted to its own cells."""
    states, condition = adata.obsm["DM_EigenVectors"], adata.obs["condition"].to_numpy()
    rows = [np.flatnonzero(condition == name) for name in ("A", "B")]
    return [kompot.FunctionEstimator().fit(states[own], adata.X[own]) for own in rows]


def planned(call: Callable[..., Any]) -> dict[str, Any]:
    """The plan as plain data, and how long it took."""
    started = time.perf_counter()
    plan = call(dry_run=True).to_dict()
    return {**plan, "plan_seconds": time.perf_counter() - started}


def forget() -> None:
    """Give back memory that is free, and let the kernel forget the peak so far."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def make(n_cells: int, n_genes: int, density: float, n_samples: int) -> anndata.AnnData:
    """Cells of two conditions with sparse expression (dense at a density of 1)."""
    rng = np.random.default_rng(0)
    along, branch = rng.random(n_cells) * 3.0, rng.integers(0, 3, n_cells)
    states = 0.05 * rng.standard_normal((n_cells, _DIMENSIONS))
    for k in range(_DIMENSIONS):
        bend = rng.random(3) * 2.0
        states[:, k] += np.sin((k + 1) * 0.7 * along + bend[branch] * along) / (k + 1)
    sample = rng.integers(0, n_samples, n_cells)
    obs = pd.DataFrame(
        {
            "condition": np.where(sample % 2, "B", "A"),
            "sample": [f"s{number}" for number in sample],
            "group": [f"g{number}" for number in rng.integers(0, 5, n_cells)],
        }
    ).rename(index=str)
    values = expression(n_cells, n_genes, density, rng)
    return anndata.AnnData(values, obs=obs, obsm={"DM_EigenVectors": states})


def expression(n_cells: int, n_genes: int, density: float, rng: np.random.Generator) -> Any:
    """Log-normalised counts, non-zero in a share of the places; dense ones any numbers."""
    if density >= 1.0:
        return rng.random((n_cells, n_genes), dtype=np.float32)
    n_places = n_cells * n_genes
    gaps = rng.geometric(density, int(1.02 * n_places * density) + 1000)
    places = np.cumsum(gaps)
    places = places[places < n_places]
    starts = np.searchsorted(places, np.arange(n_cells + 1) * n_genes)
    worth = np.repeat(rng.lognormal(1.0, 0.3, n_cells), np.diff(starts))
    numbers = np.log1p(worth * rng.geometric(0.6, len(places))).astype(np.float32)
    arrays = numbers, (places % n_genes).astype(np.int32), starts.astype(np.int32)
    return sparse.csr_matrix(arrays, shape=(n_cells, n_genes))


def in_a_child(work: Callable[[], Any]) -> Any:
    """What a function returns, made in a copy of this process."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        with os.fdopen(send, "wb") as pipe:
            pickle.dump(work(), pipe)
        sys.stdout.flush()
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as pipe:
        found = pickle.load(pipe)
    os.waitpid(child, 0)
    return found


class Watch:
    """Most memory that no file backs, and most space of files in a folder, with or without names.

    Parameters
    ----------
    folder
        The folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder, self._ended = folder, threading.Event()
        self._before = status("RssAnon")
        self.anonymous, self.disk = 0, 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look once more and no longer."""
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            last = self._ended.wait(_INTERVAL)
            self.anonymous = max(self.anonymous, status("RssAnon") - self._before)
            self.disk = max(self.disk, self._space())
            if last:
                return

    def _space(self) -> int:
        """Bytes of the files that are open or mapped."""
        sizes: dict[int, int] = {}
        for number in os.listdir("/proc/self/fd"):
            try:
                if os.readlink(f"/proc/self/fd/{number}").startswith(self._folder):
                    state = os.stat(f"/proc/self/fd/{number}")
                    sizes[state.st_ino] = state.st_size
            except OSError:  # closed meanwhile
                continue
        for line in Path("/proc/self/maps").read_text().splitlines():
            if self._folder in line:
                words = line.split()
                start, end = (int(word, 16) for word in words[0].split("-"))
                sizes[int(words[4])] = max(sizes.get(int(words[4]), 0), end - start)
        return sum(sizes.values())


def status(name: str) -> int:
    """A number of bytes in the status of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    msg = f"{name} is not in /proc/self/status"
    raise KeyError(msg)


if __name__ == "__main__":
    main(sys.argv[1])
