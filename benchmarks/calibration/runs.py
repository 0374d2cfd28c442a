"""Runs of methods on data sets, one JSON line each, that can be stopped and continued."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from calibration.methods import METHODS
from calibration.outcome import judge
from calibration.problem import Problem, draw
from calibration.scenarios import Scenario

from kompot import threads

ROOT = Path(__file__).resolve().parents[2]
Record = dict[str, Any]
Key = tuple[int, int, str, tuple[int, ...]]


@dataclass(frozen=True)
class Task:
    """Methods to be run on one data set."""

    scenario: Scenario
    replicate: int
    methods: tuple[str, ...]


def key_of(record: Record) -> Key:
    """What identifies a run: row, data set, method, numbers of regions."""
    return record["row"], record["replicate"], record["method"], tuple(record["regions"])


def read(path: Path) -> list[Record]:
    """Finished runs; of those done twice the later."""
    if not path.exists():
        return []
    records = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return list({key_of(record): record for record in records}.values())


def source_version() -> str:
    """Last change of the package's code, and whether it has changed since."""
    words = {
        "": ["log", "-1", "--format=%h", "--", "src/kompot"],
        "-dirty": ["status", "--porcelain", "--", "src/kompot"],
    }
    found = {
        suffix: subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        for suffix, arguments in words.items()
    }
    return found[""] + ("-dirty" if found["-dirty"] else "")


def missing(
    scenarios: Iterable[Scenario], methods: dict[str, int], done: Iterable[Record]
) -> list[Task]:
    """What is left to do, the first data sets of all rows before the second ones.

    Parameters
    ----------
    scenarios
        Rows.
    methods
        Name to the largest number of data sets of a row on which it runs.
    done
        Finished runs.
    """
    finished = {key_of(record) for record in done}
    tasks = []
    for scenario in scenarios:
        for replicate in range(scenario.n_sets):
            left = tuple(
                name
                for name, most in methods.items()
                if replicate < most
                and (scenario.number, replicate, name, scenario.regions) not in finished
            )
            if left:
                tasks.append(Task(scenario, replicate, left))
    return sorted(tasks, key=lambda task: task.replicate)


def run_task(
    task: Task, source: str, external: dict[str, Callable[[Problem], Any]]
) -> list[Record]:
    """Draw a data set, run methods on it and judge what they find; `source` is our version."""
    with threads.limited(1):
        problem = draw(task.scenario, task.replicate)
        return [
            {
                "row": task.scenario.number,
                "replicate": task.replicate,
                "method": method,
                "regions": list(task.scenario.regions),
                "source": source,
                **_timed(METHODS.get(method) or external[method], problem),
            }
            for method in task.methods
        ]


def _timed(method: Callable[[Problem], Any], problem: Problem) -> Record:
    started = time.perf_counter()
    finding = method(problem)
    seconds = round(time.perf_counter() - started, 3)
    return {**judge(finding, problem.effect), "seconds": seconds}


def run_all(
    tasks: list[Task],
    path: Path,
    *,
    source: str,
    jobs: int = 1,
    external: dict[str, Callable[[Problem], Any]] | None = None,
) -> None:
    """Do tasks and append a line for each run.

    Parameters
    ----------
    tasks
        What to do.
    path
        File of the lines.
    source
        Version of this project, for the lines.
    jobs
        Processes at a time.
    external
        Methods that run in environments of their own.
    """
    work = partial(run_task, source=source, external=external or {})
    found = _results(tasks, jobs, work)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for number, (task, records) in enumerate(found, start=1):
            for record in records:
                file.write(json.dumps(record, separators=(",", ":")) + "\n")
            file.flush()
            name = f"{task.scenario.name}, data set {task.replicate}"
            print(f"[{number}/{len(tasks)}] {name}: {', '.join(task.methods)}", file=sys.stderr)


def _results(
    tasks: list[Task], jobs: int, work: Callable[[Task], list[Record]]
) -> Iterator[tuple[Task, list[Record]]]:
    if jobs == 1:
        for task in tasks:
            yield task, work(task)
        return
    with ProcessPoolExecutor(jobs) as pool:
        pending = {pool.submit(work, task): task for task in tasks}
        for future in as_completed(pending):
            yield pending[future], future.result()
