"""How long large plots take to draw, beside scanpy's embedding plot of the same points."""

from argparse import Namespace
from statistics import median

import report
from bench import Bench

LONGEST = 5.0
"""Seconds that a plot may take, from the call to the written PNG."""
PACKAGES = ("kompot", "scanpy")


def plots(bench: Bench, options: Namespace) -> bool:
    """Time to draw and write a volcano of many genes and embeddings of many cells."""
    print(report.heading(bench, "Large plots, from the call to the PNG"))
    drawings = {
        "volcano": (options.genes, "genes, ten of them named"),
        "embedding by group": (options.cells, "cells, 20 groups"),
        "embedding by number": (options.cells, "cells, a column of numbers"),
    }
    rows, met = [], True
    for name, (n_points, what) in drawings.items():
        seconds: dict[str, list[float]] = {package: [] for package in PACKAGES}
        for repeat in range(1 + options.repeats):
            for package, found in seconds.items():
                run = bench.child(
                    package, "plots", f"{name} {package} {repeat}", drawn_by=package,
                    drawing=name, n_points=n_points, output=str(bench.path(f"{package}.png")),
                )  # fmt: skip
                if repeat > 0:  # the first compiles modules to bytecode
                    found.append(run.report["seconds"])
        ours, theirs = (median(seconds[package]) for package in PACKAGES)
        met &= ours < LONGEST
        rows.append(
            [f"{name}, {n_points:,} {what}", f"{ours:.2f}", f"{theirs:.2f}", f"{theirs / ours:.2f}"]
        )
    header = ("plot", "kompot [s]", "scanpy's embedding [s]", "times faster")
    print(report.table(header, rows))
    print(
        f"Medians of {options.repeats}, one process each, without imports and making the data. "
        "Pictures of 7 x 5.5 inches at 150 dots per inch; scanpy draws the points of the volcano "
        "as an embedding coloured by what was called."
    )
    return met
