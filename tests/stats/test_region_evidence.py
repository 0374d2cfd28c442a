"""Errors of effects in a region."""

from dataclasses import replace

import numpy as np
import pytest

from kompot.stats.ancova import adjusted_means
from kompot.stats.design import paired_design, two_group_design
from kompot.stats.region_evidence import RegionMeans, RegionRules, region_means
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level
from kompot.stats.variance_trend import trend_basis


def region(values, n_cells, within, basis=None):
    """A region in which all samples take part."""
    names, shape = ("all", "k1"), values.shape
    return RegionMeans(
        *names, int(n_cells.sum()), np.ones(shape[0], bool), 0.0, "adjusted", 1,
        np.arange(shape[1]), values, basis, within, np.asarray(n_cells, float),
        np.diag(1.0 / np.asarray(n_cells, float)),
    )  # fmt: skip


def drawn(rng, n_cells, n_genes=4000):
    """Means of samples that differ by donors (sd 0.1) and by the cells sampled."""
    within = rng.gamma(4, 0.25, n_genes)
    noise = 0.1**2 + within / np.asarray(n_cells)[:, None]
    return rng.normal(size=noise.shape) * np.sqrt(noise), within


def excess(contrast, covariance):
    return contrast.noise(covariance) / contrast.unit_variance - contrast.residual_noise(covariance)


def test_effects_of_equal_numbers_of_samples_have_the_noise_that_residuals_see(rng):
    cells = rng.integers(5, 500, 8)
    balanced = two_group_design([0, 1] * 4).contrast_of()
    assert excess(balanced, np.diag(1.0 / cells)) == pytest.approx(0.0, abs=1e-15)
    unequal = two_group_design([0] * 3 + [1] * 5).contrast_of()
    assert excess(unequal, np.eye(8)) == pytest.approx(0.0, abs=1e-15)
    pairs = paired_design([0, 1] * 4, list("aabbccdd")).contrast_of()
    assert excess(pairs, np.diag(1.0 / cells)) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("trend", [True, False])
@pytest.mark.parametrize("fewer_is", ["noisier", "quieter"])
def test_unequal_samples_with_unequal_cells_are_calibrated(rng, fewer_is, trend):
    few, many = (20, 200) if fewer_is == "noisier" else (200, 20)
    cells = np.array([few] * 3 + [many] * 9)
    values, within = drawn(rng, cells)
    contrast = two_group_design([0] * 3 + [1] * 9).contrast_of()
    basis = trend_basis(rng.normal(size=len(within)), np.log(within)) if trend else None
    matched = region(values, cells, within, basis).evidence(contrast)
    plain = region(values, cells, None, basis).evidence(contrast)
    below = [(evidence.p < 0.05).mean() for evidence in (matched, plain)]
    if fewer_is == "noisier":  # on the safe side, where donors weigh less on the effect
        assert 0.01 < below[0] < 0.05
        assert below[1] > 0.15
    else:
        assert 0.035 < below[0] < 0.065
        assert below[1] < 0.02


def test_errors_never_fall_below_the_noise_of_sampling(rng):
    cells = np.array([400] * 2 + [4] * 8)
    values, within = drawn(rng, cells, 300)
    contrast = two_group_design([0] * 2 + [1] * 8).contrast_of()
    found = region(values, cells, within).evidence(contrast)
    plain = region(values, cells, None).evidence(contrast)
    sampling = np.sqrt(within * (contrast.weights**2 @ (1.0 / cells)))
    least = np.minimum(plain.standard_error, sampling)
    assert (found.standard_error >= least * (1 - 1e-12)).all()


def test_rules_are_those_of_the_documentation():
    assert RegionRules() == RegionRules(
        min_cells=2,
        min_expressing=10,
        min_genes=50,
        max_overlap_cost=0.25,
        max_covered=0.05,
        standardise=True,
        min_shared=0.6,
        min_overlapping=0.5,
        min_agreement=0.5,
        match_sampling=True,
        admixture=1 / 600,
    )


def test_fewer_genes_leave_more_room_for_large_variances(rng):
    """Half of a gene's worth to one for each degree of freedom; nothing where none is wanted."""
    cells = np.array([50] * 8)

    def admixture(n_genes, freedom=4, share=1 / 600):
        values, within = drawn(rng, cells, n_genes)
        few = replace(region(values, cells, within), admixture=share)
        return few.admixture_at(freedom)

    assert admixture(60) == pytest.approx(4 * 9 / 600)
    assert admixture(60, 14) == pytest.approx(0.1)
    assert admixture(300) == admixture(2000) == pytest.approx(4 / 600)
    assert admixture(2000, 100) == 0.05
    assert admixture(60, share=0.0) == 0.0


def test_smallest_p_values_of_few_genes_are_more_honest(rng):
    """Of 60 genes whose variances differ, 400 times."""
    cells = np.array([50] * 6)
    contrast = two_group_design([0] * 3 + [1] * 3).contrast_of()
    learned, wider = [], []
    for _ in range(400):
        values, within = drawn(rng, cells, 60)
        values *= np.sqrt(6 / rng.chisquare(6, size=60))
        found = region(values, cells, None, trend_basis(rng.normal(size=60), np.log(within)))
        learned.append(found.evidence(contrast).p)
        wider.append(replace(found, admixture=1 / 600).evidence(contrast).p)
    assert np.mean(np.array(learned) < 0.001) > 0.003
    assert np.mean(np.array(wider) < 0.001) < 0.0025
    assert 0.04 < np.mean(np.array(wider) < 0.05) < 0.062


