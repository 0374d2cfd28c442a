"""Versions in this environment."""

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

NAMES = ("kompot", "anndata", "numpy", "scipy", "pandas", "scikit-learn", "mellon", "jax")
NAMES += ("matplotlib", "scanpy", "pydeseq2", "pertpy", "meld", "cna", "pylemur", "harmonypy")
NAMES += ("memento-de",)


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    report = {"Python": platform.python_version()}
    for name in NAMES:
        try:
            report[name] = version(name)
        except PackageNotFoundError:
            continue
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
