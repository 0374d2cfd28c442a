"""Which states have another share of cells in new donors: the donor-level test of abundance."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.features import FeatureMap
from kompot.gp.principal_coordinates import principal_coordinates
from kompot.models.abundance_reference import Reference, median_change, reference_fractions
from kompot.models.donor_abundance_result import CellAbundance, DonorAbundance, RegionAbundance
from kompot.models.region_counts import CountedRegions, count_regions
from kompot.stats.design import Contrast, Design
from kompot.stats.fraction_contrast import FractionContrast, contrast_fractions
from kompot.stats.log_fractions import LogFractions, log_fractions, relative_to
from kompot.stats.multiplicity import weighted_benjamini_hochberg
from kompot.stats.neighborhoods import CountedNeighborhoods, count_neighborhoods
from kompot.stats.regions import Level, group_levels, kmeans_levels
from kompot.stats.rotation import RotationTest, rotation_directions, rotation_test
from kompot.threads import single_threaded_products

__all__ = [
    "DonorAbundanceSettings",
    "SampleCounts",
    "count_cells_of_samples",
    "donor_abundance",
    "testable_contrast",
]

Array = NDArray[np.float64]

_FEWEST_DF = 2


@dataclass(frozen=True)
class DonorAbundanceSettings:
    """How the share of cells is compared between samples.

    Parameters
    ----------
    n_regions
        Numbers of k-means regions, one level each, the finest last.
    reference
        What is taken to be unchanged and subtracted: None for the share of all cells;
        ``"median"`` for the change of the median cell's finest region; names of groups for the
        share of their cells, to which every region's is then compared sample by sample
        (:func:`kompot.stats.log_fractions.relative_to`). Ratios to a type that is known to be
        stable do not move when others expand, but vary as it does between donors.
    fdr_threshold
        Of regions, of cells and of the global test, in (0, 1).
    lfc_threshold
        Smallest absolute change that is called, natural log: a filter that is no part of the
        error rate.
    n_rotations
        Draws of the global test.
    random_state
        Seed of regions, neighbourhoods and rotations.
    """

    n_regions: tuple[int, ...] = (4, 12, 30)
    reference: Reference = None
    fdr_threshold: float = 0.05
    lfc_threshold: float = 0.0
    n_rotations: int = 999
    random_state: int = 0


def donor_abundance(
    features: FeatureMap,
    states: Array,
    sample: NDArray[np.intp],
    design: Design,
    *,
    groups: Mapping[str, ArrayLike] | None = None,
    settings: DonorAbundanceSettings | None = None,
) -> DonorAbundance:
    r"""Test for new donors where the share of cells differs between conditions.

    The log fractions of every sample's cells in regions are compared in a linear model over
    samples with moderated variances (:func:`kompot.stats.fraction_contrast.contrast_fractions`):
    in k-means regions of several sizes and the user's groups for the global statement, and in
    overlapping neighbourhoods for the cells. Nothing is called unless the global rotation test
    (:func:`kompot.stats.rotation.rotation_test`) rejects. Shares are of all cells of a sample:
    where one type expands, others shrink. The order of the cells does not matter.

    Parameters
    ----------
    features
        Feature map, whose distances say how unlike cells are.
    states
        Cell states, ``(n_cells, n_dims)``.
    sample
        Number of each cell's sample, ``(n_cells,)``, rows of the design; none without cells.
    design
        Linear model of the samples.
    groups
        Name to mask ``(n_cells,)`` of further regions, which may overlap.
    settings
        How samples are compared.

    Raises
    ------
    ValueError
        If there are fewer than 2 degrees of freedom, no region has enough cells, or a reference
        group does not exist or has too few.
    """
    testable_contrast(design)
    n_samples = design.n_samples
    counts = count_cells_of_samples(
        features,
        states,
        sample,
        n_samples,
        compared=design.contributing,
        groups=groups,
        settings=settings,
    )
    return counts.test(design)


def testable_contrast(design: Design) -> Contrast:
    """The contrast of a design, if enough degrees of freedom are left for its error.

    Raises
    ------
    ValueError
        If there are fewer than 2.
    """
    contrast, df = design.contrast_of(), design.degrees_of_freedom
    if contrast is None or df < _FEWEST_DF:
        msg = (
            f"The {design.n_samples} samples with columns {list(design.columns)} leave {df} "
            f"degree(s) of freedom for the error, but the donor-level test of abundance needs "
            f"{_FEWEST_DF}. Add samples, leave covariates out, or compare few pairs as groups "
            "(paired=False); significance='cell' describes these cells only."
        )
        raise ValueError(msg)
    return contrast


def count_cells_of_samples(
    features: FeatureMap,
    states: Array,
    sample: NDArray[np.intp],
    n_samples: int,
    *,
    compared: NDArray[np.bool_] | None = None,
    groups: Mapping[str, ArrayLike] | None = None,
    settings: DonorAbundanceSettings | None = None,
) -> "SampleCounts":
    """Count the cells of every sample in regions and neighbourhoods.

    Parameters
    ----------
    features, states, sample, groups, settings
        As for :func:`donor_abundance`.
    n_samples
        Number of samples.
    compared
        Which of them are compared, ``(n_samples,)``; None for all.

    Raises
    ------
    ValueError
        If no region has enough cells.
    """
    settings = DonorAbundanceSettings() if settings is None else settings
    order = np.lexsort((sample, *states.T[::-1]))
    coordinates, sample = principal_coordinates(features, states[order]), sample[order]
    members = {name: np.asarray(mask, dtype=bool)[order] for name, mask in (groups or {}).items()}
    totals = np.bincount(sample, minlength=n_samples).astype(np.float64)
    compared = np.ones(n_samples, dtype=bool) if compared is None else compared
    seed = settings.random_state
    with single_threaded_products():  # threads of k-means add up in any order
        clusters = kmeans_levels(coordinates, settings.n_regions, random_state=seed)
        counted = count_regions(clusters, group_levels(members), sample, totals, compared)
        neighborhoods = count_neighborhoods(
            coordinates, sample, n_samples, compared=compared, random_state=seed
        )
    reference = reference_fractions(settings.reference, members, sample, n_samples, compared)
    places = np.argsort(order)
    return SampleCounts(counted, neighborhoods, totals, compared, places, reference, settings)


@dataclass(frozen=True)
class SampleCounts:
    """Cells of every sample in regions and neighbourhoods: they serve any design of the samples.

    Attributes
    ----------
    counted
        In regions.
    neighborhoods
        In neighbourhoods.
    totals
        Cells of each sample, ``(n_samples,)``.
    compared
        Which samples are compared, ``(n_samples,)``.
    places
        Where each cell is in the order of the counts, ``(n_cells,)``.
    reference
        Log fractions of the reference groups, if any are named.
    settings
        How samples are compared.
    """

    counted: CountedRegions
    neighborhoods: CountedNeighborhoods
    totals: Array
    compared: NDArray[np.bool_]
    places: NDArray[np.intp]
    reference: LogFractions | None
    settings: DonorAbundanceSettings

    @single_threaded_products()
    def test(self, design: Design) -> DonorAbundance:
        """Compare the samples.

        Parameters
        ----------
        design
            Linear model of the samples.

        Raises
        ------
        ValueError
            If there are fewer than 2 degrees of freedom.
        """
        settings, counted = self.settings, self.counted
        contrast = testable_contrast(design)
        shift = median_change(counted, contrast) if settings.reference == "median" else 0.0
        fractions = self._compared_to_reference(counted.fractions)
        weights = counted.weights_of(fractions.testable)
        found = contrast_fractions(fractions, contrast, weights, counted.largest_level, shift=shift)
        by_counts = np.lexsort((*design.matrix.T, *counted.counts.T))  # whatever samples are called
        rng = np.random.default_rng(settings.random_state)
        directions = rotation_directions(contrast, settings.n_rotations, rng, by_counts)
        rotation = rotation_test(found, fractions.values, contrast, directions)
        gate = rotation.p_gate < settings.fdr_threshold
        call = _Call(gate, settings.fdr_threshold, settings.lfc_threshold)
        nearby = self._compared_to_reference(self._fractions_of_neighborhoods())
        anchors = _contrast_neighborhoods(nearby, self.neighborhoods.share, contrast, shift)
        cells = _of_cells(self.neighborhoods, anchors, counted.finest, call)
        return DonorAbundance(
            regions=_of_regions(counted, found, rotation, call),
            cells=cells.take(self.places),
            anchors=anchors,
            neighborhood_size=self.neighborhoods.size,
            rotation=rotation,
            design=design,
            reference_change=self._reference_change(contrast, shift),
        )

    def _compared_to_reference(self, fractions: LogFractions) -> LogFractions:
        """Shares of all cells, or ratios to those of the reference groups."""
        return fractions if self.reference is None else relative_to(fractions, self.reference)

    def _reference_change(self, contrast: Contrast, shift: float) -> float:
        """By how much the share of what is taken to be unchanged differs, natural log."""
        if self.reference is None:
            return shift
        return float(contrast.effect(self.reference.values)[0])

    def _fractions_of_neighborhoods(self) -> LogFractions:
        """Those of which some can be tested."""
        fractions = log_fractions(self.neighborhoods.counts, self.totals, self.compared)
        if not (fractions.testable & (self.neighborhoods.share > 0)).any():
            totals = self.totals[self.compared]
            msg = (
                f"No neighbourhood holds enough cells to be tested: samples have "
                f"{int(totals.sum())} cells, {totals.mean():.3g} on average. Leave small samples "
                "out, or give significance='cell', which describes these cells only."
            )
            raise ValueError(msg)
        return fractions


@dataclass(frozen=True)
class _Call:
    """What is called a change."""

    gate: bool
    fdr_threshold: float
    lfc_threshold: float

    def direction(self, estimate: Array, fdr: Array) -> NDArray[np.intp]:
        """1, -1, or 0 where none is called; missing rates call none."""
        called = self.gate & (fdr < self.fdr_threshold) & (np.abs(estimate) > self.lfc_threshold)
        return np.where(called, np.sign(estimate), 0.0).astype(np.intp)


def _of_regions(
    counted: CountedRegions, found: FractionContrast, rotation: RotationTest, call: _Call
) -> RegionAbundance:
    """Rates and calls of regions."""
    level, fdr_within = counted.level, np.full(len(found.p_value), np.nan)
    family = np.minimum(level, counted.n_clusters)  # all groups are one
    for one in np.unique(family):
        members = family == one
        fdr_within[members] = weighted_benjamini_hochberg(found.p_value[members])
    fdr = weighted_benjamini_hochberg(found.p_value, found.weights)
    return RegionAbundance(
        level=tuple(counted.levels[number].name for number in level),
        name=counted.names,
        counts=counted.counts,
        fractions=counted.fractions,
        contrast=found,
        fdr_within=fdr_within,
        fdr=fdr,
        p_max=rotation.p_max,
        direction=call.direction(found.estimate, np.where(counted.is_group, fdr_within, fdr)),
        is_group=counted.is_group,
    )


def _contrast_neighborhoods(
    fractions: LogFractions, share: Array, contrast: Contrast, shift: float
) -> FractionContrast:
    """The contrast in neighbourhoods, each with the weight of the cells that it stands for."""
    weights = np.where(fractions.testable, share, 0.0)
    everywhere = np.ones(len(weights), dtype=bool)
    return contrast_fractions(fractions, contrast, weights / weights.sum(), everywhere, shift=shift)


def _of_cells(
    neighborhoods: CountedNeighborhoods, anchors: FractionContrast, finest: Level, call: _Call
) -> CellAbundance:
    """Results of the nearest anchor."""
    fdr = weighted_benjamini_hochberg(anchors.p_value, neighborhoods.share)
    cells = neighborhoods.anchor
    estimate = np.where(anchors.testable, anchors.estimate, np.nan)
    return CellAbundance(
        lfc=estimate[cells],
        standard_error=anchors.standard_error[cells],
        p_value=anchors.p_value[cells],
        fdr=fdr[cells],
        direction=call.direction(anchors.estimate, fdr)[cells],
        region=finest.labels,
        region_names=finest.regions,
    )
