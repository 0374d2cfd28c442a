"""Is the donor-level test of abundance right as often as it says? Simulations with known truth.

Runs what has not been run yet, on data sets with fixed seeds, and prints a table as Markdown. Every
run is a line of ``benchmarks/results/calibration_abundance.jsonl``, so that this command can be
stopped and called again.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
RUNS = HERE / "results" / "calibration_abundance.jsonl"
OURS = "donor"
LEAST_CHANGE = 0.1
"""Change of the log share from which a call of cells that were not removed counts as true."""

Record = dict[str, Any]


def judge(scenario: Any, seed: int, method: str, python: Path | None) -> Record:
    """Draw, test and compare with the truth."""
    from abundance.methods import find_ours, find_peers
    from abundance.scenarios import draw
    from bench import ChildFailedError

    adata = draw(scenario, seed)
    record = {"row": scenario.name, "seed": seed, "method": method, "n_cells": adata.n_obs}
    try:
        found = find_ours(adata, scenario) if python is None else find_peers(adata, method, python)
    except ChildFailedError as error:
        return record | {"failed": str(error)[-500:]}
    changed = adata.obs["changed"].to_numpy()
    called, null = found.direction != 0, changed == 0
    record |= {
        "any_cell": bool(called.any()),
        "seconds": found.seconds,
        **found.further,
    }
    if scenario.removed:
        right = called & (found.direction == changed)
        rises = called & null & (found.direction > 0) & (adata.uns["elsewhere"] > LEAST_CHANGE)
        n_called = max(called.sum(), 1)
        record |= {
            "fdp": float((called & ~right).sum() / n_called),
            "fdp_shares": float((called & ~right & ~rises).sum() / n_called),
            "power": float(right[~null].mean()),
            "auc": area(-found.score, ~null),
            "share": adata.uns["changed_share"],
        }
    return record


def area(score: Any, positive: Any) -> float:
    """Probability that a changed cell scores higher than an unchanged one."""
    from scipy.stats import rankdata

    ranks, n = rankdata(score), int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(ranks) - n)))


def read() -> dict[tuple[str, int, str], Record]:
    """Finished runs by row, seed and method."""
    if not RUNS.exists():
        return {}
    records = [json.loads(line) for line in RUNS.read_text().splitlines() if line.strip()]
    return {(record["row"], record["seed"], record["method"]): record for record in records}


def run_all(
    rows: Sequence[Any], seeds: Iterable[int], pythons: Mapping[str, Path | None], jobs: int
) -> None:
    """Run what is missing, the first data sets of all rows first."""
    done = read()
    tasks = [
        (row, seed, method, python)
        for seed in seeds
        for method, python in pythons.items()
        for row in rows
        if (row.name, seed, method) not in done
    ]
    RUNS.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool, RUNS.open("a") as file:
        futures = [pool.submit(judge, *task) for task in tasks]
        for number, future in enumerate(as_completed(futures), start=1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"\r{number} of {len(tasks)} runs", end="", file=sys.stderr)
    if tasks:
        print(file=sys.stderr)


def table(records: Iterable[Record], names: Sequence[str]) -> str:
    """Means over data sets with their standard errors, as Markdown."""
    by_row: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_row.setdefault((record["row"], record["method"]), []).append(record)
    headings = [
        "data",
        "method",
        "sets",
        "cells changed",
        "regions p<.05 / .01",
        "null cells p<.05 / .01",
        "gate rejects",
        "any region",
        "any cell",
        "FDP of cells",
        "FDP of shares",
        "power",
        "AUC",
    ]
    lines = ["| " + " | ".join(headings) + " |", "| --- " * len(headings) + "|"]
    for name, method in sorted(by_row, key=lambda key: (names.index(key[0]), key[1] != OURS)):
        texts = cells_of(by_row[name, method])
        lines.append("| " + " | ".join([name, method, *texts]) + " |")
    return "\n".join(lines)


def cells_of(every: Sequence[Record]) -> list[str]:
    """One row of the table after its names."""
    n_failed = len(every) - len(runs := [run for run in every if "failed" not in run])
    if not runs:
        return [f"{n_failed} failed", *[""] * 10]
    gated = [{"gate": run["p_gate"] < 0.05} for run in runs if "p_gate" in run]
    local = "power" in runs[0]
    return [
        f"{len(runs)}{f' ({n_failed} failed)' if n_failed else ''}",
        f"{median(run['share'] for run in runs):.0%}" if local else "none",
        "" if local else pair(runs, "region"),
        pair(runs, "cell"),
        mean(gated, "gate"),
        mean(runs, "any_region"),
        mean(runs, "any_cell"),
        mean(runs, "fdp"),
        mean(runs, "fdp_shares"),
        mean(runs, "power"),
        mean(runs, "auc"),
    ]


def pair(runs: Sequence[Record], name: str) -> str:
    """Shares of p-values below 0.05 and 0.01."""
    both = (mean(runs, f"{name}_05"), mean(runs, f"{name}_01", error=False))
    return " / ".join(both) if all(both) else ""


def mean(runs: Sequence[Record], name: str, *, error: bool = True) -> str:
    """Mean over data sets and its standard error; nothing if it was not recorded."""
    values = [float(run[name]) for run in runs if name in run]
    if not values:
        return ""
    average = sum(values) / len(values)
    if not error or len(values) < 2:
        return f"{average:.3f}"
    variance = sum((value - average) ** 2 for value in values) / (len(values) - 1)
    return f"{average:.3f} ± {(variance / len(values)) ** 0.5:.3f}"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--sets", type=int, default=60, help="data sets of each row")
    parser.add_argument("--first-seed", type=int, default=50_000, help="seed of the first of them")
    parser.add_argument("--rows", default="", help="only rows whose names contain this")
    parser.add_argument("--varied", action="store_true", help="other donors and regions, too")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PYTHON",
        help="original, milo or cna, and the Python of an environment with it",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument("--write", type=Path, help="file for the page with the table")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and print the table."""
    options = build_parser().parse_args(arguments)
    from abundance.document import page
    from abundance.methods import PEERS
    from abundance.scenarios import SCENARIOS, varied

    every = SCENARIOS + varied() if options.varied else SCENARIOS
    rows = [row for row in every if options.rows in row.name]
    seeds = range(options.first_seed, options.first_seed + options.sets)
    pythons: dict[str, Path | None] = {OURS: None}
    for peer in options.peer:
        name, _, python = peer.partition("=")
        if name not in PEERS or not python:
            sys.exit(f"--peer must be NAME=PYTHON with one of {list(PEERS)}, got {peer!r}")
        pythons[name] = Path(python)
    if not options.report_only:
        run_all(rows, seeds, pythons, options.jobs)
    names = [row.name for row in rows]
    found = [record for key, record in read().items() if key[0] in names and key[1] in seeds]
    text = table(found, names)
    print(text)
    if options.write is not None:
        options.write.write_text(page(found, text, OURS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
