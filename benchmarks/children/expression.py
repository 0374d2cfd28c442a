"""Read a file, test all genes, write the gene table: the same lines for both packages.

Nothing is passed but what has no default, unless the task says so.
"""

import itertools
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    clock = [time.perf_counter()]

    import anndata

    import kompot

    clock.append(time.perf_counter())
    adata = anndata.read_h5ad(task["input"])
    options = task["options"]
    if "landmarks" in task:
        import numpy

        options["landmarks"] = numpy.load(task["landmarks"])
    clock.append(time.perf_counter())
    kompot.compute_differential_expression(adata, **options)
    clock.append(time.perf_counter())
    adata.var.to_csv(task["output"])
    clock.append(time.perf_counter())

    steps = ("import_seconds", "read_seconds", "compute_seconds", "write_seconds")
    spent = [after - before for before, after in itertools.pairwise(clock)]
    report = {
        "version": version("kompot"),
        **dict(zip(steps, spent, strict=True)),
        # ours records rank, length scale and residual
        "numerics": json.loads(adata.uns["kompot_de"]["last_run_info"]).get("numerics"),
    }
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
