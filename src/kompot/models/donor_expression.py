"""Which genes change their expression in new donors, and where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.cell_order import lexicographic_order
from kompot.gp.features import FeatureMap
from kompot.gp.principal_coordinates import principal_coordinates
from kompot.models.arrays import as_expression, as_states
from kompot.models.sample_fit import sum_samples
from kompot.stats.design import Design
from kompot.stats.donor_significance import (
    CombinedEvidence,
    combine_regions,
    compare_regions,
    donor_local_fdr,
    level_means,
    null_p_values,
)
from kompot.stats.donor_sums import DonorSums
from kompot.stats.multiplicity import weighted_benjamini_hochberg
from kompot.stats.region_evidence import RegionMeans, RegionRules
from kompot.stats.region_sums import RegionIndex
from kompot.stats.regions import Level, group_levels, kmeans_levels

__all__ = [
    "DonorExpression",
    "DonorSettings",
    "GroupEvidence",
    "donor_expression",
    "find_regions",
    "score_donors",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DonorSettings:
    """How samples are compared.

    Parameters
    ----------
    n_regions
        Numbers of clusters of cell states, one level each; 1 is all cells.
    n_init
        Starts of the clustering.
    n_null
        Random covariates from which the local false discovery rate is calibrated; None for about
        20,000 p-values.
    random_state
        Seed of the clustering and of the random covariates.
    counts
        Whether the counts behind log-normalised expression are compared if it is that
        (:mod:`kompot.models.normalized_counts`); else expression as it is.
    rules
        When a region, a sample and a gene take part.
    """

    n_regions: tuple[int, ...] = (1, 4, 12)
    n_init: int = 3
    n_null: int | None = None
    random_state: int | None = 0
    counts: bool = True
    rules: RegionRules = field(default_factory=RegionRules)


@dataclass(frozen=True)
class GroupEvidence:
    """What one region says of each gene, every array ``(n_genes,)``; NaN where it is not tested.

    Attributes
    ----------
    p, fdr
        P-values, and Benjamini-Hochberg rates within the region.
    effect, standard_error
        Difference of the samples' means, those of few cells counting less, condition 2 less
        condition 1, natural log; of logarithms of mean counts if counts were compared, less what
        most genes do.
    """

    p: Array
    fdr: Array
    effect: Array
    standard_error: Array


@dataclass(frozen=True)
class DonorExpression:
    """Significance of each gene's change for new donors.

    Attributes
    ----------
    p
        P-values, ``(n_genes,)``; NaN for a gene that is expressed in too few cells everywhere.
    fdr
        Benjamini-Hochberg rates, ``(n_genes,)``: genes are called by these.
    local_fdr
        Probability that a gene does not change, ``(n_genes,)``; descriptive.
    strongest
        Number of the region with the smallest p-value, ``(n_genes,)``; -1 for none.
    effect
        Difference of the samples' means there, as of a region
        (:class:`GroupEvidence`), ``(n_genes,)``, natural log.
    regions
        What was compared in each region, with its status and overlap; levels one after the other.
        Of all genes, also those beside the ones that were asked for.
    levels
        The levels, with the region of every cell.
    evidence
        P-values, effects and standard errors of all regions, ``(n_regions, n_genes)``.
    design
        Samples and what is compared.
    null
        P-values of random covariates, ``(n_draws, n_genes)``.
    ridges
        Ridge of each level's state effect.
    of_counts
        Whether counts were compared, so that effects are log ratios of mean counts; else
        expression as it was given was.
    """

    p: Array
    fdr: Array
    local_fdr: Array
    strongest: NDArray[np.intp]
    effect: Array
    regions: tuple[RegionMeans, ...]
    levels: tuple[Level, ...]
    evidence: CombinedEvidence
    design: Design
    null: Array
    ridges: tuple[float, ...]
    of_counts: bool

    @property
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions, in their order."""
        return tuple(region.name for region in self.regions)

    @property
    def strongest_names(self) -> NDArray[np.object_]:
        """Name of the region with the smallest p-value, ``(n_genes,)``; empty for none."""
        return np.array([*self.region_names, ""], dtype=object)[self.strongest]

    @property
    def degrees_of_freedom(self) -> int:
        """Samples less the rank of the design."""
        return self.design.degrees_of_freedom

    @property
    def exploratory(self) -> bool:
        """Whether there are so few samples (2 degrees of freedom or 1) that this is a first look.

        Rates held in simulations of 2 against 2, but one unusual sample decides there.
        """
        return self.design.exploratory

    @property
    def n_tested(self) -> int:
        """Number of genes with a p-value."""
        return int((~np.isnan(self.p)).sum())

    @property
    def confounded(self) -> tuple[str, ...]:
        """Regions not adjusted for state, as sides hardly overlap or genes do not follow it."""
        return tuple(r.name for r in self.regions if r.confounded)

    @property
    def largest_overlap_cost(self) -> float:
        """Largest overlap cost of a region; NaN if no region could be compared."""
        costs = [r.overlap_cost for r in self.regions if np.isfinite(r.overlap_cost)]
        return max(costs, default=np.nan)

    @property
    def usable_share(self) -> float:
        """Mean over levels of the share of their cells in regions that were tested and count."""
        return self._share_of_cells([bool(len(r.genes)) and r.counts for r in self.regions])

    @property
    def adjusted_share(self) -> float:
        """Mean over levels of the share of their cells in regions adjusted for cell state."""
        return self._share_of_cells([r.status == "adjusted" for r in self.regions])

    def _share_of_cells(self, chosen: list[bool]) -> float:
        shares = []
        for level in self.levels:
            sizes = [
                (r.n_cells, c)
                for r, c in zip(self.regions, chosen, strict=True)
                if r.level == level.name
            ]
            shares.append(sum(n for n, c in sizes if c) / max(sum(n for n, _ in sizes), 1))
        return float(np.mean(shares))

    def region(self, name: str) -> GroupEvidence:
        """What one region, a group of the user's for example, says of each gene.

        Raises
        ------
        ValueError
            If there is no region of that name.
        """
        if name not in self.region_names:
            msg = f"There is no region {name!r}; there are {list(self.region_names)}."
            raise ValueError(msg)
        row = self.region_names.index(name)
        found = self.evidence
        p = found.region_p[row]
        return GroupEvidence(
            p, weighted_benjamini_hochberg(p), found.region_effect[row], found.region_error[row]
        )