def adjusted(rng, groups, n_cells, *, scale, shift, donor_sd, ridge=0.5, n_genes=3000):
    """Means of 8 samples or more whose expression depends on state, adjusted for it."""
    rank, sample = 5, np.repeat(np.arange(len(groups)), n_cells)
    total = len(sample)
    phi = scale * rng.normal(size=(total, rank)) + shift * np.array(groups)[sample, None]
    expression = phi @ rng.normal(size=(rank, n_genes)) / np.sqrt(ridge)
    expression += donor_sd * rng.normal(size=(len(groups), n_genes))[sample]
    expression += rng.normal(size=(total, n_genes))
    index = RegionIndex.of([Level("k1", np.zeros(total, np.intp), ("all",), fixed=True)])
    sums = RegionSums.zeros(len(groups), 1, rank, n_genes)
    for s in range(len(groups)):
        cells = np.flatnonzero(sample == s)
        sums.add(s, RegionSums.of(index.indicator(cells), phi[cells], expression[cells]))
    squares = np.square(expression).sum(axis=0)
    return adjusted_means(phi.T @ phi, phi.T @ expression, squares, sums, n_regions=1, ridge=ridge)


def share_below(means, groups, *, matched):
    """Share of p-values below 0.05 in the one region."""
    design = two_group_design(groups)
    rules = RegionRules(max_overlap_cost=100.0, match_sampling=matched)
    found = region_means(means, 0, design, rules, ("k1", "all"), fixed=True)
    assert found.status == "adjusted"
    return (found.evidence(design.contrast_of()).p < 0.05).mean()


@pytest.mark.parametrize("groups", [[0, 1] * 4, [0] * 3 + [1] * 5])
def test_what_an_adjustment_gets_wrong_counts_where_states_differ(rng, groups):
    """Treated cells are in other states, and the state effect is known from few cells only."""
    means = adjusted(rng, groups, 30, scale=0.2, shift=0.2, donor_sd=0.1)
    assert 0.04 < share_below(means, groups, matched=True) < 0.062
    assert share_below(means, groups, matched=False) > 0.1


@pytest.mark.parametrize(("few", "many"), [(20, 120), (90, 10)])
def test_the_noise_of_adjusted_means_is_that_about_the_state_effect(rng, few, many):
    """States explain most of the variance between cells, which does not count as noise then."""
    groups = [0] * 3 + [1] * 9
    means = adjusted(rng, groups, [few] * 3 + [many] * 9, scale=1.0, shift=0.0, donor_sd=0.3)
    assert (means.within[0] > 3 * means.residual[0]).mean() > 0.8
    np.testing.assert_allclose(means.residual[0].mean(), 1.0, rtol=0.03)
    assert 0.03 < share_below(means, groups, matched=True) < 0.065


def test_the_overlap_cost_is_what_adjusting_adds_to_the_noise_of_sampling(rng):
    """Both of the difference of unweighted means: the state effect's error over that of cells."""
    n_cells = np.array([20, 40, 60, 80, 30, 50, 70, 90])
    means = adjusted(rng, [0, 1] * 4, n_cells, scale=1.0, shift=0.5, donor_sd=0.1, n_genes=60)
    design = two_group_design([0, 1] * 4)
    found = region_means(means, 0, design, RegionRules(), ("k1", "all"), fixed=True)
    phi = means.phi[:, 0]
    difference = phi[1::2].mean(axis=0) - phi[::2].mean(axis=0)
    expected = means.adjustment_covariance(difference) / (1.0 / n_cells / 16).sum()
    assert found.overlap_cost == pytest.approx(float(expected), rel=1e-9)


def test_few_genes_do_not_weigh_samples(rng):
    """One gene's scatter can say by chance that donors do not differ and only cells count."""
    cells = np.array([1000, 1000, 5, 5])
    contrast = two_group_design([0, 1] * 2).contrast_of()
    below = []
    for _ in range(4000):
        found = region(rng.normal(size=(4, 1)), cells, np.ones(1)).evidence(contrast)
        below.append(found.p[0] < 0.01)
    assert np.mean(below) < 0.02


def test_noise_of_a_full_covariance_is_seen_by_residuals_and_effects(rng):
    contrast = two_group_design([0, 0, 1, 1, 1, 1, 1]).contrast_of()
    root = rng.normal(size=(7, 7))
    draws = root @ rng.normal(size=(7, 400_000))
    covariance = root @ root.T
    assert contrast.effect(draws).var() == pytest.approx(contrast.noise(covariance), rel=0.02)
    seen = contrast.residual_variance(draws).mean()
    assert seen == pytest.approx(contrast.residual_noise(covariance), rel=0.02)


@pytest.mark.parametrize("n_genes", [149, 800])
def test_of_counts_an_effect_is_what_goes_beyond_most_genes(rng, n_genes):
    """All genes move by 0.3, and a third by 1 more: the centre follows the others, if of many."""
    design = two_group_design([0, 0, 0, 1, 1, 1])
    contrast = design.contrast_of(np.ones(6, bool))
    values, within = drawn(rng, [40, 50, 60, 40, 50, 60], n_genes)
    values[3:] += 0.3
    values[3:, : n_genes // 3] += 1.0
    basis = trend_basis(np.log(within), np.log(within))
    plain = region(values, np.array([40, 50, 60, 40, 50, 60]), within, basis)
    centred = replace(plain, centred=True)
    found, given = centred.evidence(contrast), plain.evidence(contrast)
    shift = given.effect - found.effect
    np.testing.assert_allclose(shift, shift[0])
    assert shift[0] == pytest.approx(0.3 if n_genes > 150 else 0.0, abs=0.04)
    np.testing.assert_allclose(found.standard_error, given.standard_error, rtol=1e-9)
    if n_genes > 150:
        assert (given.p[n_genes // 3 :] < 0.05).mean() > 0.5
        assert (found.p[n_genes // 3 :] < 0.05).mean() < 0.08
