"""The page of the side-by-side benchmark: text, tables, figures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import Bench
from environments import PEERS
from peer_methods import KINDS, METHODS, OURS, PROBLEMS, Problem, methods_of
from peer_results import RATE, Summary, conclusions, summaries
from report import table

Record = dict[str, Any]

INTRODUCTION = """# Beside other packages

Differential expression and abundance with kompot and with other packages, on the same files,
each in a process and a pinned environment of its own.

```bash
python benchmarks/run.py peers --kang kang_ifnb.h5ad --page docs/peers.md
```

makes this page, and no number in its tables is typed. Results are kept, so that the command
can be stopped and called again; `--problems`, `--methods` and `--repeats` choose parts, `--idle`
times them anew on a machine that does nothing else.
"""

DATA = """## Data

*Expression*: {func}`kompot.datasets.simulate` at its defaults: a tree of cell states, four
donors in each condition who differ in composition and expression, 1,000 genes of which 5 %
differ between the conditions everywhere and 5 % in a part of one branch. But abundance does not
change (`abundance_log_odds=0`): if it did, whole samples would differ in genes that change in no
state. Clusters are twelve, by k-means. *Abundance*: cells of four such donors in each condition;
70 % of the treated cells of one cluster of states (6 to 25 % of all, drawn for each data set) are
removed. The *shares* of all other cells rise by 4 to 19 %, and shares are what is compared. Cell
states are given (ten diffusion components), and like the clusters are not part of the time.

`kang_ifnb.h5ad`: 1,556 human blood cells x 1,267 genes of two donors, with and without
interferon-beta (Kang et al. 2018, *Nature Biotechnology* 36, 89; clusters are the five cell
types). That all but the known interferon genes are unchanged cannot be said, nor which cells
change in number.

Data sets differ in their seeds; kompot was not developed or tuned on them. How LEMUR ranks was
chosen on one of them, in its favour. Methods with fewer runs saw the first data sets only.
"""

MEASURES = """## Measures

- **Wall time** and **peak memory** of the whole process: start, imports, reading, analysis;
  medians over runs. `~`: other programs ran on the machine at the time.
- **Average precision** and **area under ROC** of the ranking of all genes, or cells, against
  those that differ; means over data sets.
- **False discovery proportion**: share of the called genes (cells) that do not differ (or not in
  this direction), 0 where none is called; nominally at most 5 %. **Power**: share of those that
  differ that are called. Means over data sets, with standard errors. "-": calls nothing. Of cells,
  a call of those that were not removed is false, also upwards; *of shares*, it is true if it is
  upwards and their log share rises by more than 0.1.
"""

EXPRESSION = (
    "method", "runs", "wall time [s]", "peak memory [GB]", "average precision", "area under ROC",
    "false discovery proportion", "power",
)  # fmt: skip
ABUNDANCE = (*EXPRESSION[:-1], "the same of shares", "power")
BLOOD = (
    "method", "runs", "wall time [s]", "peak memory [GB]", "area under ROC, interferon genes",
    "interferon genes called", "all genes called",
)  # fmt: skip
CELLS = ("method", "runs", "wall time [s]", "peak memory [GB]", "cells called")


def write(path: Path, bench: Bench, records: Sequence[Record]) -> None:
    """Write the page and its figures.

    Parameters
    ----------
    path
        Of the page; figures are in ``_static/peers`` beside it.
    bench
        For the process that draws.
    records
        Finished runs.
    """
    known = [run for run in records if (PROBLEMS[run["problem"]].kind, run["method"]) in METHODS]
    measured = [run for run in known if not run["problem"].endswith("tiny")]
    figures = path.absolute().parent / "_static" / "peers"
    figures.mkdir(parents=True, exist_ok=True)
    draw(bench, measured, figures)
    parts = [INTRODUCTION, machines(measured), DATA, MEASURES]
    for kind, title in KINDS.items():
        parts.append(f"## {title}\n")
        parts += [f"- **{method.title}**: {method.text}" for method in methods_of(kind)]
        parts.append("")
        for problem in PROBLEMS.values():
            if problem.kind == kind and any(run["problem"] == problem.key for run in measured):
                parts.append(section(problem, summaries(measured, problem)))
    parts.append(FIGURES)
    path.write_text("\n".join(parts).rstrip() + "\n")


FIGURES = """## Figures

![Wall time against the number of cells, both axes logarithmic](_static/peers/time.png)

Wall time of whole processes against the number of cells. What is missing is said in the tables.

![Power against false discovery proportion at 10,000 cells](_static/peers/power.png)

