"""What dry runs predict, beside what fresh processes then take."""

import json
from argparse import Namespace
from typing import Any

import report
from bench import Bench

LOW, HIGH = 0.9, 1.3
"""Predicted peak memory over the measured one."""
DISK = 0.05
"""Largest relative error of the disk space."""
NONE: dict[str, Any] = {"layers": "none"}
FACTORED: dict[str, Any] = {"layers": "factored"}
FILES: dict[str, Any] = {"store_arrays_on_disk": True}
SAMPLES: dict[str, Any] = {"sample_col": "sample"}
GROUPS: dict[str, Any] = {"groups": "group"}
NO_NULL: dict[str, Any] = {"null_genes": 0}
GRID: tuple[tuple[int, int, float, dict[str, Any]], ...] = (
    (2_000, 200, 0.1, {}),
    (2_000, 200, 0.1, NONE | NO_NULL),
    (2_000, 2_000, 0.1, {}),
    (2_000, 20_000, 0.1, NONE),
    (2_000, 20_000, 0.1, FACTORED),
    (2_000, 20_000, 0.1, {}),
    (2_000, 20_000, 0.1, FILES),
    (5_000, 5_000, 0.1, SAMPLES),
    (5_000, 5_000, 0.1, SAMPLES | FILES),
    (5_000, 5_000, 0.1, SAMPLES | FACTORED),
    (5_000, 10_000, 0.1, SAMPLES | NONE),
    (5_000, 5_000, 0.1, GROUPS),
    (5_000, 20_000, 0.1, GROUPS | NONE),
    (5_000, 5_000, 0.1, {"store_additional_stats": True, "batch_size": 0}),
    (5_000, 2_000, 0.1, NONE | {"use_empirical_variance": True}),
    (3_000, 1_000, 0.1, {"store_posterior_covariance": True}),
    (10_000, 2_000, 0.1, {"genes": 500}),
    (10_000, 2_000, 1.0, {}),
    (10_000, 2_000, 0.1, SAMPLES | {"significance": "cell"}),
    (10_000, 10_000, 0.1, {}),
    (10_000, 10_000, 0.1, FACTORED | NO_NULL),
    (20_000, 10_000, 0.05, NONE),
    (20_000, 2_000, 0.3, NONE),
    (20_000, 5_000, 0.05, FILES),
    (50_000, 2_000, 0.1, NONE | NO_NULL),
    (50_000, 2_000, 0.1, NONE),
    (50_000, 2_000, 0.1, SAMPLES | GROUPS | NONE),
    (50_000, 4_000, 0.05, {}),
    (100_000, 1_000, 0.1, FACTORED),
    (100_000, 2_000, 0.05, {}),
)
"""Cells, genes, share of values that are not zero, and options."""
ABUNDANCE: tuple[tuple[int, dict[str, Any]], ...] = (
    (2_000, {}),
    (20_000, {}),
    (20_000, SAMPLES | GROUPS),
    (100_000, {"n_landmarks": 1000}),
)


def plan(bench: Bench, options: Namespace) -> bool:
    """Predicted and measured memory, disk space and time; fails if memory or space is far off."""
    print(report.heading(bench, "Dry runs beside the runs"))
    chosen = [row for row in GRID if row[0] <= options.most_cells]
    rows, met = [], True
    for n_cells, n_genes, density, given in chosen:
        task = {"cells": n_cells, "genes": n_genes, "density": density, "samples": 6}
        found = run(bench, "de", given, task)
        good = is_met(found)
        met = met and good
        rows.append([f"{n_cells:,} x {n_genes:,}", *row_of(found, given, good=good)])
    for n_cells, given in ABUNDANCE:
        if n_cells <= options.most_cells:
            task = {"cells": n_cells, "genes": 10, "density": 0.5, "samples": 8}
            found = run(bench, "da", given, task)
            good = is_met(found)
            met = met and good
            rows.append([f"{n_cells:,} (abundance)", *row_of(found, given, good=good)])
    print(report.table(HEADER, rows))
    print(
        f"Met: predicted over measured memory between {LOW} and {HIGH}, disk space within "
        f"{100 * DISK:.0f} %. Memory is what the process held more at its peak than before the "
        "run, with the data and the package loaded; for runs with files that of no file. Each in a "
        "process of its own; times also depend on what else the machine did."
    )
    return met


HEADER = (
    "cells x genes", "options", "rank predicted", "found", "memory predicted [MB]",
    "measured [MB]", "ratio", "disk predicted [MB]", "measured [MB]", "time predicted [s]",
    "measured [s]", "met",
)  # fmt: skip


def run(bench: Bench, analysis: str, given: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    """What was planned and what was measured."""
    label = f"{analysis} {task['cells']} {task['genes']} {json.dumps(given)}"
    name = "".join(one if one.isalnum() else "_" for one in label)
    found = bench.child("kompot", "plan", name, analysis=analysis, options=given, **task)
    return found.report


def is_met(found: dict[str, Any]) -> bool:
    """Whether memory and disk space are near enough."""
    ratio = found["plan"]["memory"]["total_bytes"] / found["peak_bytes"]
    disk = found["plan"]["disk"]["total_bytes"]
    return LOW <= ratio <= HIGH and abs(disk - found["disk_bytes"]) <= DISK * found["disk_bytes"]


def row_of(found: dict[str, Any], given: dict[str, Any], *, good: bool) -> list[str]:
    """One row of the table, after its first column."""
    memory, disk = (found["plan"][name]["total_bytes"] for name in ("memory", "disk"))
    seconds = found["plan"]["seconds"]
    options = ", ".join(f"{name}={value!r}" for name, value in given.items())
    (rank,) = [one for one in found["plan"]["info"] if one.startswith("Rank of the features")]
    return [
        f"`{options}`" if options else "",
        rank.removeprefix("Rank of the features: ").split(" (")[0].rstrip("."),
        str(found["rank"]),
        f"{memory / 1e6:.0f}",
        f"{found['peak_bytes'] / 1e6:.0f}",
        f"{memory / found['peak_bytes']:.2f}",
        f"{disk / 1e6:.0f}" if disk else "",
        f"{found['disk_bytes'] / 1e6:.0f}" if found["disk_bytes"] else "",
        f"{seconds['low']:.2g} to {seconds['high']:.2g}",
        f"{found['seconds']:.2g}",
        "yes" if good else "**no**",
    ]
