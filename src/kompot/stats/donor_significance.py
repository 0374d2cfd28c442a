r"""Significance of expression changes for new donors.

Evidence of each region is combined over regions of several scales, so that a change is found
whether it is everywhere or in few cells, and corrected for the number of genes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kompot import threads
from kompot.stats.ancova import AdjustedMeans, adjusted_means
from kompot.stats.commonest import FEWEST_GENES
from kompot.stats.design import Design
from kompot.stats.donor_sums import DonorSums
from kompot.stats.fdr import local_fdr
from kompot.stats.log_means import log_means
from kompot.stats.multiplicity import cauchy_combination
from kompot.stats.region_evidence import RegionMeans, RegionRules, region_means
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level
from kompot.stats.sample_scale import log_sample_scales
from kompot.stats.state_agreement import state_agreement
from kompot.stats.state_mixtures import known_clusters

__all__ = [
    "CombinedEvidence",
    "combine_regions",
    "compare_regions",
    "donor_local_fdr",
    "level_means",
    "null_p_values",
    "rescale_bulk",
]

Array = NDArray[np.float64]

_TAIL = 0.05
"""P-values up to here are valid as they are; above, the combination is conservative."""
_UNDERSMOOTHING = 10.0
"""Of counts. Without, and the conditions' embeddings a quarter of a standard deviation apart, a
tenth of the genes called were false."""
_ERRORS = 3.0
"""Standard errors by which genes must not follow states."""
_FEWEST_NULL = 1000
_ENOUGH_NULL = 20_000


@dataclass(frozen=True)
class CombinedEvidence:
    """What all regions together say of each gene; regions of all levels in a row.

    Attributes
    ----------
    p
        Combined p-values, ``(n_genes,)``; NaN for a gene that is tested nowhere.
    region_p, region_effect, region_error
        P-values, effects (natural log) and standard errors, ``(n_regions, n_genes)``; NaN where a
        gene is not tested.
    counts
        Which regions are combined, ``(n_regions,)``.
    """

    p: Array
    region_p: Array
    region_effect: Array
    region_error: Array
    counts: NDArray[np.bool_]

    def of_genes(self, n_genes: int) -> "CombinedEvidence":
        """Of the first genes."""
        first = np.s_[:, :n_genes]
        return replace(
            self,
            p=self.p[:n_genes],
            region_p=self.region_p[first],
            region_effect=self.region_effect[first],
            region_error=self.region_error[first],
        )

    @property
    def strongest(self) -> NDArray[np.intp]:
        """Number of the counted region of smallest p-value, ``(n_genes,)``; -1 for none."""
        known = ~np.isnan(self.region_p) & self.counts[:, None]
        found = np.argmin(np.where(known, self.region_p, np.inf), axis=0)
        return np.where(np.isnan(self.p), -1, found)


def level_means(
    sums: DonorSums,
    index: RegionIndex,
    compared: NDArray[np.bool_] | None = None,
    rules: RegionRules | None = None,
) -> tuple[AdjustedMeans, ...]:
    """Means of samples in the regions of each level, adjusted for cell state.

    Those of counts are logarithms of means of counts
    (:func:`kompot.stats.log_means.log_means`), each sample scaled as a whole by what it expresses
    more or less in the finest clusters (:func:`kompot.stats.sample_scale.log_sample_scales`).

    Parameters
    ----------
    sums, index
        Sums over the cells, in the regions of all levels, and where each level's are.
    compared
        Which samples are compared, ``(n_samples,)``; None for all.
    rules
        When a sample takes part in a region.
    """
    cells, rules = sums.cells, RegionRules() if rules is None else rules
    assert cells is not None  # DonorSums.with_cells
    scale = (
        log_sample_scales(sums.regions.within(index.spans[_finest(index.levels)]))
        if sums.of_counts
        else None
    )
    found = []
    for level, span in zip(index.levels, index.spans, strict=True):
        regions = sums.regions.within(span)
        means = adjusted_means(
            *(cells.gram, cells.cross, cells.squares, regions),
            n_regions=level.n_regions,
            undersmoothing=_UNDERSMOOTHING if sums.of_counts else 1.0,
        )
        if scale is not None:
            takes_part = means.n_cells >= rules.min_cells
            if compared is not None:
                takes_part &= compared[:, None]
            means = log_means(means, scale, takes_part)
        found.append(means)
    return tuple(found)


def _finest(levels: Sequence[Level]) -> int:
    """Number of the level with the most clusters; without clusters the first level."""
    clusters = [n for n, level in enumerate(levels) if not level.fixed]
    return max(clusters, key=lambda n: levels[n].n_regions, default=0)


def compare_regions(
    levels: Sequence[Level],
    means: Sequence[AdjustedMeans],
    design: Design,
    rules: RegionRules | None = None,
) -> list[RegionMeans]:
    """What is compared in each region of each level, levels one after the other.

    Parameters
    ----------
    levels
        The levels.
    means
        Means of each.
    design
        Whose contrast is asked.
    rules
        When a region, a sample and a gene take part.
    """
    rules = RegionRules() if rules is None else rules
    found = _all_region_means(levels, means, design, rules)
    if rules.standardise and _not_integrated(found, levels, means, design, rules):
        never = replace(rules, max_overlap_cost=-np.inf)
        apart = _all_region_means(levels, means, design, never)
        if any(region.status == "standardised" for region in apart):
            found = [
                a if len(f.genes) >= FEWEST_GENES or f.status == "adjusted" else f
                for f, a in zip(found, apart, strict=True)
            ]
    share = _covered_by_adjusted(found, levels)
    better = any(region.status == "standardised" for region in found)
    return [
        replace(
            region,
            counts=not region.confounded
            or (covered <= rules.max_covered and not (region.status == "unadjusted" and better)),
        )
        for region, covered in zip(found, share, strict=True)
    ]


def _all_region_means(
    levels: Sequence[Level], means: Sequence[AdjustedMeans], design: Design, rules: RegionRules
) -> list[RegionMeans]:
    clusters = _clusters_of_both_sides(levels, means, design)
    return [
        region_means(
            of_level, k, design, rules, (level.name, name), fixed=level.fixed, clusters=clusters
        )
        for level, of_level in zip(levels, means, strict=True)
        for k, name in enumerate(level.regions)
    ]


def _clusters_of_both_sides(
    levels: Sequence[Level], means: Sequence[AdjustedMeans], design: Design
) -> RegionSums | None:
    """Sums in the finest clusters that say what either side expresses; None if none do."""
    says = design.contributing
    sides = design.second_side & says, ~design.second_side & says
    clusters = [n for n, level in enumerate(levels) if not level.fixed]
    for n in sorted(clusters, key=lambda n: -levels[n].n_regions):
        if all(known_clusters(means[n].sums, side) is not None for side in sides):
            return means[n].sums
    return None


def _not_integrated(
    regions: Sequence[RegionMeans],
    levels: Sequence[Level],
    means: Sequence[AdjustedMeans],
    design: Design,
    rules: RegionRules,
) -> bool:
    """Whether most cells of the sides are apart, or genes do not follow where states are."""
    if _share_that_overlaps(regions, levels) < rules.min_overlapping:
        return True
    for level, of_level in zip(levels, means, strict=True):
        if not level.labels.any():  # of all cells
            enough = of_level.n_cells[:, 0] >= rules.min_cells
            slope, error = state_agreement(of_level, 0, design, enough)
            if slope + _ERRORS * error < rules.min_agreement:
                return True
    return False


def _share_that_overlaps(regions: Sequence[RegionMeans], levels: Sequence[Level]) -> float:
    """Share of cells in adjusted clusters, mean over levels; without those that express nothing."""
    shares = []
    for name in [level.name for level in levels if not level.fixed]:
        of_level = [r for r in regions if r.level == name and r.status != "few genes"]
        adjusted = sum(region.n_cells for region in of_level if region.status == "adjusted")
        shares.append(adjusted / max(sum(region.n_cells for region in of_level), 1))
    return float(np.mean(shares)) if shares else 1.0


def _covered_by_adjusted(regions: Sequence[RegionMeans], levels: Sequence[Level]) -> Array:
    """Share of each region's cells that lie in adjusted regions of any level, ``(n_regions,)``."""
    covered = np.zeros(len(levels[0].labels), dtype=bool)
    starts = np.cumsum([0, *(level.n_regions for level in levels)])
    for level, start in zip(levels, starts[:-1], strict=True):
        of_level = regions[start : start + level.n_regions]
        adjusted = np.array([region.status == "adjusted" for region in of_level] + [False])
        covered |= adjusted[level.labels]
    shares = []
    for level in levels:
        inside = level.labels >= 0
        counts = np.bincount(level.labels[inside], minlength=level.n_regions)
        hits = np.bincount(level.labels[inside], covered[inside], minlength=level.n_regions)
        shares.append(hits / np.maximum(counts, 1))
    return np.concatenate(shares)


