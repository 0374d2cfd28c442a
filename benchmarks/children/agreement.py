"""Compare two gene tables."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

TOP = 100


def read_column(table: pd.DataFrame, ending: str) -> np.ndarray:
    """Values of the one column whose name has this ending."""
    (name,) = [column for column in map(str, table) if column.endswith(ending)]
    values = table[name].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        msg = f"{name}: {np.sum(~np.isfinite(values))} of {len(values)} values are not finite."
        raise ValueError(msg)
    return values


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    first, second = (pd.read_csv(path, index_col=0) for path in task["tables"])
    if not first.index.equals(second.index):
        msg = "The tables have different genes."
        raise ValueError(msg)
    distance1, distance2 = (read_column(table, "_mahalanobis") for table in (first, second))
    lfc1, lfc2 = (read_column(table, "_mean_lfc") for table in (first, second))
    relative = np.abs(distance2 / distance1 - 1)
    top = min(TOP, len(first))
    best1, best2 = (set(np.argsort(-d)[:top].tolist()) for d in (distance1, distance2))
    report = {
        "correlation": float(np.corrcoef(distance1, distance2)[0, 1]),
        "relative": float(relative.max()),
        "relative_median": float(np.median(relative)),
        "lfc": float(np.abs(lfc1 - lfc2).max()),
        "top": top,
        "top_overlap": len(best1 & best2),
    }
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
