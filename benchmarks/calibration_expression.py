"""Is the donor-level test of expression right as often as it says? Simulations and real data.

Runs what has not been run yet, on data sets with fixed seeds, and prints the tables as Markdown.
Every run is a line of ``benchmarks/results/calibration_expression.jsonl``, so that this command can
be stopped and called again.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
RUNS = HERE / "results" / "calibration_expression.jsonl"
VOOM_SETS = 40
SLOW_SETS = 20
"""Data sets of a row for other methods, and for those that take half a minute and more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and print the report."""
    options = build_parser().parse_args(arguments)
    os.nice(options.nice)
    # Heavy imports wait for the limit on threads and for the help text.
    from calibration.document import document
    from calibration.runs import read

    if not options.report_only:
        run(options)
    text = document(read(RUNS), options.kang)
    print(text)
    if options.write is not None:
        options.write.write_text(text)
    return 0


def run(options: argparse.Namespace) -> None:
    """Run what is missing, the quick methods first."""
    from calibration.external import external_methods
    from calibration.runs import missing, read, run_all, source_version
    from calibration.scenarios import (
        BLOOD,
        DEPTHS,
        EFFECTS,
        FEW_GENES,
        FURTHER_NULLS,
        NORMALIZED,
        PAIRED,
        PROGRAM_EFFECTS,
        PROGRAM_NULLS,
        SENSITIVITY,
        TABLE,
        with_regions,
    )
    from environments import python_with

    sets, source = options.sets, source_version()
    voom = ("voom clusters", "voom branches", "voom samples")
    parts = [
        (TABLE, {"donor": sets} | dict.fromkeys(voom, min(VOOM_SETS, sets))),
        (SENSITIVITY + NORMALIZED + DEPTHS + BLOOD, dict.fromkeys(("donor", *voom), sets)),
        (
            PROGRAM_NULLS + PROGRAM_EFFECTS + FEW_GENES,
            dict.fromkeys(("donor", *voom[::2]), sets),
        ),
        (FURTHER_NULLS, {"donor": sets} | dict.fromkeys(voom[::2], min(VOOM_SETS, sets))),
        (DEPTHS, {"donor logs": sets}),
        (with_regions(), {"donor": sets}),
        (EFFECTS + PAIRED + NORMALIZED + DEPTHS + BLOOD, {"voom strict": sets}),
        (TABLE, {"cell": min(5, sets)}),
    ]
    peers = {}
    if "deseq" in options.peers:
        found = external_methods(deseq=options.deseq_python or python_with("deseq"))
        parts.append((TABLE + BLOOD, dict.fromkeys(found, min(SLOW_SETS, sets))))
        peers |= found
    if "original" in options.peers:
        found = external_methods(original=options.original_python or python_with("original"))
        parts.append((TABLE, dict.fromkeys(found, min(SLOW_SETS, sets))))
        peers |= found
    for rows, methods in parts:
        scenarios = [row for row in rows if options.rows in row.name]
        done = read(RUNS)
        done = [r for r in done if r["source"] == source or r["method"] not in options.renew]
        tasks = missing(scenarios, methods, done)
        run_all(tasks, RUNS, source=source, jobs=options.jobs, external=peers)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--sets", type=int, default=1000, help="at most so many data sets a row")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--nice", type=int, default=10, help="how much to yield to other programs")
    parser.add_argument("--kang", type=Path, help="kang_ifnb.h5ad, if it is to be included")
    parser.add_argument(
        "--peers",
        nargs="*",
        choices=("deseq", "original"),
        default=[],
        help="other packages to run beside, in environments of their own; hours for the original",
    )
    parser.add_argument(
        "--renew", nargs="*", default=[], help="methods whose runs by other code do not count"
    )
    parser.add_argument("--rows", default="", help="only rows whose names contain this")
    parser.add_argument("--deseq-python", type=Path, help="Python with PyDESeq2")
    parser.add_argument("--original-python", type=Path, help="Python with the original")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument("--write", type=Path, help="file for the report, beside printing it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
