"""Differential abundance: speed beside the original, and where a change is found."""

import random
from argparse import Namespace
from statistics import mean, median, stdev
from typing import Any

import report
from bench import Bench, Measurement

FASTER = 50
"""Times that 10,000 cells must be faster than with the original, whole processes."""
LONGEST = 60.0
LARGEST = 2e9
"""Seconds and bytes that the large data set may take."""
SEARCHES = 3.0
"""Plain neighbour searches that its fit may last."""
QUESTION = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
METHODS = {
    "kompot": ("kompot", {"progress": False, "random_state": 0}),
    'kompot, ls="evidence"': ("kompot", {"progress": False, "random_state": 0, "ls": "evidence"}),
    'kompot, ratio="labels"': ("kompot", {"progress": False, "random_state": 0, "ratio": "labels"}),
    "original 0.8.0": ("original", {}),
    "MELD": ("meld", {}),
    "Milo (pertpy, PyDESeq2)": ("milo", {}),
}
"""Package and options of each method; the options not named are its defaults."""


def abundance(bench: Bench, options: Namespace) -> bool:
    """Time and memory of both packages at their defaults, and of a large data set alone."""
    print(report.heading(bench, "Differential abundance at defaults, whole processes"))
    small = _cells(bench, 300, 0)
    for package in ("original", "kompot"):  # compiles modules to bytecode; not counted
        _run(bench, package, small, "warm-up")
    data = _cells(bench, options.cells, 0)
    runs: dict[str, list[Measurement]] = {"original": [], "kompot": []}
    for repeat in range(options.repeats):
        for package, found in runs.items():
            found.append(_run(bench, package, data, f"{options.cells} {repeat}"))
    seconds = {package: median(run.seconds for run in found) for package, found in runs.items()}
    memory = {package: median(run.peak_bytes for run in found) for package, found in runs.items()}
    ratio = seconds["original"] / seconds["kompot"]
    rows = [
        [f"{options.cells:,}", package, f"{seconds[package]:.2f}", f"{memory[package] / 1e9:.2f}"]
        for package in runs
    ]
    large = _cells(bench, options.large, 0)
    whole = _run(bench, "kompot", large, f"{options.large}")
    search = bench.child("kompot", "neighbors", f"search {options.large}", input=large)
    share = whole.report["compute_seconds"] / search.report["compute_seconds"]
    rows.append(
        [f"{options.large:,}", "kompot", f"{whole.seconds:.2f}", f"{whole.peak_bytes / 1e9:.2f}"]
    )
    print(report.table(("cells x 10", "package", "seconds", "peak memory [GB]"), rows))
    less = memory["original"] / memory["kompot"]
    print(
        f"{options.cells:,} cells: {ratio:.0f} times faster and {less:.1f} times less memory "
        f"(medians of {options.repeats}). {options.large:,} cells: computing took "
        f"{share:.2f} times a plain exact search for two nearest neighbours "
        f"({search.report['compute_seconds']:.1f} s)."
    )
    fits = whole.seconds < LONGEST and whole.peak_bytes < LARGEST and share < SEARCHES
    return ratio >= FASTER and fits


def localisation(bench: Bench, options: Namespace) -> bool:
    """Which methods rank the cells of a changed stretch of a trajectory highest."""
    print(report.heading(bench, "Area under ROC for the cells of a stretch that became abundant"))
    areas: dict[str, list[float]] = {}
    shares = []
    for seed in options.seeds:
        draw = random.Random(seed)
        start, width = draw.uniform(0.4, 0.65), draw.uniform(0.15, 0.3)
        segment = [start, start + width]
        path = _cells(bench, options.cells, seed, abundance_segment=segment, n_branches=2)
        for name, (package, given) in METHODS.items():
            if package not in bench.pythons:
                continue
            label = f"{package} {' '.join(map(str, given.values()))} {seed}"
            found = bench.child(
                package, "localise", label, input=path, method=package, options=given
            ).report
            areas.setdefault(name, []).append(found["auc"])
        shares.append(found["share"])
    rows = [
        [name, f"{mean(values):.4f}", f"{stdev(values):.4f}", f"{min(values):.4f}"]
        for name, values in areas.items()
    ]
    print(report.table(("method", "area, mean", "standard deviation", "smallest"), rows))
    print(
        f"{len(options.seeds)} trajectories of {options.cells:,} cells, two branches, 4 donors per "
        f"condition; odds of {min(shares):.0%} to {max(shares):.0%} of the cells multiplied by e."
    )
    ours = max(mean(values) for name, values in areas.items() if name.startswith("kompot"))
    others = [mean(values) for name, values in areas.items() if name.startswith(("MELD", "Milo"))]
    return ours >= max(others, default=0.0)


def _cells(bench: Bench, n_cells: int, seed: int, **options: Any) -> str:
    """Simulate cells, in a process of its own, and return the file."""
    path = bench.path(f"cells_{n_cells}_{seed}.h5ad")
    bench.child(
        "kompot", "cells", f"simulate {n_cells} {seed}", output=str(path), n_cells=n_cells,
        seed=seed, options=options,
    )  # fmt: skip
    return str(path)


def _run(bench: Bench, package: str, path: str, label: str) -> Measurement:
    output = str(bench.path(f"{package}_{label}.csv".replace(" ", "_")))
    return bench.child(
        package, "abundance_run", f"{package} {label}", input=path, output=output, options=QUESTION
    )
