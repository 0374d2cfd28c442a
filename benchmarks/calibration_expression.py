"""Is the donor-level test of expression right as often as it says? Simulations and real data.

Runs what has not been run yet, on data sets with fixed seeds, and prints the tables as Markdown.
Every run is a line of ``benchmarks/work/calibration_expression/runs.jsonl``.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
WORK = HERE / "work" / "calibration_expression"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and print the report."""
    from report import source_version

    from calibration.report import report
    from calibration.runs import missing, read, run_all
    from calibration.scenarios import SENSITIVITY, TABLE, with_regions

    options = build_parser().parse_args(arguments)
    os.nice(10)
    path = WORK / "runs.jsonl"
    here = {"donor": options.sets, "voom clusters": options.sets}
    here |= {"voom branches": options.sets, "voom samples": options.sets}
    parts = [
        (TABLE, here),
        (TABLE, {"cell": min(5, options.sets)}),
        (SENSITIVITY, {"donor": options.sets, "voom clusters": options.sets}),
        (with_regions(), {"donor": options.sets}),
    ]
    if not options.report_only:
        for scenarios, methods in parts:
            tasks = missing(scenarios, methods, read(path))
            run_all(tasks, path, source=source_version(), jobs=options.jobs)
    print(report(read(path)))
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--sets", type=int, default=1000, help="at most so many data sets a row")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
