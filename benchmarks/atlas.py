"""Runs on files larger than memory, beside the least that any run must do."""

import json
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

import report
from bench import Bench, ChildFailedError, Measurement

N_SAMPLES = 8
SPARE_BYTES = 5 * 10**9
"""Disk that is left free."""
RUNS: dict[str, dict[str, Any]] = {
    "cells": {"null_genes": 2000},
    "donors": {"sample_col": "sample"},
}
"""Options of a run: significance from shuffled genes, or from samples."""


def atlas(bench: Bench, options: Namespace) -> bool:
    """Expression and abundance of a large file on disk: time against its floor, and memory."""
    shape = f"{options.cells:,} cells x {options.genes:,} genes"
    print(report.heading(bench, f"A large file on disk, {shape}"))
    path, made = generated(bench, options)
    density, size = made["density"], made["file_bytes"] / 1e9
    print(f"The file has {size:.2f} GB, {100 * density:.1f} % of the values are not zero.\n")
    rows = []
    for name in options.runs:
        choice = RUNS[name] | {"layers": options.layers, "random_state": 0}
        output = bench.path("result.h5ad")
        run = child(bench, "expression", f"expression {name}", path, output=str(output),
                    options=choice)  # fmt: skip
        output.unlink()
        rank = run.report["rank"]
        floor = child(bench, "row_pass", f"floor rank {rank}", path, rank=rank)
        label = f"expression, {name}, rank {rank}, {run.report['n_genes']:,} genes fitted"
        rows.append(row(label, run, floor))
    if options.abundance:
        run = child(bench, "abundance", "abundance", path, options={})
        rows.append(row("abundance", run, child(bench, "neighbors", "neighbours", path)))
    header = (
        "run", "computing [s]", "of the process [s]", "peak memory [GB]", "floor [s]",
        "peak memory of the floor [GB]", "ratio",
    )  # fmt: skip
    print(report.table(header, rows))
    print(
        "Floors: one pass that reads the rows and multiplies each chunk by a matrix of the run's "
        "rank (without shuffled genes); the exact search for nearest neighbours."
    )
    if not options.keep:
        path.unlink()
    return True


def generated(bench: Bench, options: Namespace) -> tuple[Path, dict[str, Any]]:
    """The file, made if it is not there, and what is known of it."""
    name = f"cells_{options.cells}_{options.genes}_{options.density:g}"
    path, known = bench.path(f"{name}.h5ad"), bench.path(f"{name}.report.json")
    if path.exists() and known.exists():
        return path, report_of(known)
    needed = 8 * options.cells * options.genes * options.density
    free = shutil.disk_usage(path.parent).free
    if 2 * needed + SPARE_BYTES > free:  # the file, and the one with the results
        msg = f"the files need {2 * needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free."
        raise ChildFailedError(msg)
    found = bench.child(
        "kompot", "atlas_data", name, output=str(path), n_cells=options.cells,
        n_genes=options.genes, n_samples=N_SAMPLES, density=options.density, seed=0,
    )  # fmt: skip
    return path, found.report


def report_of(path: Path) -> dict[str, Any]:
    """What a child wrote earlier."""
    known: dict[str, Any] = json.loads(path.read_text())
    return known


def child(bench: Bench, step: str, label: str, path: Path, **task: Any) -> Measurement:
    """A step in a process of its own."""
    return bench.child("kompot", "atlas", label, step=step, input=str(path), **task)


def row(label: str, run: Measurement, floor: Measurement) -> list[str]:
    """One row of the table."""
    seconds, least = run.report["compute_seconds"], floor.report["compute_seconds"]
    return [
        label,
        f"{seconds:.1f}",
        f"{run.seconds:.1f}",
        f"{run.peak_bytes / 1e9:.2f}",
        f"{least:.1f}",
        f"{floor.peak_bytes / 1e9:.2f}",
        f"{seconds / least:.2f}",
    ]
