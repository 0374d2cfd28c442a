"""Memory that a package's own dry run asks for, with and without samples."""

import json
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

import kompot


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    n_cells, n_samples = task["n_cells"], task["n_samples"]
    adata = anndata.AnnData(sparse.csr_matrix((n_cells, task["n_genes"]), dtype=np.float32))
    sample = np.arange(n_cells) % n_samples
    adata.obs["condition"] = pd.Categorical(np.where(sample < n_samples / 2, "a", "b"))
    adata.obs["sample"] = pd.Categorical([f"s{number}" for number in sample])
    adata.obsm["DM_EigenVectors"] = np.random.default_rng(0).normal(size=(n_cells, 10))
    found = {}
    for name, options in (("without samples", {}), ("samples", {"sample_col": "sample"})):
        plan = kompot.dry_run_differential_expression(
            adata, "condition", "a", "b", verbose=False, **options
        )
        found[name] = {"memory_bytes": float(plan.total_memory_required)}
    Path(task["report"]).write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
