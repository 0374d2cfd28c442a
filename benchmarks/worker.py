"""A process in another environment that does one task after the other."""

import subprocess
import tempfile
from pathlib import Path

from bench import CHILDREN, ChildFailedError

SECONDS_TO_END = 10.0
"""Of a process whose task failed."""


class Worker:
    """A script of `benchmarks/children`, kept running so that it compiles once only.

    Parameters
    ----------
    python
        Of the environment.
    script
        Its name, without the suffix.
    """

    def __init__(self, python: Path, script: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        self._process = subprocess.Popen(
            [str(python), "-I", str(CHILDREN / "serve.py"), script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    @property
    def alive(self) -> bool:
        """Whether it takes tasks; after one that failed it does not."""
        return self._process.poll() is None

    def do(self, task: Path) -> None:
        """Do the task of a file, or raise `ChildFailedError` with the end of the log."""
        if self._process.stdin is None or self._process.stdout is None:  # for type checkers
            raise TypeError
        self._process.stdin.write(f"{task}\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            self._process.stdin.close()
            try:
                self._process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._log.seek(0)
            tail = self._log.read().decode(errors="replace").splitlines()[-20:]
            msg = f"{self._process.args!r} ended with {self._process.returncode}:\n" + "\n".join(
                tail
            )
            raise ChildFailedError(msg)


_WORKERS: dict[tuple[Path, str], Worker] = {}


def worker(python: Path, script: str) -> Worker:
    """The one worker of this process for a script; it ends when its input does."""
    key = python, script
    if key not in _WORKERS or not _WORKERS[key].alive:
        _WORKERS[key] = Worker(python, script)
    return _WORKERS[key]
