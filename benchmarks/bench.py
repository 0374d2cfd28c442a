"""Run scripts as processes of their own, measure them, keep the raw results."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from limits import Limit, Watch

HERE = Path(__file__).resolve().parent
CHILDREN = HERE / "children"
WORK = HERE / "work"
RESULTS = HERE / "results"
"""What has been measured, kept with the source so that pages can be made again and added to."""


class ChildFailedError(Exception):
    """A child process failed; the message has the end of what it wrote."""


@dataclass(frozen=True)
class Measurement:
    """Resources of one process from start to end, imports included.

    Attributes
    ----------
    seconds, cpu_seconds
        Wall time, and processor time of all threads (user and system).
    peak_bytes
        Largest resident memory.
    report
        What the script says about itself.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    report: dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """One benchmark: which Pythons it uses and where its files are.

    Attributes
    ----------
    name
        Of the benchmark.
    pythons
        Path of Python by name of the package, ``"kompot"`` and perhaps ``"original"``.
    words
        Command line, to be repeated in the report.
    work
        Folder of all files.
    """

    name: str
    pythons: dict[str, Path]
    words: tuple[str, ...]
    work: Path

    def path(self, name: str) -> Path:
        """File in the folder of this benchmark."""
        folder = self.work / self.name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def child(
        self, package: str, script: str, label: str, *, limit: Limit | None = None, **task: Any
    ) -> Measurement:
        """Run ``children/<script>.py`` with the Python of a package and record the result.

        The script gets the path of a JSON file with the task, in which ``report`` is the path
        where it writes its own report, and ``log`` is what it prints. A script that exceeds the
        limit is killed.
        """
        name = label.replace(" ", "_")
        report, log = self.path(f"{name}.report.json"), self.path(f"{name}.log")
        report.unlink(missing_ok=True)
        task_file = self.path(f"{name}.task.json")
        task_file.write_text(json.dumps({**task, "report": str(report)}, indent=1))
        command = [str(CHILDREN / f"{script}.py"), str(task_file)]
        words: list[str | Path] = [self.pythons[package], "-I", *command]
        seconds, cpu_seconds, peak = run_process(words, log, limit)
        result = Measurement(seconds, cpu_seconds, peak, json.loads(report.read_text()))
        self._record(package, label, result, task)
        return result

    def statement(self, package: str, code: str) -> Measurement:
        """Run a line of code in a fresh interpreter of a package and record the result."""
        seconds, cpu_seconds, peak = run_process(
            [self.pythons[package], "-I", "-c", code], self.path("statement.log")
        )
        result = Measurement(seconds, cpu_seconds, peak, {})
        self._record(package, code, result, {})
        return result

    def _record(self, package: str, label: str, result: Measurement, task: dict[str, Any]) -> None:
        """Append one JSON line and show progress."""
        line = {
            "date": datetime.now().astimezone().isoformat(timespec="seconds"),
            "benchmark": self.name,
            "package": package,
            "label": label,
            **asdict(result),
            "task": task,
        }
        with (self.work / f"{self.name}.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        used = f"{result.seconds:.2f} s, {result.peak_bytes / 1e9:.2f} GB"
        print(f"[{self.name}] {package}: {label}: {used}", file=sys.stderr)


def run_process(
    command: Sequence[str | Path], log: Path, limit: Limit | None = None
) -> tuple[float, float, int]:
    """Wall seconds, processor seconds and peak resident bytes of a process.

    ``wait4`` gives the resources of this one child, where ``getrusage(RUSAGE_CHILDREN)`` gives
    the largest peak of all children so far. On Linux a child starts with the peak of its parent:
    therefore this program imports nothing large. With a limit the process leads a group, all of
    which is watched and counted, and killed if it exceeds the limit.
    """
    with log.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=limit is not None,
        )
        watch = Watch(process.pid, limit)
        try:
            with watch:
                _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - started
    watch.check()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        msg = f"{' '.join(map(str, command))} ended with {process.returncode}; {log} ends:\n{tail}"
        raise ChildFailedError(msg)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return seconds, usage.ru_utime + usage.ru_stime, max(peak, watch.peak_bytes)
