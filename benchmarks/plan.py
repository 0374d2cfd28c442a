"""What dry runs predict, beside what fresh processes then take."""

from argparse import Namespace
from dataclasses import asdict
from typing import Any

import report
from bench import Bench
from plan_grid import ROWS, Row

LOW, HIGH = 0.9, 1.3
"""Predicted peak memory over the measured one."""
DISK = 0.05
"""Largest relative error of the disk space."""


def plan(bench: Bench, options: Namespace) -> bool:
    """Predicted and measured memory, disk space and time; fails if memory or space is far off."""
    heading = report.heading(bench, "Predicted and measured")
    chosen = [
        (number, row)
        for number, row in enumerate(ROWS, start=1)
        if row.cells <= options.most_cells and (not options.rows or number in options.rows)
    ]
    rows, goods = [], []
    for number, row in chosen:
        found = run(bench, row)
        goods.append(is_met(found))
        rows.append(row_of(number, row, found, good=goods[-1]))
    closing = CLOSING.format(met=sum(goods), all=len(goods), low=LOW, high=HIGH, disk=100 * DISK)
    page = "\n".join([heading, report.table(HEADER, rows), closing])
    print(page)
    if options.page is not None:
        options.page.write_text(f"{page}\n")
    return all(goods)


HEADER = (
    "row", "cells x genes", "data and options", "rank predicted", "found",
    "memory predicted [MB]", "measured [MB]", "ratio", "disk predicted [MB]", "measured [MB]",
    "time predicted [s]", "measured [s]", "met",
)  # fmt: skip
CLOSING = (
    "Met, in {met} of {all} rows: predicted over measured memory between {low} and {high}, disk "
    "space within {disk:.0f} %. Memory is what the process held more at its peak than before the "
    "run, with the data and the package loaded; for runs with files that of no file. Each in a "
    "process of its own; times also depend on what else the machine did."
)


def run(bench: Bench, row: Row) -> dict[str, Any]:
    """What was planned and what was measured."""
    label = f"{row.analysis} {row.cells} {row.genes} {row.described}"
    name = "".join(one if one.isalnum() else "_" for one in label)
    return bench.child("kompot", "plan", name, **asdict(row)).report


def is_met(found: dict[str, Any]) -> bool:
    """Whether memory and disk space are near enough."""
    ratio = found["plan"]["memory"]["total_bytes"] / found["peak_bytes"]
    disk = found["plan"]["disk"]["total_bytes"]
    return LOW <= ratio <= HIGH and abs(disk - found["disk_bytes"]) <= DISK * found["disk_bytes"]


def row_of(number: int, row: Row, found: dict[str, Any], *, good: bool) -> list[str]:
    """One row of the table."""
    memory, disk = (found["plan"][name]["total_bytes"] for name in ("memory", "disk"))
    seconds = found["plan"]["seconds"]
    told = [one for one in found["plan"]["info"] if one.startswith("Rank of the features")]
    rank = told[0].removeprefix("Rank of the features: ").split(" (")[0] if told else ""
    return [
        str(number),
        row.size,
        row.described,
        rank.rstrip("."),
        "" if found["rank"] is None else str(found["rank"]),
        f"{memory / 1e6:.0f}",
        f"{found['peak_bytes'] / 1e6:.0f}",
        f"{memory / found['peak_bytes']:.2f}",
        f"{disk / 1e6:.0f}" if disk else "",
        f"{found['disk_bytes'] / 1e6:.0f}" if found["disk_bytes"] else "",
        f"{seconds['low']:.2g} to {seconds['high']:.2g}",
        f"{found['seconds']:.2g}",
        "yes" if good else "**no**",
    ]
