"""Every peer on the same data, one process at a time; each result is kept."""

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import peer_page
import report
from bench import RESULTS, Bench, ChildFailedError
from environments import python_with
from limits import Limit, LimitExceededError
from peer_methods import PROBLEMS, Method, Problem, methods_of

Record = dict[str, Any]
FIRST_SEED = 2_000_000
"""Seeds from here on are used by no test and no other benchmark."""
IDLE_REPEATS = 3


def peers(bench: Bench, options: Namespace) -> bool:
    """Time, memory, ranking, false discoveries and power beside every peer."""
    runs = Runs(options.runs or RESULTS / "peers.jsonl")
    if not options.report_only:
        for problem, method, seed in missing(runs, options):
            python = find_python(bench, method.package, options)
            if problem.n_cells != PROBLEMS[f"{problem.kind}-tiny"].n_cells:
                warm_up(bench, runs, method, python, options)
            runs.add(measure(bench, runs, problem, method, seed, python, options))
    if options.page is not None:
        peer_page.write(options.page, bench, runs.records())
    return True


class Runs:
    """Finished runs, a JSON line each; of those done twice the later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.versions: dict[str, Record] = {}
        self._lines: list[Record] = []
        if path.exists():
            self._lines = [json.loads(line) for line in path.read_text().splitlines() if line]

    def records(self) -> list[Record]:
        """Return the last run of each kind."""
        return list({self._key(line): line for line in self._lines}.values())

    def add(self, record: Record) -> None:
        """Keep a run."""
        self._lines.append(record)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(record, separators=(",", ":")) + "\n")

    def find(self, problem: str, method: str, seed: int, *, idle: bool) -> Record | None:
        """Return a run that counts; one on an idle machine counts for both."""
        keys = [(problem, method, seed, True)] + [(problem, method, seed, False)] * (not idle)
        found = {self._key(line): line for line in self._lines}
        return next((found[key] for key in keys if key in found), None)

    @staticmethod
    def _key(line: Record) -> tuple[str, str, int, bool]:
        return line["problem"], line["method"], line["seed"], line["idle"]


def missing(runs: Runs, options: Namespace) -> Iterator[tuple[Problem, Method, int]]:
    """Yield what is left to do, the first data sets of all methods before the second ones.

    A method that failed, or took too long, on a problem is not run on more or larger data of it.
    """
    for key in options.problems:
        problem = PROBLEMS[key]
        if problem.is_real and options.kang is None:
            continue
        repeats = min(problem.repeats, IDLE_REPEATS) if options.idle else problem.repeats
        for seed in range(options.repeats or repeats):
            for method in methods_of(problem.kind):
                if options.methods and method.key not in options.methods:
                    continue
                done = runs.find(problem.key, method.key, seed, idle=options.idle)
                again = done is not None and options.retry and "failed" in done
                given_up = failed_before(runs.records(), problem, method)
                if again or (done is None and (options.retry or not given_up)):
                    yield problem, method, seed


def failed_before(records: Iterable[Record], problem: Problem, method: Method) -> Record | None:
    """Return the failure of a method on this problem, or on fewer cells."""
    for record in records:
        other = PROBLEMS[record["problem"]]
        same = other == problem
        smaller = 0 < other.n_cells < problem.n_cells
        own = record["method"] == method.key and other.kind == problem.kind
        if own and (same or smaller) and "failed" in record:
            return record
    return None


def find_python(bench: Bench, package: str, options: Namespace) -> Path | str:
    """Python of an environment, or the reason why there is none."""
    if package in bench.pythons:
        return bench.pythons[package]
    try:
        bench.pythons[package] = dict(options.python).get(package) or python_with(package)
    except subprocess.CalledProcessError as error:
        return f"does not install: pip ended with {error.returncode}"
    return bench.pythons[package]


def versions(bench: Bench, package: str, known: dict[str, Record]) -> Record:
    """Versions in an environment, asked for once."""
    if package not in known:
        known[package] = bench.child(package, "versions", f"versions {package}").report
    return known[package]


def warm_up(
    bench: Bench, runs: Runs, method: Method, python: Path | str, options: Namespace
) -> None:
    """Run a method once on little data, which compiles modules to bytecode."""
    tiny = PROBLEMS[f"{method.kind}-tiny"]
    if runs.find(tiny.key, method.key, 0, idle=False) is None:
        runs.add(measure(bench, runs, tiny, method, 0, python, options))


def measure(  # noqa: PLR0917
    bench: Bench,
    runs: Runs,
    problem: Problem,
    method: Method,
    seed: int,
    python: Path | str,
    options: Namespace,
) -> Record:
    """One process: what it took and what it found, or why it failed."""
    record = {
        "problem": problem.key,
        "method": method.key,
        "seed": seed,
        "idle": options.idle,
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "source": report.source_version(),
        "machine": report.machine(),
        "load": round(os.getloadavg()[0], 2),
    }
    if isinstance(python, str):
        return record | {"failed": python}
    record["versions"] = versions(bench, method.package, runs.versions)
    limit = Limit(options.seconds or problem.seconds, options.memory * 1e9)
    path = data(bench, problem, seed, options)
    label = f"{problem.key} {method.key} {seed}"
    try:
        done = bench.child(
            method.package, f"peer_{problem.kind}", label, limit=limit, input=str(path),
            method=method.key,
        )  # fmt: skip
    except LimitExceededError as error:
        reason = str(error)
    except ChildFailedError as error:
        reason = "failed: " + str(error).splitlines()[-1].split(". ")[0][:200].replace("|", "/")
    else:
        used = {"seconds": done.seconds, "cpu_seconds": done.cpu_seconds}
        return record | used | {"peak_bytes": done.peak_bytes} | done.report
    print(f"[peers] {label}: {reason}", file=sys.stderr)
    return record | {"failed": reason}


def data(bench: Bench, problem: Problem, seed: int, options: Namespace) -> Path:
    """File of a data set, made if there is none; larger ones of other seeds are deleted."""
    if problem.is_real:
        seed = 0
    path = bench.path(f"{problem.key}_{seed}.h5ad")
    if path.exists():
        return path
    if problem.n_cells >= PROBLEMS["expression-50k"].n_cells:
        for old in path.parent.glob(f"{problem.key}_*.h5ad"):
            old.unlink()
    task: dict[str, Any] = {"data": problem.kind, "n_cells": problem.n_cells}
    task |= {"n_genes": problem.n_genes, "seed": FIRST_SEED + seed}
    if problem.is_real:
        task = {"data": "kang", "input": str(options.kang)}
    unfinished = path.with_suffix(".part")
    bench.child("kompot", "peer_data", f"data {problem.key} {seed}", output=str(unfinished), **task)
    unfinished.rename(path)
    return path


def add_options(command: Any, read_path: Callable[[str], Path]) -> None:
    """Options of the command."""

    def read_python(word: str) -> tuple[str, Path]:
        name, _, path = word.partition("=")
        return name, read_path(path)

    keys = sorted(
        {method.key for kind in ("expression", "abundance") for method in methods_of(kind)}
    )
    sizes = [key for key in PROBLEMS if not key.endswith("tiny")]
    command.add_argument("--kang", type=read_path, help="kang_ifnb.h5ad, if it is to be included")
    command.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=sizes)
    command.add_argument("--methods", nargs="+", choices=keys, help="all if absent")
    command.add_argument("--repeats", type=int, help="data sets; of each problem its own if absent")
    command.add_argument(
        "--idle",
        action="store_true",
        help="nothing else runs here: these are the times that count, whatever was run before",
    )
    command.add_argument("--retry", action="store_true", help="run what failed once more")
    command.add_argument(
        "--seconds", type=float, help="that a process may take; 600 or 900 if absent"
    )
    command.add_argument("--memory", type=float, default=20.0, help="GB that it may take")
    command.add_argument(
        "--python", type=read_python, action="append", default=[], metavar="PACKAGE=PYTHON",
        help="an environment of yours",
    )  # fmt: skip
    command.add_argument("--runs", type=Path, help="file of the results that are kept")
    command.add_argument("--report-only", action="store_true", help="run nothing")
    command.add_argument("--page", type=Path, help="write tables and figures: docs/peers.md")
