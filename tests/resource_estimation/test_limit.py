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
n_cells, n_genes, n_stored = 10_000, 12_000, 300_000
places = np.sort(rng.choice(n_cells * n_genes, n_stored, replace=False))
rows, columns = places // n_genes, (places % n_genes).astype(np.int32)
pointers = np.searchsorted(rows, np.arange(n_cells + 1)).astype(np.int32)
values = np.ones(n_stored, np.float32)
adata = AnnData(
    sparse.csr_matrix((values, columns, pointers), shape=(n_cells, n_genes)),
    obs=pd.DataFrame({{"condition": rng.choice(["A", "B"], n_cells)}}).rename(index=str),
    obsm={{"DM_EigenVectors": rng.standard_normal((n_cells, 2))}},
)
call = dict(groupby="condition", condition1="A", condition2="B", null_genes=200, random_state=0)
plan = kompot.dry_run_differential_expression(adata, **call, verbose=False)
found = {{"feasible": plan.is_feasible, "errors": plan.errors}}
found["alternatives"] = {{one.options: one.memory_bytes for one in plan.alternatives}}
try:
    kompot.compute_differential_expression(adata, **call, progress=False)
except MemoryError as error:
    found["refused"] = str(error)
found["fields"] = [*adata.layers, *adata.var, *adata.uns]
options = {options}
named = kompot.dry_run_differential_expression(adata, **call, **options, verbose=False)
found["named_is_feasible"] = named.is_feasible
found["named_bytes"] = named.total_memory_required
kompot.compute_differential_expression(adata, **call, **options, progress=False)
found["columns"] = list(adata.var)
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux")
def test_a_run_that_does_not_fit_is_refused_and_what_is_named_instead_succeeds():
    options = {"layers": "factored"}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(limit=GIGABYTES, options=options)],
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
    assert "layers='factored' needs" in found["refused"]
    assert "None of these fits" not in found["refused"]
    assert found["fields"] == []
    assert found["named_is_feasible"]
    assert found["alternatives"]["layers='factored'"] == found["named_bytes"]
    assert "kompot_de_A_to_B_is_de" in found["columns"]
