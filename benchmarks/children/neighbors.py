"""The plain exact search for two nearest neighbours, the floor of any density from distances."""

import json
import sys
import time
from pathlib import Path

import anndata
from sklearn.neighbors import NearestNeighbors


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    states = anndata.read_h5ad(task["input"]).obsm["DM_EigenVectors"]
    started = time.perf_counter()
    search = NearestNeighbors(n_neighbors=2, algorithm="kd_tree", n_jobs=-1).fit(states)
    search.kneighbors(states)
    report = {"compute_seconds": time.perf_counter() - started}
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
