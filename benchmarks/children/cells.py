"""Write cells without expression: two conditions on a tree, of which one stretch changes."""

import json
import sys
from pathlib import Path

import anndata
import numpy as np

from kompot.datasets import simulate


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    made = simulate(
        n_cells=task["n_cells"], n_genes=1, random_state=task["seed"], **task.get("options", {})
    )
    adata = anndata.AnnData(
        np.zeros((made.n_obs, 1), dtype=np.float32), obs=made.obs, obsm=dict(made.obsm)
    )
    adata.obs["changed"] = adata.obs["true_log_abundance_ratio"] > 0
    adata.write_h5ad(task["output"])
    report = {"shape": adata.shape, "n_dims": adata.obsm["DM_EigenVectors"].shape[1]}
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
