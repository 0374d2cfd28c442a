"""Write a simulated data set: normalised expression in ``X`` (CSR, float32), no other layers."""

import json
import sys
from pathlib import Path

import numpy as np

from kompot.datasets import simulate


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = simulate(
        n_cells=task["n_cells"],
        n_genes=task["n_genes"],
        random_state=task["seed"],
        **task.get("options", {}),
    )
    adata.var["mean_count"] = np.asarray(adata.layers["counts"].mean(axis=0)).ravel()
    del adata.layers["counts"]
    if "n_groups" in task:  # groups of neighbours along the tree, of equal size
        order = np.lexsort([adata.obs["pseudotime"], adata.obs["branch"].cat.codes])
        group = np.empty(adata.n_obs, dtype=np.intp)
        group[order] = np.arange(adata.n_obs) * task["n_groups"] // adata.n_obs
        adata.obs["group"] = [f"group_{number}" for number in group]
    adata.write_h5ad(task["output"])
    Path(task["report"]).write_text(json.dumps({"shape": adata.shape}))


if __name__ == "__main__":
    main(sys.argv[1])
