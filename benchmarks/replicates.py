"""What samples cost at the scale of a genome, and what the original asks for."""

from argparse import Namespace
from statistics import median
from typing import Any

import report
from bench import Bench
from sidebyside import SMALL, run_expression, simulated

DONORS = 4
CHOICES: dict[str, dict[str, Any]] = {
    "without samples": {},
    "without samples, no null genes": {"null_genes": 0},
    "samples": {"sample_col": "sample"},
}
"""Options of the runs; the last is compared with the others."""
MOST_MEMORY, MOST_TIMES = 4e9, 3.0


def replicates(bench: Bench, options: Namespace) -> bool:
    """Time and memory with and without samples; fails above 4 GB or three times the time."""
    size = f"{options.cells:,} x {options.genes:,}"
    title = f"{size}, {2 * DONORS} samples, donor-level significance, layers={options.layers!r}"
    print(report.heading(bench, title))
    run_expression(bench, "kompot", simulated(bench, 300, 50), "warm-up", options=SMALL)
    data = simulated(bench, options.cells, options.genes)
    runs: dict[str, list[Any]] = {name: [] for name in CHOICES}
    for repeat in range(options.repeats):
        for name, choice in CHOICES.items():
            label = f"{name} {repeat + 1}"
            given = {"layers": options.layers, **choice}
            runs[name].append(run_expression(bench, "kompot", data, label, options=given))
    spent = {
        name: median(run.report["compute_seconds"] for run in done) for name, done in runs.items()
    }
    rows = [
        [
            name,
            report.seconds_with_range(done),
            f"{spent[name]:.2f}",
            f"{median(run.cpu_seconds for run in done):.1f}",
            f"{report.median_peak(done) / 1e9:.2f}",
            f"{spent['samples'] / spent[name]:.2f}",
        ]
        for name, done in runs.items()
    ]
    header = (
        "run", "wall time [s]", "of that computing [s]", "processor time [s]", "peak memory [GB]",
        "computing with samples against it",
    )  # fmt: skip
    print(report.table(header, rows))
    if options.original:
        print_original(bench, options)
    data.path.unlink()
    is_small = report.median_peak(runs["samples"]) <= MOST_MEMORY
    return is_small and spent["samples"] <= MOST_TIMES * spent["without samples"]


def print_original(bench: Bench, options: Namespace) -> None:
    """What the original's own dry run says of the same problem."""
    found = bench.child(
        "original", "dry_run", "dry run of the original", n_cells=options.cells,
        n_genes=options.genes, n_samples=2 * DONORS,
    ).report  # fmt: skip
    for name, one in found.items():
        print(f"The original's dry run, {name}: {one['memory_bytes'] / 1e9:,.0f} GB of memory.")
