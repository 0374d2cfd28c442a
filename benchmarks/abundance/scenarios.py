"""Simulated data sets for the calibration of differential abundance, with known truth."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.cluster import KMeans

from kompot.datasets import simulate

CELLS = 400
"""Cells per sample, on average."""
CLUSTERS = (5, 10)
"""Range of the number of clusters of which one is thinned, drawn for each data set: other numbers,
seed and space than those of the test."""
SHARES = (0.06, 0.25)
"""Share of all cells that the thinned cluster may hold."""
JITTER = 0.2
"""Standard deviation over samples of the log of the share that stays."""


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
    treated
        Donors of the treated condition, if not as many.
    reference
        What the test takes to be unchanged: a branch, or ``"median"``.
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
    treated: int | None = None
    reference: str | None = None


SCENARIOS = (
    Scenario("null 2v2", 2),
    Scenario("null 3v3", 3),
    Scenario("null 3v3, 100 cells per sample", 3, cells=100),
    Scenario("null 4v4", 4),
    Scenario("null 4v4, 1,250 cells per sample", 4, cells=1250),
    Scenario("null 4v4, 4x fewer treated cells", 4, cells_ratio=0.25),
    Scenario("null 8v8", 8),
    Scenario("null 4 pairs", 4, paired=True),
    Scenario("local 3v3, 85 % removed", 3, removed=0.85),
    Scenario("local 4v4, 70 % removed", 4, removed=0.7),
    Scenario("local 4v4, 70 % removed, 1,250 cells per sample", 4, removed=0.7, cells=1250),
    Scenario("local 8v8, 70 % removed", 8, removed=0.7),
)


def varied() -> tuple[Scenario, ...]:
    """Rows with other donors, regions and references, and unequal numbers of samples."""
    changes: dict[str, dict[str, Any]] = {
        **{f"composition {a:g}": {"composition": a} for a in (3.0, 30.0, 300.0)},
        **{f"tilt {sd:g}": {"tilt": sd} for sd in (0.0, 1.5)},
        **{f"regions {n}": {"n_regions": n} for n in ((3, 8, 20), (6, 20, 60), (12,))},
    }
    of_four = tuple(
        Scenario(f"{kind}, {what}", 4, removed=removed, **change)
        for what, change in changes.items()
        for kind, removed in (("null 4v4", 0.0), ("local 4v4, 70 % removed", 0.7))
    )
    fewer = "4x fewer cells per treated sample"
    return (
        *of_four,
        *(
            Scenario(f"null {n}v{n}, {name} as reference", n, reference=name)
            for n in (4, 8)
            for name in ("root", "median")
        ),
        Scenario("null 3v8", 3, treated=8),
        Scenario(f"null 3v8, {fewer}", 3, treated=8, cells_ratio=0.25),
        Scenario(f"null 8v3, {fewer}", 8, treated=3, cells_ratio=0.25),
        Scenario("local 3v8, 70 % removed", 3, treated=8, removed=0.7),
        Scenario("local 8v3, 70 % removed", 8, treated=3, removed=0.7),
    )


def draw(scenario: Scenario, seed: int) -> Any:
    """Cells with ``obs["changed"]``: -1 in the thinned cluster, 0 elsewhere.

    ``uns["elsewhere"]`` is the change of the log share of all other cells, which is positive as
    shares add up to 1, and ``uns["changed_share"]`` the share of the cluster.

    Donors have Dirichlet(8, 8, 8) shares of the root and two branches of a tree, a slope of the log
    density along each of standard deviation 0.5, and log-normal numbers of cells (0.3), unless the
    scenario says otherwise.
    """
    treated = scenario.donors if scenario.treated is None else scenario.treated
    ratio = scenario.cells_ratio * treated / scenario.donors
    adata = simulate(
        n_cells=round(scenario.donors * scenario.cells * (1 + ratio)),
        n_genes=1,
        n_donors=(scenario.donors, treated),
        paired=scenario.paired,
        cells_ratio=ratio,
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
    is_treated = (adata.obs["condition"] == "treated").to_numpy()
    left = np.log1p(-scenario.removed) + JITTER**2 / 2
    adata.uns["elsewhere"] = float(-np.log1p(cluster.mean() * np.expm1(left)))
    lost = cluster & is_treated & (rng.random(adata.n_obs) > np.exp(stays[sample]))
    return adata[~lost].copy()


def thinned_cluster(states: Any, seed: int, rng: Any) -> Any:
    """Mask of one of the clusters of suitable size, chosen at random."""
    for attempt in range(20):
        clusters = KMeans(rng.integers(*CLUSTERS), n_init=1, random_state=seed + 1000 * attempt)
        labels = clusters.fit_predict(states)
        shares = np.bincount(labels) / len(labels)
        suitable = np.flatnonzero((shares >= SHARES[0]) & (shares <= SHARES[1]))
        if len(suitable):
            return labels == rng.choice(suitable)
    msg = f"no cluster holds {SHARES[0]:.0%} to {SHARES[1]:.0%} of the cells of seed {seed}"
    raise RuntimeError(msg)
