"""Both packages on the same files: speed, memory, agreement."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import report
from bench import Bench, Measurement

PACKAGES = ("original", "kompot")
PARITY = {"correlation": 0.999999, "relative": 1e-3, "lfc": 1e-5}
"""Least correlation and largest relative difference of distances; largest difference of lfc."""
SMALL = {"null_genes": 20}
"""Options for the small data set on which nearly all time is imports and compiling."""


@dataclass(frozen=True)
class Data:
    """A file and the question asked of it."""

    name: str
    path: Path
    condition1: str
    condition2: str

    @property
    def call(self) -> dict[str, Any]:
        """Arguments without a default."""
        return {
            "groupby": "condition",
            "condition1": self.condition1,
            "condition2": self.condition2,
        }


def simulated(bench: Bench, n_cells: int, n_genes: int) -> Data:
    """Simulate a data set, in a process of its own, and write it to a file."""
    name = f"simulated {n_cells:,} x {n_genes:,}"
    path = bench.path(f"simulated_{n_cells}x{n_genes}.h5ad")
    bench.child(
        "kompot", "simulate", name, output=str(path), n_cells=n_cells, n_genes=n_genes, seed=0
    )
    return Data(name, path, "control", "treated")


def read_kang(path: Path | None) -> list[Data]:
    """Return the interferon data, if given."""
    return [] if path is None else [Data("kang_ifnb", path, "ctrl", "stim")]


def run_expression(
    bench: Bench, package: str, data: Data, label: str, *, options: dict[str, Any], **task: Any
) -> Measurement:
    """Differential expression in one process, of which the report names the gene table."""
    options = {**data.call, **options}
    label = f"{data.name} {package} {label}"
    output = str(bench.path(f"{label.replace(' ', '_')}.csv"))
    task = {"input": str(data.path), "output": output, "options": options, **task}
    result = bench.child(package, "expression", label, **task)
    result.report["output"] = output
    return result


def compare(
    bench: Bench, data: Data, label: str, first: Measurement, second: Measurement
) -> dict[str, Any]:
    """Agreement of two gene tables; relative differences are relative to the first."""
    tables = [first.report["output"], second.report["output"]]
    return bench.child("kompot", "agreement", f"{data.name} {label}", tables=tables).report


def agreement_row(name: str, pair: str, found: dict[str, Any]) -> list[str]:
    """One row of the table of agreement."""
    return [
        name,
        pair,
        f"{found['correlation']:.9f}",
        f"{found['relative']:.1e}",
        f"{found['relative_median']:.1e}",
        f"{found['lfc']:.1e}",
        f"{found['top_overlap']} of {found['top']}",
    ]


AGREEMENT = (
    "data",
    "compared",
    "correlation of distances",
    "relative difference, largest",
    "median",
    "difference of mean lfc, largest",
    "common among the top",
)


def expression(bench: Bench, options: Namespace) -> bool:
    """Time and memory of both packages at their defaults, and agreement of their results."""
    print(report.heading(bench, "Differential expression at defaults, whole processes"))
    defaults = {} if options.null_genes is None else {"null_genes": options.null_genes}
    small = simulated(bench, 300, 50)
    for package in PACKAGES:  # compiles modules to bytecode; not counted
        run_expression(bench, package, small, "warm-up", options=SMALL)
    questions = [
        (small, SMALL),
        (simulated(bench, options.cells, options.genes), defaults),
        *((data, defaults) for data in read_kang(options.kang)),
    ]
    speed: list[list[str]] = []
    agreement: list[list[str]] = []
    for data, choice in questions:
        runs = run_interleaved(bench, data, choice, options.repeats)
        speed.extend(speed_rows(data, runs))
        pairs = {"original, kompot": (runs["original"][0], runs["kompot"][0])}
        if options.repeats > 1:  # how much results change with the seed
            pairs |= {f"{p}, {p} again": (runs[p][0], runs[p][1]) for p in PACKAGES}
        for pair, (first, second) in pairs.items():
            found = compare(bench, data, f"agreement {pair}", first, second)
            agreement.append(agreement_row(data.name, pair, found))
    header = (
        "data", "package", "wall time [s]", "of that computing [s]", "processor time [s]",
        "peak memory [GB]",
    )  # fmt: skip
    print(report.table(header, speed))
    print(
        f"Wall time is of whole processes, imports included. {small.name} (with "
        f"{SMALL['null_genes']} null genes) shows the fixed part of it: imports and compiling.\n"
    )
    print(report.table(AGREEMENT, agreement))
    return True


def run_interleaved(
    bench: Bench, data: Data, choice: dict[str, Any], repeats: int
) -> dict[str, list[Measurement]]:
    """Run both packages in turn, and the one that was second first the next time."""
    runs: dict[str, list[Measurement]] = {package: [] for package in PACKAGES}
    for repeat in range(repeats):
        for package in PACKAGES if repeat % 2 == 0 else PACKAGES[::-1]:
            label = f"run {repeat + 1}"
            runs[package].append(run_expression(bench, package, data, label, options=choice))
    return runs


def speed_rows(data: Data, runs: dict[str, list[Measurement]]) -> list[list[str]]:
    """Medians of both packages and their ratios."""
    rows = [
        [
            data.name,
            f"{package} {measured[0].report['version']}",
            report.seconds_with_range(measured),
            f"{median(run.report['compute_seconds'] for run in measured):.2f}",
            f"{median(run.cpu_seconds for run in measured):.2f}",
            f"{report.median_peak(measured) / 1e9:.2f}",
        ]
        for package, measured in runs.items()
    ]
    original, ours = (runs[package] for package in PACKAGES)
    ratios = [
        report.median_seconds(original) / report.median_seconds(ours),
        median(run.cpu_seconds for run in original) / median(run.cpu_seconds for run in ours),
        report.median_peak(original) / report.median_peak(ours),
    ]
    wall, cpu, memory = (f"**{ratio:.1f}**" for ratio in ratios)
    return [*rows, [data.name, "**ratio**", wall, "", cpu, memory]]


def parity(bench: Bench, options: Namespace) -> bool:
    """Agreement with the same landmarks and length scale; fails if it is not close enough."""
    print(report.heading(bench, "Parity with the same landmarks and length scale"))
    rows, met = [], True
    for data in [simulated(bench, options.cells, options.genes), *read_kang(options.kang)]:
        landmarks = bench.path(f"{data.name.replace(' ', '_')}.landmarks.npy")
        chosen = bench.child(
            "kompot", "landmarks", f"{data.name} landmarks", input=str(data.path),
            groupby="condition", condition1=data.condition1, n_landmarks=options.landmarks,
            seed=1, output=str(landmarks),
        ).report  # fmt: skip
        given = {"ls": chosen["ls"], "null_genes": 0}
        runs = [
            run_expression(bench, package, data, "parity", options=given, landmarks=str(landmarks))
            for package in PACKAGES
        ]
        found = compare(bench, data, "parity", *runs)
        close = (
            found["correlation"] > PARITY["correlation"]
            and found["relative"] < PARITY["relative"]
            and found["lfc"] < PARITY["lfc"]
        )
        met = met and close
        pair = f"{chosen['n_landmarks']} landmarks, ls {chosen['ls']:.4g}"
        rows.append([*agreement_row(data.name, pair, found), "yes" if close else "**no**"])
    print(report.table((*AGREEMENT, "close enough"), rows))
    print(
        f"Close enough: correlation > {PARITY['correlation']}, distances to "
        f"{PARITY['relative']:g} relative, mean lfc to {PARITY['lfc']:g} absolute."
    )
    return met
