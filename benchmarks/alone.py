"""What this package does alone: scaling, import time, accuracy of the low-rank features."""

import math
from argparse import Namespace
from statistics import linear_regression, median
from typing import Any

import report
from bench import Bench, Measurement
from sidebyside import SMALL, read_kang, run_expression, simulated

FIRST_USE = "import anndata; from kompot import compute_differential_expression"
TOLERANCE, TIGHT = 1e-6, 1e-9
LARGEST_DIFFERENCE = 1e-3


def scaling(bench: Bench, options: Namespace) -> bool:
    """Time and memory against the number of cells, sparse data, no layers stored."""
    print(report.heading(bench, f"Scaling with the number of cells, {options.genes:,} genes"))
    choice: dict[str, Any] = {"layers": "none"}
    choice |= {} if options.null_genes is None else {"null_genes": options.null_genes}
    run_expression(bench, "kompot", simulated(bench, 300, 50), "warm-up", options=SMALL)
    idle = bench.statement("kompot", FIRST_USE)
    rows, times, memories = [], [], []
    for n_cells in options.sizes:
        data = simulated(bench, n_cells, options.genes)
        runs = [
            run_expression(bench, "kompot", data, f"run {repeat + 1}", options=choice)
            for repeat in range(options.repeats)
        ]
        times.append(median(run.report["compute_seconds"] for run in runs))
        memories.append(report.median_peak(runs) - idle.peak_bytes)
        rows.append(scaling_row(n_cells, data.path.stat().st_size, runs, times[-1], memories[-1]))
        data.path.unlink()
    header = (
        "cells", "file [MB]", "wall time [s]", "of that computing [s]", "per 1,000 cells [ms]",
        "rank", "peak memory [MB]", "above an idle import [MB]", "per cell [kB]",
    )  # fmt: skip
    print(report.table(header, rows))
    print(f"An idle import (`{FIRST_USE}`) takes {idle.peak_bytes / 1e6:.0f} MB.")
    if len(options.sizes) > 1:
        print(
            "Slope of the logarithms (1 is linear): "
            f"computing time {log_log_slope(options.sizes, times):.2f}, "
            f"memory above an idle import {log_log_slope(options.sizes, memories):.2f}."
        )
    return True


def scaling_row(
    n_cells: int, file_bytes: int, runs: list[Measurement], seconds: float, memory: float
) -> list[str]:
    """One row of the table of scaling."""
    return [
        f"{n_cells:,}",
        f"{file_bytes / 1e6:.0f}",
        report.seconds_with_range(runs),
        f"{seconds:.2f}",
        f"{1e6 * seconds / n_cells:.0f}",
        ", ".join(str(run.report["numerics"]["rank"]) for run in runs),
        f"{report.median_peak(runs) / 1e6:.0f}",
        f"{memory / 1e6:.0f}",
        f"{memory / 1e3 / n_cells:.1f}",
    ]


def log_log_slope(sizes: list[int], values: list[float]) -> float:
    """Least-squares exponent of a power law."""
    return linear_regression([math.log(n) for n in sizes], [math.log(v) for v in values]).slope


def imports(bench: Bench, options: Namespace) -> bool:
    """Time of ``import kompot`` against ``import anndata``, fresh interpreters."""
    print(report.heading(bench, "Import time, fresh interpreters"))
    statements = ("import anndata", "import kompot", FIRST_USE)
    runs: dict[str, list[Measurement]] = {code: [] for code in statements}
    for repeat in range(1 + options.repeats):
        for code in statements:
            measured = bench.statement("kompot", code)
            if repeat > 0:  # the first compiles modules to bytecode
                runs[code].append(measured)
    base = report.median_seconds(runs["import anndata"])
    rows = [
        [
            f"`{code}`",
            report.seconds_with_range(measured),
            f"{report.median_seconds(measured) / base:.2f}",
            f"{report.median_peak(measured) / 1e6:.0f}",
        ]
        for code, measured in runs.items()
    ]
    header = ("statement", "wall time [s]", "ratio to anndata", "peak memory [MB]")
    print(report.table(header, rows))
    return True


def accuracy(bench: Bench, options: Namespace) -> bool:
    """Residual of the features, and what a tighter tolerance changes; fails if too much."""
    print(report.heading(bench, f"Accuracy at tol={TOLERANCE:g} against tol={TIGHT:g}"))
    rows, met = [], True
    datasets = read_kang(options.kang)
    datasets += [simulated(bench, n_cells, options.genes) for n_cells in options.sizes]
    for data in datasets:
        found = bench.child(
            "kompot", "accuracy", data.name, input=str(data.path), call=data.call,
            seeds=options.seeds, tolerance=TOLERANCE, tight=TIGHT,
        ).report["seeds"]  # fmt: skip
        for seed in found:
            close = (
                seed["residual_mean"] < TOLERANCE
                and seed["tight_residual_mean"] < TIGHT
                and seed["relative"] < LARGEST_DIFFERENCE
            )
            met = met and close
            rows.append(accuracy_row(data.name, seed, "yes" if close else "**no**"))
    header = (
        "data", "seed", "rank", "mean residual", "largest residual", "rank, tight",
        "mean residual, tight", "relative difference of distances, largest", "median",
        "difference of mean lfc, largest", "met",
    )  # fmt: skip
    print(report.table(header, rows))
    print(
        "Met: mean residuals below the tolerances, distances that differ by less than "
        f"{LARGEST_DIFFERENCE:g} relative."
    )
    return met


def accuracy_row(name: str, seed: dict[str, Any], met: str) -> list[str]:
    """One row of the table of accuracy."""
    numbers = [
        "residual_mean", "residual_max", "tight_rank", "tight_residual_mean", "relative",
        "relative_median", "lfc",
    ]  # fmt: skip
    shown = [str(seed[key]) if key == "tight_rank" else f"{seed[key]:.1e}" for key in numbers]
    return [name, str(seed["seed"]), str(seed["rank"]), *shown, met]
