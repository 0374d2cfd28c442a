"""Choose landmarks among the cells, and a length scale, to be given to both packages."""

import json
import sys
from pathlib import Path

import anndata
import numpy as np

from kompot.gp import estimate_length_scale


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = anndata.read_h5ad(task["input"], backed="r")
    states = np.asarray(adata.obsm["DM_EigenVectors"], dtype=np.float64)
    rng = np.random.default_rng(task["seed"])
    number = min(task["n_landmarks"], len(states))
    np.save(task["output"], states[rng.choice(len(states), number, replace=False)])
    first = (adata.obs[task["groupby"]] == task["condition1"]).to_numpy()
    report = {"n_landmarks": number, "ls": estimate_length_scale(states[first])}
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
