"""One data set, in the arrays that all methods share."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from anndata import AnnData
from calibration.scenarios import Scenario
from numpy.typing import NDArray
from scipy import sparse

from kompot.datasets import simulate
from kompot.datasets.expression import TARGET_SUM
from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import Matern52
from kompot.gp.length_scale import estimate_length_scale
from kompot.models.donor_expression import DonorSettings, find_regions
from kompot.stats.design import Design, paired_design, two_group_design

CONDITIONS = ("control", "treated")
EARLY = 0.35
"""Pseudotime up to which samples are not moved apart."""


@dataclass(frozen=True)
class Problem:
    """A data set and the question asked of it.

    Attributes
    ----------
    adata
        The data set.
    n_regions
        Numbers of regions.
    sample
        Sample of each cell, ``(n_cells,)``.
    condition
        Condition of each sample, 0 or 1, ``(n_samples,)``.
    donor
        Donor of each sample, ``(n_samples,)``.
    design
        Linear model over samples: paired if the donors are.
    """

    adata: AnnData
    n_regions: tuple[int, ...]
    sample: NDArray[np.intp]
    condition: NDArray[np.intp]
    donor: NDArray[np.str_]
    design: Design

    @cached_property
    def effect(self) -> NDArray[np.str_]:
        """Kind of the difference planted in each gene, "none" for a true null."""
        return self.adata.var["effect"].to_numpy(dtype=str)

    @property
    def counts(self) -> Any:
        """Counts, ``(n_cells, n_genes)``."""
        return self.adata.layers["counts"]

    @cached_property
    def states(self) -> NDArray[np.float64]:
        """Cell states, ``(n_cells, n_dims)``."""
        return np.asarray(self.adata.obsm["DM_EigenVectors"], dtype=np.float64)

    @cached_property
    def features(self) -> FeatureMap:
        """Features as in an analysis at defaults."""
        kernel = Matern52(estimate_length_scale(self.states))
        return fit_features(self.states, kernel, max_rank=5000, rng=np.random.default_rng(0))

    @property
    def settings(self) -> DonorSettings:
        """Settings of the donor-level test; the local false discovery rate is not needed."""
        return DonorSettings(n_regions=self.n_regions, n_null=0)

    @cached_property
    def clusters(self) -> NDArray[np.intp]:
        """The finest regions, ``(n_cells,)``."""
        return find_regions(self.features, self.states, None, self.settings).levels[-1].labels

    @cached_property
    def branches(self) -> NDArray[np.intp]:
        """True branch of each simulated cell, ``(n_cells,)``."""
        return self.adata.obs["branch"].cat.codes.to_numpy().astype(np.intp)


def ask(
    adata: AnnData,
    n_regions: tuple[int, ...] = (1, 4, 12),
    conditions: tuple[str, str] = CONDITIONS,
    *,
    paired: bool | None = None,
) -> Problem:
    """Compare two conditions of a data set with columns condition, sample and donor.

    Parameters
    ----------
    adata
        The data set.
    n_regions
        Numbers of regions.
    conditions
        Names of condition 1 and 2.
    paired
        Whether to compare within donors. None: if any donor is in both conditions.
    """
    obs = adata.obs
    names, sample = np.unique(obs["sample"].to_numpy(dtype=str), return_inverse=True)
    first = np.unique(sample, return_index=True)[1]
    condition = (obs["condition"].to_numpy(dtype=str)[first] == conditions[1]).astype(np.intp)
    donor = obs["donor"].to_numpy(dtype=str)[first]
    if paired is None:
        paired = len(np.unique(donor)) < len(donor)
    if paired:
        design = paired_design(condition, donor, samples=list(names))
    else:
        design = two_group_design(condition, samples=list(names))
    return Problem(adata, n_regions, sample, condition, donor, design)


def draw(scenario: Scenario, replicate: int) -> Problem:
    """Simulate one data set of a row."""
    adata = simulate(**scenario.arguments(replicate))
    share, spread = scenario.depth
    if scenario.depth != (1.0, 0.0):
        rng = np.random.default_rng(scenario.arguments(replicate)["random_state"])
        sample, codes = np.unique(adata.obs["sample"].to_numpy(dtype=str), return_inverse=True)
        kept = np.exp(spread * rng.standard_normal(len(sample)))
        kept = (kept / kept.max())[codes]
        kept[adata.obs["condition"].to_numpy(dtype=str) == CONDITIONS[1]] *= share
        thin(adata, kept, rng)
    if scenario.samples_apart:
        part_samples(adata, scenario.samples_apart, scenario.arguments(replicate)["random_state"])
    if scenario.target_sum != TARGET_SUM:
        per_count = np.expm1(adata.X.data) / TARGET_SUM
        adata.X.data = np.log1p(scenario.target_sum * per_count)
    return ask(adata, scenario.regions)


def part_samples(adata: AnnData, distance: float, seed: int) -> None:
    """Move the cells of each sample that are late in pseudotime its own way in the embedding.

    Parameters
    ----------
    adata
        The data set, which is changed.
    distance
        Standard deviation of the moves, in those of the components.
    seed
        Of the moves.
    """
    states = np.array(adata.obsm["DM_EigenVectors"], dtype=np.float64)
    samples, codes = np.unique(adata.obs["sample"].to_numpy(dtype=str), return_inverse=True)
    rng = np.random.default_rng(seed)
    moves = distance * states.std(axis=0) * rng.normal(size=(len(samples), states.shape[1]))
    late = adata.obs["pseudotime"].to_numpy() > EARLY
    states[late] += moves[codes[late]]
    adata.obsm["DM_EigenVectors"] = states


def thin(adata: AnnData, kept: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Keep a share of each cell's counts, as if it had been sequenced less, and normalise anew.

    Parameters
    ----------
    adata
        The data set, which is changed.
    kept
        Share of the counts that is kept, ``(n_cells,)``.
    rng
        Draws which.
    """
    counts = sparse.csr_matrix(adata.layers["counts"], copy=True)
    shares = np.repeat(kept, np.diff(counts.indptr))
    counts.data = rng.binomial(counts.data.astype(np.int64), shares).astype(np.float32)
    counts.eliminate_zeros()
    total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1.0)
    adata.layers["counts"], adata.X = counts, counts.copy()
    adata.X.data = np.log1p(counts.data * np.repeat(TARGET_SUM / total, np.diff(counts.indptr)))
