r"""The effect on each gene in one region: whether samples can tell, and how surely.

An effect is a contrast of the samples' means. Means adjusted for cell state are used where that
costs little, that is where the cells of both sides overlap. Where they do not, means are compared
with what each sample's mixture of cell states would express (:mod:`kompot.stats.state_mixtures`).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from kompot.stats.ancova import AdjustedMeans
from kompot.stats.commonest import FEWEST_GENES, commonest
from kompot.stats.design import Contrast, Design
from kompot.stats.region_sums import RegionSums
from kompot.stats.sample_precision import weigh_samples
from kompot.stats.state_mixtures import mixture_means
from kompot.stats.variance_prior import fit_variance_prior
from kompot.stats.variance_trend import trend_basis, variance_trend

__all__ = ["Evidence", "RegionMeans", "RegionRules", "RegionStatus", "region_means"]

Array = NDArray[np.float64]

RegionStatus = Literal[
    "adjusted", "standardised", "unadjusted", "dropped", "few genes", "not estimable"
]

_MOST_ADMIXTURE = 0.05
_MOST_ADMIXED_GENES = 6.0
_ADMIXTURE_GENES = 600
_SMALLEST_MEAN = 1e-4
_SMALLEST_VARIANCE = 1e-12


@dataclass(frozen=True)
class RegionRules:
    """When a region, a sample and a gene take part.

    Attributes
    ----------
    min_cells
        Cells of a sample in a region with which it takes part there. Not to be raised: dropping
        small samples leaves few, noisy ones on one side.
    min_expressing
        Cells of a region that must express a gene.
    min_genes
        Genes from which a distribution of variances is learned. In a region with fewer each gene is
        judged by its own variance alone.
    max_overlap_cost
        Largest variance that adjusting for cell state may add, in units of the variance from
        sampling cells, both of the effect among unweighted samples.
    max_covered
        Largest share of a region's cells in adjusted regions of other levels with which its own
        comparison still counts if it is not adjusted. Where composition differs between the
        conditions, raw means of all cells differ in genes that change nowhere: with odds of one
        branch multiplied by e^2, 7 of 10 genes called were false; without those comparisons 2 of
        60. Real cells of which samples held unlike shares of the types, half of them in adjusted
        regions, had 40 false calls in a data set with those comparisons and less than one without;
        standardised, still up to 52.
    standardise
        Whether a region that cannot be adjusted is compared with what each sample's mixture of cell
        states would express (:func:`kompot.stats.state_mixtures.mixture_means`), instead of as it
        is (all cells, the user's groups) or not at all (clusters). With conditions apart in the
        embedding and the odds of one branch multiplied by e^1.5, 8 against 8 samples, 36 % of genes
        that do not change were called without it, none with it; and twice the local effects were
        found, at fewer false calls.
    min_shared
        How alike the mixtures of the two sides must be in a cluster that is standardised
        (:class:`kompot.stats.state_mixtures.MixtureMeans`). An embedding with a shift can put
        unlike states into one cluster, and taking out all in which they differ leaves too much:
        clusters below 0.6 had up to 32 false calls, others hardly any.
    min_overlapping
        Share of the cells of clusters in adjusted ones (mean over levels) below which no region is
        adjusted but all are standardised, as far as mixtures are known: where most cells of two
        conditions are apart, the embedding is not integrated, and what overlaps in it is not alike.
        Real cells of which one condition was moved by a tenth of a standard deviation had 8 false
        calls in a data set without this rule and less than one with it.
    min_agreement
        The same if genes show less than this of what states predict of the difference between
        conditions (:func:`kompot.stats.state_agreement.state_agreement`), by three standard errors.
        Where conditions or their samples differ in composition they show 0.7 to 1.1 of it, and of
        real cells moved by a twentieth of a standard deviation up to 0.2.
    match_sampling
        Whether samples are weighed by their cells and the error of an effect is matched to the
        noise from sampling cells that the effect itself has
        (:func:`kompot.stats.sample_precision.weigh_samples`), in its samples' means and in the
        state effect by which these are adjusted. With weights 4 to 9 % more of local effects were
        found at the same proportion of false calls. The error matters if unequal numbers of samples
        meet unequal numbers of cells: 3 samples with a third of the cells each against 9 had 18 %
        of p-values below 0.05 without, 4 % with it. And it matters if conditions differ in state:
        what the adjustment gets wrong is common to all samples of a condition. That noise is also
        the least error an effect can have. Where samples hardly differ, few degrees of freedom and
        a prior that reaches down to nothing claim less: of 30 random divisions of the real cells of
        two donors, 11 had false calls, with p-values down to 1e-22, and none has any so.
    admixture
        Share of the distribution of variances, for each degree of freedom, that is spread evenly
        over large ones (:func:`kompot.stats.variance_prior.fit_variance_prior`), at most 5 % in
        all; more with fewer than 300 genes (:meth:`RegionMeans.admixture_at`). It keeps the
        smallest p-values honest where errors are not quite normal or samples not quite alike: of
        300 complete nulls 9 had hits with it, 38 without. The fewer degrees of freedom, the less a
        gene's own variance says against it, and the more power it would cost.
    """

    min_cells: int = 2
    min_expressing: int = 10
    min_genes: int = 50
    max_overlap_cost: float = 0.25
    max_covered: float = 0.05
    standardise: bool = True
    min_shared: float = 0.6
    min_overlapping: float = 0.5
    min_agreement: float = 0.5
    match_sampling: bool = True
    admixture: float = 1.0 / 600.0


@dataclass(frozen=True)
class Evidence:
    """An effect on some genes, every array ``(n_genes,)``.

    Attributes
    ----------
    effect
        Difference of the samples' values, those of few cells counting less; natural log.
    p
        Two-sided p-values.
    standard_error
        Square root of the effect's posterior mean variance.
    """

    effect: Array
    p: Array
    standard_error: Array


@dataclass(frozen=True)
class RegionMeans:
    r"""What the samples that take part express in a region.

    Attributes
    ----------
    name, level
        Names of the region and of its level.
    n_cells
        Cells in the region, of all samples.
    taking_part
        Samples with enough cells, ``(n_all_samples,)``.
    overlap_cost
        :math:`d^\top(A + \lambda I)^{-1}d / \sum_s a_s^2/n_s` with
        :math:`d = \sum_s a_s\bar\phi_s`; NaN if the contrast is not estimable.
    status
        ``"adjusted"``: means adjusted for cell state are compared;
        ``"standardised"``: the two sides hardly overlap, here or in most clusters, or genes do not
        follow states, so that a change of expression can only be told from one of state by genes
        together: means are compared with those of mixtures of the states of either side;
        ``"unadjusted"``: there is no such mixture, and the region is wanted as it is: its means are
        compared as they are;
        ``"dropped"``: nor is one in a cluster, or the sides' mixtures are unlike: it would compare
        unlike cells;
        ``"few genes"``: none is expressed in enough cells;
        ``"not estimable"``: too few samples take part.
    degrees_of_freedom
        Of the contrast here; 0 if it is not estimable.
    genes
        Genes that are tested here, increasing; none unless adjusted, standardised or unadjusted.
    values
        Their means, or logarithms of mean counts, ``(n_samples, n_genes)``, samples that take part.
    basis
        Columns of their variance trend, ``(n_genes, n_columns)``; None if every gene is judged by
        its own variance.
    within
        Variance between cells of a sample, about the state effect if values are adjusted,
        ``(n_genes,)``; None if samples are not weighed and the error is not matched to it.
    sizes
        Cells in the region of each sample that takes part, or the sum of their weights,
        ``(n_samples,)``.
    noise
        Covariance of the samples' values from sampling cells of variance 1,
        :math:`\operatorname{diag}(1/n_s) + \bar\Phi(A + \lambda I)^{-1}\bar\Phi^\top`,
        ``(n_samples, n_samples)``; the second term only if they are adjusted (and without the
        region's mean feature, which no contrast of conditions sees), if standardised another
        one (:class:`kompot.stats.state_mixtures.MixtureMeans`).
    admixture
        Share of the distribution of variances for each degree of freedom; see
        :class:`RegionRules`.
    centred
        Whether an effect is what a gene does beyond what most genes do
        (:func:`kompot.stats.commonest.commonest`): counts are shares, and where many genes rise
        those of all others fall.
    counts
        Whether its evidence is combined with that of other regions; if not it is there to be
        looked at.
    """

    name: str
    level: str
    n_cells: int
    taking_part: NDArray[np.bool_]
    overlap_cost: float
    status: RegionStatus
    degrees_of_freedom: int
    genes: NDArray[np.intp]
    values: Array
    basis: Array | None
    within: Array | None
    sizes: Array
    noise: Array
    admixture: float = 0.0
    centred: bool = False
    counts: bool = True

    @property
    def confounded(self) -> bool:
        """Whether it is not adjusted for state, which may then pass for expression."""
        return self.status in {"standardised", "unadjusted", "dropped"}

    def admixture_at(self, degrees_of_freedom: int) -> float:
        r"""Share of the distribution of variances that is spread over large ones.

        .. math:: \min\big(a\,d\,\max(1, 600/G - 1),\ \max(0.05, 6/G)\big)

        for :math:`d` degrees of freedom and :math:`G` genes: about a gene's worth for each degree
        of freedom where there are few, whose distribution says little of what is rarer than that.
        """
        n_genes = len(self.genes)
        few = max(1.0, _ADMIXTURE_GENES / n_genes - 1.0)
        most = max(_MOST_ADMIXTURE, _MOST_ADMIXED_GENES / n_genes)
        return min(self.admixture * degrees_of_freedom * few, most)

    def evidence(self, contrast: Contrast) -> Evidence:
        r"""Effect and p-value of each gene.

        Unless `within` is None, samples are weighed
        (:func:`kompot.stats.sample_precision.weigh_samples`), and the effect has the variance said
        there; see :mod:`kompot.stats.variance_prior` for the distribution of :math:`s'^2` and the
        p-value. No variance with a prior is below the effect's sampling noise; a gene's own, judged
        by Student's t, may be, but a negative excess takes none below it. Where genes are judged so
        they are too few to tell how much donors differ, and samples count alike.

        Parameters
        ----------
        contrast
            Of the samples that take part, unweighted.
        """
        freedom, values = contrast.degrees_of_freedom, self.values
        unit, further = contrast.unit_variance, None
        if self.within is not None:
            sizes = np.ones_like(self.sizes) if self.basis is None else self.sizes
            found = weigh_samples(contrast, values, self.within, self.noise, sizes)
            contrast, values, unit = found.contrast, found.values, found.unit_variance
            further = found.excess * self.within, found.least * self.within
        effect = contrast.effect(values)
        variance = np.maximum(contrast.residual_variance(values), _SMALLEST_VARIANCE)
        if self.basis is None:
            total = unit * variance
            if further is not None:
                total = np.maximum(total + further[0], np.minimum(total, further[1]))
            error = np.sqrt(total)
            p = 2.0 * stdtr(freedom, -np.abs(effect) / error)
            return Evidence(effect, np.clip(p, 1e-300, 1.0), error)
        trend = variance_trend(variance, freedom, self.basis)
        if self.centred and len(effect) >= FEWEST_GENES:
            effect -= commonest(effect, unit * trend)
        ratio = variance / trend
        prior = fit_variance_prior(ratio, freedom, self.admixture_at(freedom))
        p, spread = prior.p_values(effect, unit * trend, ratio, further)
        return Evidence(effect, p, np.sqrt(spread))


def region_means(
    means: AdjustedMeans,
    region: int,
    design: Design,
    rules: RegionRules,
    names: tuple[str, str],
    *,
    fixed: bool,
    clusters: RegionSums | None = None,
) -> RegionMeans:
    """What is compared in a region, and whether it can be.

    Parameters
    ----------
    means
        Means of the region's level.
    region
        Its number in the level.
    design
        Whose contrast is asked.
    rules
        When a sample and a gene take part.
    names
        Names of the level and of the region.
    fixed
        Whether the region is wanted even if its cells do not overlap.
    clusters
        Sums in clusters of cell states, of which samples are mixtures; None for none.
    """
    n_cells = means.n_cells[:, region]
    weight = means.weight[:, region]
    taking_part = (n_cells >= rules.min_cells) & (weight > 0)
    contrast = design.contrast_of(taking_part)
    genes = np.flatnonzero(means.expressing[region] >= rules.min_expressing)
    cost = np.nan if contrast is None else _overlap_cost(means, region, taking_part, contrast)
    status = _status(contrast, cost, rules, fixed=fixed, few=not len(genes))
    mixtures = None
    if clusters is not None and rules.standardise and status in {"unadjusted", "dropped"}:
        second, contributing = design.second_side, design.contributing
        sides = second & contributing, ~second & contributing
        if fixed or all(_mostly(taking_part[side]) for side in sides):
            mixtures = mixture_means(means, region, taking_part, second, genes, clusters=clusters)
        if mixtures is not None and not fixed and mixtures.shared < rules.min_shared:
            mixtures = None
    if mixtures is not None:
        status = "standardised"
    elif status not in {"adjusted", "unadjusted"}:
        genes = genes[:0]
    within = means.residual if status == "adjusted" else means.within
    values = (means.adjusted if status == "adjusted" else means.raw)[taking_part, region][:, genes]
    noise = np.diag(1.0 / weight[taking_part])
    if mixtures is not None:
        values = values - mixtures.means
        noise += mixtures.noise
    elif status == "adjusted":
        noise += means.adjustment_covariance(means.phi[taking_part, region])
    return RegionMeans(
        names[1],
        names[0],
        int(n_cells.sum()),
        taking_part,
        cost,
        status,
        0 if contrast is None else contrast.degrees_of_freedom,
        genes,
        values,
        _trend_columns(means, region, genes) if len(genes) >= rules.min_genes else None,
        within[region, genes] if rules.match_sampling else None,
        weight[taking_part],
        noise,
        rules.admixture,
        means.of_counts,
    )


def _mostly(samples: NDArray[np.bool_]) -> bool:
    """Whether more than half of some samples take part."""
    return bool(2 * samples.sum() > len(samples))


def _overlap_cost(
    means: AdjustedMeans, region: int, taking_part: NDArray[np.bool_], contrast: Contrast
) -> float:
    direction = contrast.effect(means.phi[taking_part, region])
    sampling = contrast.weights**2 @ (1.0 / means.weight[taking_part, region])
    return float(means.adjustment_covariance(direction)) / float(sampling)


def _status(
    contrast: Contrast | None, cost: float, rules: RegionRules, *, fixed: bool, few: bool
) -> RegionStatus:
    if contrast is None:
        return "not estimable"
    if few:
        return "few genes"
    if cost <= rules.max_overlap_cost:
        return "adjusted"
    return "unadjusted" if fixed else "dropped"


def _trend_columns(means: AdjustedMeans, region: int, genes: NDArray[np.intp]) -> Array:
    """Splines of log mean expression and of log variance between cells."""
    mean = np.log(np.maximum(means.mean[region, genes], _SMALLEST_MEAN))
    return trend_basis(mean, np.log(means.within[region, genes]))