def combine_regions(
    regions: Sequence[RegionMeans], levels: Sequence[Level], design: Design, n_genes: int
) -> CombinedEvidence:
    """Evidence of a contrast in each region and combined over them.

    The levels have their weights, shared equally by the regions in which a gene is tested and that
    count; one p-value from all by :func:`kompot.stats.multiplicity.cauchy_combination`.

    Parameters
    ----------
    regions
        What is compared, from :func:`compare_regions`.
    levels
        Their levels.
    design
        Whose contrast is asked; it may be another than the one for which they were made.
    n_genes
        Number of all genes.
    """
    p, effect, error = (np.full((len(regions), n_genes), np.nan) for _ in range(3))
    contrasts = [design.contrast_of(r.taking_part) if len(r.genes) else None for r in regions]
    tested = [k for k, contrast in enumerate(contrasts) if contrast is not None]
    found = threads.map_batches(lambda k: regions[k].evidence(contrasts[k]), tested)  # type: ignore[arg-type]
    for k, evidence in zip(tested, found, strict=True):
        genes = regions[k].genes
        p[k, genes], effect[k, genes] = evidence.p, evidence.effect
        error[k, genes] = evidence.standard_error
    counts = np.array([region.counts for region in regions])
    counted = np.where(counts[:, None], p, np.nan)
    weights = np.empty_like(p)
    start = 0
    for level in levels:
        rows = slice(start, start + level.n_regions)
        n_tested = np.maximum((~np.isnan(counted[rows])).sum(axis=0), 1)
        weights[rows] = level.weight / n_tested
        start = rows.stop
    return CombinedEvidence(cauchy_combination(counted, weights), p, effect, error, counts)


