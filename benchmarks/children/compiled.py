"""The same comparison twice in one process, through NumPy or JAX."""

import json
import os
import sys
import time
import warnings
from pathlib import Path


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    engine, options = task["engine"], dict(task["options"])
    if engine == "jax on a CPU":
        os.environ["JAX_PLATFORMS"] = "cpu"
    import anndata
    import numpy as np

    import kompot

    warnings.simplefilter("ignore")
    adata = anndata.read_h5ad(task["input"])
    options |= {"jit_compile": engine != "numpy", "random_state": 0, "progress": False}
    run, columns = kompot.compute_differential_abundance, ["lfc", "lfc_zscore"]
    if task["function"] == "expression":
        run, columns = kompot.compute_differential_expression, ["mahalanobis", "mean_lfc"]
        options["layers"] = "none"
        if options["layer"] is not None:
            adata.layers[options["layer"]] = adata.X.toarray()
    spent = []
    for _ in range(2):
        started = time.perf_counter()
        found = run(adata, **options, inplace=False, return_full_results=True)
        spent.append(time.perf_counter() - started)
    table = found["table"]
    np.savez(task["output"], **{name: table[name].to_numpy(float) for name in columns})
    report = {"first_seconds": spent[0], "second_seconds": spent[1]}
    report["device"] = "NumPy"
    if engine != "numpy":
        from kompot.gp.backend import find_device

        report["device"] = find_device()[0]
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
