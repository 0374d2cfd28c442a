"""Read a file, compare abundance, write the table of cells: the same lines for both packages."""

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
    clock.append(time.perf_counter())
    kompot.compute_differential_abundance(adata, **task["options"])
    clock.append(time.perf_counter())
    adata.obs.to_csv(task["output"])
    clock.append(time.perf_counter())

    steps = ("import_seconds", "read_seconds", "compute_seconds", "write_seconds")
    spent = [after - before for before, after in itertools.pairwise(clock)]
    report = {"version": version("kompot"), **dict(zip(steps, spent, strict=True))}
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
