"""Write a simulated data set: normalised expression in ``X`` (CSR, float32), no other layers."""

import json
import sys
from pathlib import Path

from kompot.datasets import simulate


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = simulate(n_cells=task["n_cells"], n_genes=task["n_genes"], random_state=task["seed"])
    del adata.layers["counts"]
    adata.write_h5ad(task["output"])
    Path(task["report"]).write_text(json.dumps({"shape": adata.shape}))


if __name__ == "__main__":
    main(sys.argv[1])
