"""What groups of cells tell about where genes change, and what they cost."""

import json
from argparse import Namespace
from statistics import mean, median, stdev
from typing import Any

import report
from bench import Bench
from sidebyside import PACKAGES, Data, read_kang, run_expression

DONORS = 4
EFFECTS = {
    "branch": {"fraction_branch": 0.15, "lfc_branch": 0.8},
    "local": {"fraction_local": 0.15, "lfc_local": 1.5},
    "narrow": {"fraction_local": 0.15, "lfc_local": 1.5, "local_width": 0.15},
}
"""Genes that change across one whole branch of three, in a part of one, or a narrow part."""
SIMULATION = {
    "n_donors": DONORS, "n_branches": 3, "unequal_cells": False, "lfc_spread": 0.0,
    "fraction_global": 0.0, "fraction_local": 0.0, "fraction_branch": 0.0,
}  # fmt: skip
LEAST_DIFFERENCE = 0.3
"""Of average precision, in the changed branch less in the others."""
RESPONSES = ("CXCL10", "CCL2", "CCL8", "ISG15", "IFI6", "IFIT3")
"""Genes whose response to interferon is looked up in each type of cell."""


def groups(bench: Bench, options: Namespace) -> bool:
    """Ranking and calls where genes change and elsewhere; fails if groups do not tell."""
    title = f"Genes changed in {'one' if options.effect == 'branch' else 'part of a'} branch"
    print(report.heading(bench, f"{title} of three, by group"))
    packages = [package for package in PACKAGES[::-1] if package in bench.pythons]
    rows, met = [], True
    for package in packages:
        found = [run_branches(bench, package, seed, options) for seed in options.seeds]
        label = f"{package} {json.dumps(choice(package, options))}"
        rows.append([label, *(mean_with_spread(found, name) for name in NUMBERS)])
        if package == "kompot":
            precision = {name: mean(seed[name] for seed in found) for name in NUMBERS[:3]}
            changed = precision["precision_changed"]
            met = (
                changed - precision["precision_other"] >= LEAST_DIFFERENCE
                and changed >= precision["precision_whole"]
            )
    print(report.table(HEADER, rows))
    print(
        f"{options.genes:,} genes, 15 % of them planted; {2 * DONORS} donors of "
        f"{options.cells_per_donor} cells; means over {len(options.seeds)} seeds and the three "
        "branches, with the standard deviation over seeds. Average precision is that of the genes "
        "planted in a branch among those and the unchanged ones."
    )
    print_responses(bench, packages, options)
    return met


NUMBERS = (
    "precision_changed", "precision_other", "precision_whole", "called_changed",
    "called_expressed", "called_other", "called_unchanged", "called_whole", "compute_seconds",
)  # fmt: skip
HEADER = (
    "package and options", "average precision, distance in the changed branch",
    "in the other branches", "of all cells", "planted genes called in the changed branch",
    "of those with at least 0.5 counts per cell", "in the other branches",
    "unchanged genes called in a branch", "planted called in all cells", "computing [s]",
)  # fmt: skip


def choice(package: str, options: Namespace) -> dict[str, Any]:
    """Options of a package that are not its defaults."""
    return options.options if package == "kompot" else options.original_options


def run_branches(bench: Bench, package: str, seed: int, options: Namespace) -> dict[str, float]:
    """One simulated data set, scored by branches."""
    n_cells = 2 * DONORS * options.cells_per_donor
    path = bench.path(f"{options.effect}_{n_cells}x{options.genes}_{seed}.h5ad")
    if not path.exists():
        bench.child(
            "kompot", "simulate", f"simulate {options.effect} {seed}", output=str(path),
            n_cells=n_cells, n_genes=options.genes, seed=seed,
            options=SIMULATION | EFFECTS[options.effect],
        )  # fmt: skip
    data = Data(f"{options.effect} {seed}", path, "control", "treated")
    given = {"groups": "branch", "random_state": 0, "progress": False, **choice(package, options)}
    return bench.child(
        package, "groups", f"{data.name} {package}", input=str(path),
        effect="branch" if options.effect == "branch" else "local",
        options={**data.call, **given},
    ).report  # fmt: skip


def mean_with_spread(found: list[dict[str, float]], name: str) -> str:
    """Mean over seeds, and the standard deviation."""
    values = [seed[name] for seed in found]
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def print_responses(bench: Bench, packages: list[str], options: Namespace) -> None:
    """Ranks of interferon-response genes in each type of cell, if the data are given."""
    for data in read_kang(options.kang):
        for package in packages:
            given = {"groups": "cell_type", "random_state": 0, "progress": False}
            found = bench.child(
                package, "groups", f"{data.name} {package}", input=str(data.path),
                genes=RESPONSES, options={**data.call, **given},
            ).report  # fmt: skip
            types = list(found["called"])
            rows = [[gene, *(found["ranks"][gene][name] for name in types)] for gene in RESPONSES]
            rows.append(["genes called", *(found["called"][name] for name in types)])
            print(f"\n{data.name}, {package}: rank of the distance in each type of cell\n")
            print(report.table(("gene", *types), rows))


def group_cost(bench: Bench, options: Namespace) -> bool:
    """Time of a run with many groups against one without; fails if groups cost more than it."""
    print(report.heading(bench, f"Cost of {options.groups} groups"))
    name = f"simulated {options.cells:,} x {options.genes:,}"
    path = bench.path(f"grouped_{options.cells}x{options.genes}x{options.groups}.h5ad")
    bench.child(
        "kompot", "simulate", name, output=str(path), n_cells=options.cells,
        n_genes=options.genes, seed=0, n_groups=options.groups,
    )  # fmt: skip
    data = Data(name, path, "control", "treated")
    times: dict[str, list[float]] = {"without groups": [], "with groups": []}
    for repeat in range(1 + options.repeats):
        for label, given in zip(times, ({}, {"groups": "group"}), strict=True):
            run = run_expression(
                bench, "kompot", data, f"{label} {repeat}",
                options={"layers": options.layers, "random_state": 0, **given},
            )  # fmt: skip
            if repeat > 0:  # the first compiles modules to bytecode
                times[label].append(run.report["compute_seconds"])
    base, grouped = (median(values) for values in times.values())
    rows = [
        [label, f"{median(values):.2f}", f"{min(values):.2f}"] for label, values in times.items()
    ]
    print(report.table(("run", "computing [s], median", "shortest"), rows))
    print(f"{options.groups} groups took {(grouped - base) / base:.0%} of the time without.")
    return grouped - base < base