def null_p_values(
    regions: Sequence[RegionMeans],
    levels: Sequence[Level],
    design: Design,
    n_genes: int,
    *,
    n_draws: int | None = None,
    seed: int | None = 0,
) -> Array:
    r"""P-values of covariates that mean nothing, in the data as they are.

    They are tested beside the design's columns in the same means
    (:meth:`kompot.stats.design.Design.with_random_covariates`): the effects of the conditions stay
    in the model, so they cannot leak into this null distribution.

    Parameters
    ----------
    regions, levels, design, n_genes
        As for :func:`combine_regions`.
    n_draws
        How many covariates; None for so many that there are about 20,000 p-values, 2 to 5.
    seed
        Of the draws.

    Returns
    -------
    ``(n_draws, n_genes)``; no rows with fewer than 2 degrees of freedom.
    """
    if design.degrees_of_freedom < 2:
        return np.empty((0, n_genes))
    if n_draws is None:
        n_draws = int(np.clip(-(-_ENOUGH_NULL // max(n_genes, 1)), 2, 5))
    designs = design.with_random_covariates(n_draws, seed)
    drawn = [combine_regions(regions, levels, tested, n_genes).p for tested in designs]
    return np.array(drawn).reshape(len(drawn), n_genes)


def rescale_bulk(p: Array, null: Array) -> Array:
    r"""P-values above 0.05 made uniform under the null.

    The combined p-values hold in the tail but are conservative above. With the distribution
    function :math:`F_0` of null p-values, those above :math:`\alpha = 0.05` become

    .. math:: \alpha + (1 - \alpha)\,\frac{F_0(p) - F_0(\alpha)}{1 - F_0(\alpha)}.

    Parameters
    ----------
    p
        ``(n_genes,)``; NaN stays.
    null
        P-values where nothing differs, of any shape; below 1,000 of them nothing is changed.
    """
    ordered = np.sort(null[~np.isnan(null)])
    if len(ordered) < _FEWEST_NULL:
        return p
    below, tail = (np.searchsorted(ordered, x, side="right") / len(ordered) for x in (p, _TAIL))
    if tail >= 1.0:
        return p
    mapped = _TAIL + (1.0 - _TAIL) * (below - tail) / (1.0 - tail)
    return np.where(p > _TAIL, np.clip(mapped, _TAIL, 1.0), p)


def donor_local_fdr(p: Array, null: Array) -> Array:
    """Probability that each gene is null, by p-values rescaled with :func:`rescale_bulk`.

    Descriptive: it is somewhat optimistic between 0.05 and 0.2; genes are called by the tail rate.

    Parameters
    ----------
    p
        ``(n_genes,)``; NaN stays.
    null
        P-values where nothing differs, of any shape.
    """
    found = np.full(len(p), np.nan)
    tested = ~np.isnan(p)
    if tested.any():
        found[tested] = local_fdr(rescale_bulk(p[tested], null))
    return found
