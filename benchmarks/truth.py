"""Log density ratios against the truth, where densities are known."""

from argparse import Namespace
from statistics import mean
from typing import Any

import report
from bench import Bench

SCENES = (
    *(("mixture", n_dims, (1000, 1000)) for n_dims in (2, 5, 10)),
    ("mixture", 5, (500, 2000)),
    ("mixture", 5, (2000, 500)),
    *(("shift", n_dims, (1000, 1000)) for n_dims in (2, 5)),
    ("trajectory", 10, (1000, 1000)),
)
"""What differs between the conditions, dimensions, and cells of each condition."""
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "original 0.8.0": ("original", {}),
    "kompot": ("kompot", {}),
    'kompot, ls="evidence"': ("kompot", {"ls": "evidence"}),
    'kompot, ratio="labels"': ("kompot", {"ratio": "labels"}),
}
WORSE = {"correlation": 0.02, "error": 1.03}
"""How much lower the mean correlation, and how many times larger the mean error may be."""


def truth(bench: Bench, options: Namespace) -> bool:
    """Correlation and error of log density ratios; fails if worse than the original's."""
    print(report.heading(bench, "Log density ratios against the truth"))
    rows: list[list[str]] = []
    totals: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for kind, n_dims, n_cells in SCENES:
        for name, (package, given) in METHODS.items():
            label = (
                f"{kind} {n_dims} {n_cells[0]} {n_cells[1]} {' '.join([package, *given.values()])}"
            )
            model = {key: value for key, value in given.items() if key == "ratio"}
            fit = {key: value for key, value in given.items() if key != "ratio"}
            seeds = bench.child(
                package, "truth", label, kind=kind, n_dims=n_dims, n_cells=n_cells,
                seeds=options.seeds, model=model, options=fit,
            ).report["seeds"]  # fmt: skip
            correlation, error = (mean(s[key] for s in seeds) for key in ("correlation", "error"))
            totals[name].append((correlation, error))
            rows.append(
                [
                    kind,
                    str(n_dims),
                    f"{n_cells[0]:,} + {n_cells[1]:,}",
                    f"{mean(s['truth'] for s in seeds):.2f}",
                    name,
                    f"{correlation:.3f}",
                    f"{error:.3f}",
                ]
            )
    header = (
        "what differs", "dimensions", "cells", "sd of the true ratio", "method", "correlation",
        "root mean square error",
    )  # fmt: skip
    print(report.table(header, rows))
    means = {
        name: tuple(mean(values) for values in zip(*pairs, strict=True))
        for name, pairs in totals.items()
    }
    for name, (correlation, error) in means.items():
        print(f"* {name}: mean correlation {correlation:.3f}, mean error {error:.3f}")
    print(
        f"\nMeans over {len(options.seeds)} data sets in each row, at the cells of both conditions."
    )
    theirs, ours = means["original 0.8.0"], means["kompot"]
    return ours[0] > theirs[0] - WORSE["correlation"] and ours[1] < theirs[1] * WORSE["error"]