def find_regions(
    features: FeatureMap,
    states: Array,
    groups: Mapping[str, ArrayLike] | None = None,
    settings: DonorSettings | None = None,
) -> RegionIndex:
    """Clusters of cell states at several scales and the user's groups.

    Clusters are found in a fixed order of the cells, so that the order in which they come does not
    matter for given features.

    Parameters
    ----------
    features
        Feature map.
    states
        Cell states, ``(n_cells, n_dims)``.
    groups
        Name to mask ``(n_cells,)``.
    settings
        Numbers of clusters, starts and seed.
    """
    settings = DonorSettings() if settings is None else settings
    order = lexicographic_order(states)
    clusters = kmeans_levels(
        principal_coordinates(features, states[order]),
        settings.n_regions,
        random_state=settings.random_state,
        n_init=settings.n_init,
    )
    back = np.argsort(order)
    found = [
        Level(level.name, level.labels[back], level.regions, level.fixed) for level in clusters
    ]
    named = group_levels({} if groups is None else groups)
    taken = {name for level in found for name in level.regions}
    clash = [name for level in named for name in level.regions if name in taken]
    if clash:
        msg = f"Groups or regions {clash} have names of clusters of cell states; rename them."
        raise ValueError(msg)
    return RegionIndex.of([*found, *named])


