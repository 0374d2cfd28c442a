"""The page on the calibration of the donor-level test of abundance."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

INTRODUCTION = """# Calibration of the donor-level test of abundance

Is a cell called more or less abundant at a false discovery rate of 5 % false 5 % of the time, for
*new donors*? Simulated data sets with known truth and donors whose composition differs.

```bash
python benchmarks/calibration_abundance.py --varied --peer milo=/path/to/python \\
    --peer cna=/path/to/python --write benchmarks/CALIBRATION_ABUNDANCE.md
```

makes this page; nothing in the tables is typed. Runs are kept, so that the command can be stopped
and called again, for some rows (`--rows`) or fewer data sets (`--sets`, as for the original,
`--peer original=/path/to/python`, which takes half a minute to four minutes a data set);
`--report-only` runs nothing.
Seeds are fixed and used by no test.

## What is promised, and what was found
"""

DATA = """
## Data and measures

`kompot.datasets.simulate`: a tree of three segments; the donors' shares of them are Dirichlet(8,
8, 8), the log density along each has a slope of standard deviation 0.5 over samples, and samples
have 400 cells on average, log-normal with a standard deviation of 0.3. *Local*: a cluster of
states that holds 6 to 25 % of all cells (k-means of the embedding, other numbers, seed and space
than those of the test) loses 85 or 70 % of its cells in every treated sample, with a standard
deviation of 0.2 over samples (log). Nulls: nothing changes. *Composition 3, 30, 300*: Dirichlet
with that concentration, the larger the more alike are donors; *tilt*: the standard deviation of
the slopes; *regions*: the numbers of regions of the test; *as reference*: shares are compared to
that of a segment, or to the median cell's (`reference=`); *3v8*, *8v3*: donors of the control and
the treated condition.

*p < .05 / .01*: share of regions and of unchanged cells. *Any*: share of data sets in which
anything is called. *FDP of cells*: share of the called cells that were not thinned, or called in
the wrong direction; 0 where none is called. *FDP of shares*: the same, but calling cells upwards
whose log *share* of all cells rises by more than 0.1, because others were removed, is not false:
shares are what is tested. *Power*: share of the thinned cells that are called. *AUC*: area under
ROC of the ranking of cells. Means over data sets with their standard errors.

Methods: **donor**, `compute_differential_abundance` with `sample_col`, called by
`donor_direction`; **milo**, pertpy 1.0.3 with PyDESeq2, 30 neighbours, spatial FDR below 5 %;
**cna** 0.2.6, at its FDR of 5 % if its global p-value is below 5 %; **original**, kompot 0.8.0
with `sample_col`, by its direction.

## Results

"""


def page(records: Sequence[Mapping[str, Any]], table: str, ours: str) -> str:
    """The page of some finished runs, of which ``ours`` names our method, with their table."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for run in records:
        if run["method"] == ours and "failed" not in run:
            rows.setdefault(run["row"], []).append(run)
    return INTRODUCTION + "\n" + promises(rows) + "\n" + DATA + table + "\n"


def promises(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """What the design promises of our method, and whether it was kept."""
    nulls = {name: mean(runs, "any_cell") for name, runs in rows.items() if "null" in name}
    rates = {name: mean(runs, "fdp") for name, runs in rows.items() if "null" not in name}
    lines = [
        "| promised | found | kept | rows that break it |",
        "| --- | --- | --- | --- |",
    ]
    if nulls:
        lines.append(
            line("any cell called in at most 8 % of complete nulls, every row", nulls, 0.08)
        )
    if rates:
        lines.append(line("mean FDP of cells at most 6 %, every row", rates, 0.06))
    for name, least in (("local 3v3, 85 % removed", 0.4), ("local 8v8, 70 % removed", 0.65)):
        if name in rows:
            power = mean(rows[name], "power")
            kept = "yes" if power >= least else "**no**"
            lines.append(f"| power at least {least:g}, {name} | {power:.3f} | {kept} |  |")
    return "\n".join(lines) + "\n"


def line(what: str, found: Mapping[str, float], most: float) -> str:
    """One promise of an upper limit."""
    broken = [f"{name}: {value:.3f}" for name, value in found.items() if value > most]
    kept = "**no**" if broken else "yes"
    return f"| {what} | at most {max(found.values()):.3f} | {kept} | {'; '.join(broken)} |"


def mean(runs: Sequence[Mapping[str, Any]], name: str) -> float:
    """Mean over data sets."""
    return sum(float(run[name]) for run in runs) / len(runs)
