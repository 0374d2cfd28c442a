"""Is the donor-level test of abundance right as often as it says? Simulations with known truth.

Runs what has not been run yet, on data sets with fixed seeds, and prints a table as Markdown. Every
run is a line of ``benchmarks/work/calibration_abundance/runs.jsonl``, so that this command can be
stopped and called again.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
RUNS = HERE / "work" / "calibration_abundance" / "runs.jsonl"
KEY = "kompot_da_control_to_treated_donor"
CELLS = 400
"""Cells per sample, on average."""
CLUSTERS = (5, 10)
"""Range of the number of clusters of which one is thinned, drawn for each data set: other numbers,
seed and space than those of the test."""
SHARES = (0.06, 0.25)
"""Share of all cells that the thinned cluster may hold."""
JITTER = 0.2
"""Standard deviation over samples of the log of the share that stays."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    """A row of the table.

    Attributes
    ----------
    name
        What it is called.
    donors
        Donors in each condition.
    removed
        Share of the cells of one cluster removed from every treated sample; 0 for a complete null.
    paired
        Whether both conditions have the same donors.
    cells_ratio
        Cells of a treated sample per cell of a control sample.
    cells
        Cells per control sample, on average.
    composition
        Concentration of the donors' shares of root and branches; the larger, the less they vary.
    tilt
        Standard deviation over samples of the slope of the log density along each segment.
    n_regions
        Numbers of regions of the test.
    """

    name: str
    donors: int
    removed: float = 0.0
    paired: bool = False
    cells_ratio: float = 1.0
    cells: int = CELLS
    composition: float = 8.0
    tilt: float = 0.5
    n_regions: tuple[int, ...] = (4, 12, 30)


SCENARIOS = (
    Scenario("null 2v2", 2),
    Scenario("null 3v3", 3),
    Scenario("null 3v3, 100 cells per sample", 3, cells=100),
    Scenario("null 4v4", 4),
    Scenario("null 4v4, 4x fewer treated cells", 4, cells_ratio=0.25),
    Scenario("null 8v8", 8),
    Scenario("null 4 pairs", 4, paired=True),
    Scenario("local 3v3, 85 % removed", 3, removed=0.85),
    Scenario("local 4v4, 70 % removed", 4, removed=0.7),
    Scenario("local 8v8, 70 % removed", 8, removed=0.7),
)


def varied() -> tuple[Scenario, ...]:
    """Rows with other donors and other regions, for 4 against 4 samples."""
    changes: dict[str, dict[str, Any]] = {
        **{f"composition {a:g}": {"composition": a} for a in (3.0, 30.0, 300.0)},
        **{f"tilt {sd:g}": {"tilt": sd} for sd in (0.0, 1.5)},
        **{f"regions {n}": {"n_regions": n} for n in ((3, 8, 20), (6, 20, 60), (12,))},
    }
    return tuple(
        Scenario(f"{kind}, {what}", 4, removed=removed, **change)
        for what, change in changes.items()
        for kind, removed in (("null 4v4", 0.0), ("local 4v4, 70 % removed", 0.7))
    )


def draw(scenario: Scenario, seed: int) -> Any:
    """Cells with ``obs["changed"]``: -1 in the thinned cluster, 0 elsewhere.

    Donors have Dirichlet(8, 8, 8) shares of the root and two branches of a tree, a slope of the log
    density along each of standard deviation 0.5, and log-normal numbers of cells (0.3), unless the
    scenario says otherwise.
    """
    import numpy as np

    from kompot.datasets import simulate

    adata = simulate(
        n_cells=round(scenario.donors * scenario.cells * (1 + scenario.cells_ratio)),
        n_genes=1,
        n_donors=scenario.donors,
        paired=scenario.paired,
        cells_ratio=scenario.cells_ratio,
        abundance_log_odds=0.0,
        donor_composition=scenario.composition,
        donor_tilt=scenario.tilt,
        random_state=seed,
    )
    adata.obs["changed"] = 0
    if not scenario.removed:
        return adata
    rng = np.random.default_rng([seed, 1])
    cluster = thinned_cluster(adata.obsm["DM_EigenVectors"], seed, rng)
    adata.obs["changed"] = np.where(cluster, -1, 0)
    adata.uns["changed_share"] = float(cluster.mean())
    sample = adata.obs["sample"].cat.codes.to_numpy()
    stays = np.log(1 - scenario.removed) + JITTER * rng.standard_normal(sample.max() + 1)
    treated = (adata.obs["condition"] == "treated").to_numpy()
    lost = cluster & treated & (rng.random(adata.n_obs) > np.exp(stays[sample]))
    return adata[~lost].copy()


def thinned_cluster(states: Any, seed: int, rng: Any) -> Any:
    """Mask of one of the clusters of suitable size, chosen at random."""
    import numpy as np
    from sklearn.cluster import KMeans

    for attempt in range(20):
        clusters = KMeans(rng.integers(*CLUSTERS), n_init=1, random_state=seed + 1000 * attempt)
        labels = clusters.fit_predict(states)
        shares = np.bincount(labels) / len(labels)
        suitable = np.flatnonzero((shares >= SHARES[0]) & (shares <= SHARES[1]))
        if len(suitable):
            return labels == rng.choice(suitable)
    msg = f"no cluster holds {SHARES[0]:.0%} to {SHARES[1]:.0%} of the cells of seed {seed}"
    raise RuntimeError(msg)


def judge(scenario: Scenario, seed: int) -> Record:
    """Draw, test and compare with the truth."""
    import logging

    import numpy as np

    from kompot import compute_differential_abundance

    logging.getLogger("kompot").setLevel(logging.ERROR)
    adata = draw(scenario, seed)
    started = time.perf_counter()
    full: Any = compute_differential_abundance(
        adata,
        "condition",
        "control",
        "treated",
        sample_col="donor" if scenario.paired else "sample",
        return_full_results=True,
        progress=False,
    )
    seconds = time.perf_counter() - started
    found = full["donor_test"]
    if scenario.n_regions != Scenario.n_regions:
        found = with_regions(adata, full["model"], found.design, scenario)
    changed = adata.obs["changed"].to_numpy()
    sign, p, null = found.cells.direction, found.cells.p_value, changed == 0
    called, region_p = sign != 0, found.regions.contrast.p_value
    region_p = region_p[~np.isnan(region_p)]
    record = {
        "row": scenario.name,
        "seed": seed,
        "scenario": asdict(scenario),
        "n_cells": adata.n_obs,
        "p_gate": found.rotation.p_gate,
        "p_global": found.rotation.p_global,
        "any_cell": bool(called.any()),
        "any_region": bool(found.regions.direction.any()),
        "region_05": float((region_p < 0.05).mean()),
        "region_01": float((region_p < 0.01).mean()),
        "cell_05": float((p[null] < 0.05).mean()),
        "cell_01": float((p[null] < 0.01).mean()),
        "seconds": seconds,
    }
    if scenario.removed:
        right = called & (sign == changed)
        record |= {
            "fdp": float((called & ~right).sum() / max(called.sum(), 1)),
            "power": float(right[~null].mean()),
            "auc": area(-found.cells.lfc, ~null),
            "share": adata.uns["changed_share"],
        }
    return record


def with_regions(adata: Any, model: Any, design: Any, scenario: Scenario) -> Any:
    """The test with other numbers of regions than the default ones."""
    import numpy as np

    from kompot.models.donor_abundance import DonorAbundanceSettings, donor_abundance

    number = {name: code for code, name in enumerate(design.samples)}
    return donor_abundance(
        model.features_,
        np.asarray(adata.obsm["DM_EigenVectors"], dtype=float),
        adata.obs["sample"].astype(str).map(number).to_numpy(),
        design,
        settings=DonorAbundanceSettings(n_regions=scenario.n_regions),
    )


def area(score: Any, positive: Any) -> float:
    """Probability that a changed cell scores higher than an unchanged one."""
    from scipy.stats import rankdata

    ranks, n = rankdata(score), int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(ranks) - n)))


def read() -> dict[tuple[str, int], Record]:
    """Finished runs by row and seed."""
    if not RUNS.exists():
        return {}
    records = [json.loads(line) for line in RUNS.read_text().splitlines() if line.strip()]
    return {(record["row"], record["seed"]): record for record in records}


def run_all(rows: Sequence[Scenario], seeds: Iterable[int], jobs: int) -> None:
    """Run what is missing, the first data sets of all rows first."""
    done = read()
    tasks = [(row, seed) for seed in seeds for row in rows if (row.name, seed) not in done]
    RUNS.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool, RUNS.open("a") as file:
        futures = [pool.submit(judge, row, seed) for row, seed in tasks]
        for number, future in enumerate(as_completed(futures), start=1):
            file.write(json.dumps(future.result()) + "\n")
            file.flush()
            print(f"\r{number} of {len(tasks)} data sets", end="", file=sys.stderr)
    if tasks:
        print(file=sys.stderr)


def table(records: Iterable[Record]) -> str:
    """Means over data sets with their standard errors, as Markdown."""
    by_row: dict[str, list[Record]] = {row.name: [] for row in SCENARIOS + varied()}
    for record in records:
        by_row.setdefault(record["row"], []).append(record)
    headings = [
        "data",
        "sets",
        "cells changed",
        "regions p<.05 / .01",
        "null cells p<.05 / .01",
        "gate rejects",
        "any region",
        "any cell",
        "FDP of cells",
        "power",
        "AUC",
        "median s",
    ]
    lines = ["| " + " | ".join(headings) + " |", "| --- " * len(headings) + "|"]
    for name, runs in by_row.items():
        if runs:
            lines.append("| " + " | ".join(cells_of(name, runs)) + " |")
    return "\n".join(lines)


def cells_of(name: str, runs: Sequence[Record]) -> list[str]:
    """One row of the table."""
    from statistics import median

    local = "power" in runs[0]
    return [
        name,
        str(len(runs)),
        f"{median(run['share'] for run in runs):.0%}" if local else "none",
        "" if local else f"{mean(runs, 'region_05')} / {mean(runs, 'region_01', error=False)}",
        f"{mean(runs, 'cell_05')} / {mean(runs, 'cell_01', error=False)}",
        mean([{"gate": run["p_gate"] < 0.05} for run in runs], "gate"),
        mean(runs, "any_region"),
        mean(runs, "any_cell"),
        mean(runs, "fdp") if local else "",
        mean(runs, "power") if local else "",
        mean(runs, "auc") if local else "",
        f"{median(run['seconds'] for run in runs):.1f}",
    ]


def mean(runs: Sequence[Record], name: str, *, error: bool = True) -> str:
    """Mean over data sets and its standard error."""
    values = [float(run[name]) for run in runs]
    average = sum(values) / len(values)
    if not error or len(values) < 2:
        return f"{average:.3f}"
    variance = sum((value - average) ** 2 for value in values) / (len(values) - 1)
    return f"{average:.3f} ± {(variance / len(values)) ** 0.5:.3f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--sets", type=int, default=60, help="data sets of each row")
    parser.add_argument("--first-seed", type=int, default=50_000, help="seed of the first of them")
    parser.add_argument("--rows", help="only rows whose names contain this")
    parser.add_argument("--varied", action="store_true", help="other donors and regions, too")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--report-only", action="store_true", help="run nothing")
    parser.add_argument("--write", type=Path, help="file for the table, beside printing it")
    options = parser.parse_args(arguments)
    every = SCENARIOS + varied() if options.varied else SCENARIOS
    rows = [row for row in every if (options.rows or "") in row.name]
    seeds = range(options.first_seed, options.first_seed + options.sets)
    if not options.report_only:
        run_all(rows, seeds, options.jobs)
    wanted = {(row.name, seed) for row in rows for seed in seeds}
    text = table(record for key, record in read().items() if key in wanted)
    print(text)
    if options.write is not None:
        options.write.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
