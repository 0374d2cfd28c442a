"""A run in a process that may hold little memory."""

import json
import os
import subprocess
import sys

import pytest

GIGABYTES = 2**31

CODE = """
import json, resource, warnings
import numpy as np, pandas as pd
from anndata import AnnData
from scipy import sparse

import kompot

warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
rng = np.random.default_rng(0)
n_cells, n_genes, n_stored = {n_cells}, 12_000, 300_000
places = np.sort(rng.choice(n_cells * n_genes, n_stored, replace=False))
rows, columns = places // n_genes, (places % n_genes).astype(np.int32)
pointers = np.searchsorted(rows, np.arange(n_cells + 1)).astype(np.int32)
values = np.ones(n_stored, np.float32)
adata = AnnData(
    sparse.csr_matrix((values, columns, pointers), shape=(n_cells, n_genes)),
    obs=pd.DataFrame({{"condition": rng.choice(["A", "B"], n_cells)}}).rename(index=str),
    obsm={{"DM_EigenVectors": rng.standard_normal((n_cells, {n_dims}))}},
)
call = dict(groupby="condition", condition1="A", condition2="B", random_state=0, **{call})
dry_run, run = (getattr(kompot, name + "_{analysis}") for name in
                ("dry_run_differential", "compute_differential"))
plan = dry_run(adata, **call, verbose=False)
found = {{"feasible": plan.is_feasible, "errors": plan.errors}}
found["alternatives"] = {{one.options: one.memory_bytes for one in plan.alternatives}}
try:
    run(adata, **call, progress=False)
except MemoryError as error:
    found["refused"] = str(error)
found["fields"] = [*adata.layers, *adata.var, *adata.uns, *adata.obs.columns[1:]]
options = {options}
named = dry_run(adata, **call, **options, verbose=False)
found["named_is_feasible"] = named.is_feasible
found["named_bytes"] = named.total_memory_required
run(adata, **call, **options, progress=False)
found["columns"] = [*adata.var, *adata.obs]
print(json.dumps(found))
"""


RUNS = {
    "expression": {
        "n_cells": 10_000,
        "n_dims": 2,
        "call": {"null_genes": 200},
        "options": {"layers": "factored"},
        "column": "kompot_de_A_to_B_is_de",
    },
    "abundance": {  # a short length scale in many dimensions, so that features are many
        "n_cells": 20_000,
        "n_dims": 8,
        "call": {"ls": 3.0},
        "options": {"n_landmarks": 200},
        "column": "kompot_da_A_to_B_lfc",
    },
}


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
@pytest.mark.parametrize("analysis", RUNS)
def test_a_run_that_does_not_fit_is_refused_and_what_is_named_instead_succeeds(analysis):
    sizes = dict(RUNS[analysis])
    (named,) = (f"{name}={value!r}" for name, value in sizes["options"].items())
    column = sizes.pop("column")
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(limit=GIGABYTES, analysis=analysis, **sizes)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert not found["feasible"]
    assert found["errors"][0].startswith("Insufficient memory: the arrays of this run")
    assert found["refused"].startswith("Insufficient memory: the arrays of this run")
    assert f"{named} needs" in found["refused"]
    assert "None of these fits" not in found["refused"]
    assert found["fields"] == []
    assert found["named_is_feasible"]
    assert found["alternatives"][named] == pytest.approx(found["named_bytes"], rel=0.01)
    assert column in found["columns"]
