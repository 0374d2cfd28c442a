"""Largest difference of two tables of results, relative where numbers are above 1."""

import json
import sys
from pathlib import Path

import numpy as np


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    first, second = (np.load(path) for path in task["tables"])
    differences = [
        np.abs(second[name] - first[name]) / np.maximum(np.abs(first[name]), 1.0) for name in first
    ]
    if not all(np.isfinite(one).all() for one in differences):
        msg = "A result is not finite."
        raise ValueError(msg)
    largest = max(float(one.max()) for one in differences)
    Path(task["report"]).write_text(json.dumps({"difference": largest}))


if __name__ == "__main__":
    main(sys.argv[1])