Power against false discovery proportion (of shares, for abundance) at 10,000 cells, means over
data sets with standard errors. The dashed line is the nominal 5 %: methods to the right of it call
too much. Methods that call nothing by themselves are not shown.
"""


def machines(records: Sequence[Record]) -> str:
    """Machine, versions and dates of the runs."""
    counted = [run for run in records if run["idle"]] or list(records)
    names = sorted({run["machine"].partition(", load")[0] for run in counted})
    dates = sorted(run["date"][:10] for run in records)
    versions: dict[str, dict[str, str]] = {}
    for run in sorted(records, key=lambda run: run["date"]):
        package = METHODS[PROBLEMS[run["problem"]].kind, run["method"]].package
        if "versions" in run:
            versions[package] = run["versions"]
    lines = [f"- machine: {'; '.join(names)}"]
    if dates:
        lines.append(f"- dates: {dates[0]} to {dates[-1]}")
    sources = sorted({run["source"] for run in records if run["method"].startswith("kompot")})
    lines.append(f"- source of kompot: {', '.join(sources)}")
    for package, found in versions.items():
        pinned = f" (`{PEERS[package]}`)" if package in PEERS else ""
        lines.append(f"- {package}{pinned}: {', '.join(f'{k} {v}' for k, v in found.items())}")
    return "\n".join([*lines, ""])


def section(problem: Problem, found: Sequence[Summary]) -> str:
    """Table of one problem and the sentences under it."""
    header: tuple[str, ...] = EXPRESSION if problem.kind == "expression" else ABUNDANCE
    if problem.is_real:
        header = BLOOD if problem.kind == "expression" else CELLS
    rows = [row(problem, one, len(header)) for one in found]
    parts = [f"### {problem.title}\n", table(header, rows)]
    if not problem.is_real:
        parts.append(conclusions(found, OURS) + "\n")
    return "\n".join(parts)


def row(problem: Problem, one: Summary, width: int) -> list[str]:
    """One line of a table; a method that was not measured has the reason instead of its time."""
    title = f"**{one.method.title}**" if one.method.key == OURS else one.method.title
    if not one.timed:
        return [title, "0", one.failure, *["-"] * (width - 3)]
    about = "" if one.idle else "~"
    failed = f" ({one.failure} on another run)" if one.failure else ""
    cells = [
        title,
        str(len(one.timed)),
        f"{about}{one.seconds:.1f}{failed}",
        f"{one.peak / 1e9:.2f}",
    ]
    if not problem.is_real:
        ranking = [shown(one, name, 3, error=False) for name in ("precision", "auc")]
        rates = ("fdp", "power") if problem.kind == "expression" else ("fdp", "fdp_shares", "power")
        return [*cells, *ranking, *(shown(one, name, 3) for name in rates)]
    called = shown(one, "called", 0, error=False)
    if problem.kind == "abundance":
        return [*cells, called]
    known = shown(one, "known_called", 0, error=False)
    known = known if known == "-" else f"{known} of {one.mean('known'):.0f}"
    return [*cells, shown(one, "auc", 3, error=False), known, called]


def shown(one: Summary, name: str, digits: int, *, error: bool = True) -> str:
    """Mean over data sets, and its standard error."""
    value = one.mean(name)
    if value is None:
        return "-"
    spread = f" ± {one.error(name):.{digits}f}" if error and len(one.judged) > 1 else ""
    return f"{value:.{digits}f}{spread}"


def draw(bench: Bench, records: Sequence[Record], folder: Path) -> None:
    """Draw both figures, in a process with matplotlib."""
    times: list[dict[str, Any]] = []
    powers: list[dict[str, Any]] = []
    for problem in PROBLEMS.values():
        if problem.is_real or problem.key.endswith("tiny"):
            continue
        for one in summaries(records, problem):
            point = {"kind": problem.kind, "key": one.method.key, "title": one.method.title}
            if one.timed:
                times.append(point | {"n_cells": problem.n_cells, "seconds": one.seconds})
            fdp, power = one.mean(RATE[problem.kind]), one.mean("power")
            if problem.key.endswith("-10k") and fdp is not None and power is not None:
                errors = {
                    "fdp_error": one.error(RATE[problem.kind]),
                    "power_error": one.error("power"),
                }
                powers.append(point | {"fdp": fdp, "power": power} | errors)
    bench.child(
        "kompot", "peer_figures", "figures", times=times, powers=powers, folder=str(folder),
        titles=KINDS,
    )  # fmt: skip