def score_donors(
    sums: DonorSums,
    index: RegionIndex,
    design: Design,
    settings: DonorSettings | None = None,
    *,
    n_genes: int | None = None,
) -> DonorExpression:
    """Significance of each gene, from sums over cells.

    Parameters
    ----------
    sums
        Sums over all cells and of each sample in each region; samples in the order of the design.
    index
        The regions.
    design
        What is compared.
    settings
        How.
    n_genes
        How many of the genes, the first ones, are asked for; the others only tell what most genes
        of a sample do and how variances are distributed. None for all.
    """
    settings = DonorSettings() if settings is None else settings
    n_samples, n_asked = len(sums.regions.n_cells), sums.n_genes if n_genes is None else n_genes
    if n_samples != design.n_samples:
        msg = f"The design has {design.n_samples} samples but cells have {n_samples}."
        raise ValueError(msg)
    means = level_means(sums, index, design.contributing, settings.rules)
    regions = compare_regions(index.levels, means, design, settings.rules)
    evidence = combine_regions(regions, index.levels, design, sums.n_genes).of_genes(n_asked)
    null = null_p_values(
        regions,
        index.levels,
        design,
        sums.n_genes,
        n_draws=settings.n_null,
        seed=settings.random_state,
    )
    strongest = evidence.strongest
    effect = np.take_along_axis(evidence.region_effect, np.maximum(strongest, 0)[None], axis=0)[0]
    return DonorExpression(
        evidence.p,
        weighted_benjamini_hochberg(evidence.p),
        donor_local_fdr(evidence.p, null),
        strongest,
        effect,
        tuple(regions),
        index.levels,
        evidence,
        design,
        null[:, :n_asked],
        tuple(level.ridge for level in means),
        sums.of_counts,
    )


def donor_expression(
    features: FeatureMap,
    states: ArrayLike,
    expression: Any,
    sample: ArrayLike,
    design: Design,
    *,
    groups: Mapping[str, ArrayLike] | None = None,
    settings: DonorSettings | None = None,
    progress: bool = False,
) -> DonorExpression:
    """Which genes change their expression in new donors, and where.

    Means of samples in regions of several scales (of the counts behind log-normalised expression,
    then as logarithms), adjusted for cell state by a Gaussian process;
    the contrast of the design in each, with an error variance between samples that borrows from
    all genes; one p-value per gene over all regions; Benjamini-Hochberg.

    Parameters
    ----------
    features
        Feature map of the cell states.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        ``(n_cells, n_genes)``, an array or sparse matrix, log-normalised.
    sample
        Number of each cell's sample, a row of the design, ``(n_cells,)``.
    design
        What is compared; see :func:`kompot.stats.design.two_group_design` and
        :func:`kompot.stats.design.paired_design`.
    groups
        Name to mask ``(n_cells,)``: regions of their own, and a further level of the evidence.
    settings
        How samples are compared.
    progress
        Show a progress bar.

    Raises
    ------
    ValueError
        If shapes disagree, numbers are not finite, or a sample of the design has no cells.
    """
    settings = DonorSettings() if settings is None else settings
    cells = as_states(states, "states", features.landmarks.shape[1])
    rows = as_expression(expression, "expression", len(cells))
    codes = _sample_codes(sample, len(cells), design)
    index = find_regions(features, cells, groups, settings)
    sums = sum_samples(
        features,
        cells,
        rows,
        codes,
        index,
        n_samples=design.n_samples,
        counts=settings.counts,
        progress=progress,
    )
    return score_donors(sums, index, design, settings)


def _sample_codes(sample: ArrayLike, n_cells: int, design: Design) -> NDArray[np.intp]:
    codes = np.asarray(sample)
    if codes.shape != (n_cells,) or codes.dtype.kind not in "iu":
        msg = (
            f"`sample` must hold a whole number for each of {n_cells} cells, got shape "
            f"{codes.shape} of type {codes.dtype}."
        )
        raise ValueError(msg)
    found = np.bincount(codes, minlength=design.n_samples) if codes.min() >= 0 else np.zeros(0)
    if len(found) != design.n_samples or not found.all():
        msg = (
            f"`sample` must number the {design.n_samples} samples of the design from 0, each with "
            f"cells, got the numbers {np.unique(codes).tolist()}."
        )
        raise ValueError(msg)
    return codes.astype(np.intp)
