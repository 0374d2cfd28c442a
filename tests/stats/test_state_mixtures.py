"""Samples as mixtures of cell states."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from kompot.stats.ancova import adjusted_means
from kompot.stats.compressed_counts import compressed, expanded
from kompot.stats.design import two_group_design
from kompot.stats.log_means import log_means
from kompot.stats.region_evidence import RegionRules, region_means
from kompot.stats.region_sums import RegionSums
from kompot.stats.state_mixtures import fit_mixtures, known_clusters, mixture_means

GROUPS = np.array([0, 0, 0, 1, 1, 1])


@pytest.fixture
def profiles(rng):
    """What 4 clusters express of 400 genes."""
    return rng.gamma(1.0, 2.0, (4, 400))


def test_shares_are_found_again(rng, profiles):
    shares = rng.dirichlet(np.ones(4), 6)
    shares[0, 2] = 0.0
    found = fit_mixtures(1.3 * shares @ profiles, profiles, rng.uniform(0.5, 2.0, 400))
    np.testing.assert_allclose(found, 1.3 * shares, atol=1e-4)


def test_shares_are_those_of_bounded_least_squares(rng, profiles):
    observed = rng.gamma(2.0, 1.0, (3, 400))
    observed[0] = -1.5 * profiles[1] + 0.8 * profiles[2]
    error = rng.uniform(0.5, 2.0, 400)
    error[:5] = 0.0
    found = fit_mixtures(observed, profiles, error)
    scaled = profiles[:, 5:] / error[5:]
    for row, target in zip(found, observed[:, 5:] / error[5:], strict=True):
        expected = lsq_linear(scaled.T, target, bounds=(0, np.inf), method="bvls").x
        np.testing.assert_allclose(row, expected, atol=1e-4)
    assert found.min() == 0.0
    assert found[0, 1] == 0.0


def test_clusters_that_express_the_same_share_what_they_explain(profiles):
    twice = np.vstack([profiles, profiles[:1]])
    found = fit_mixtures(profiles[:1], twice, np.ones(400))
    np.testing.assert_allclose(found[0, [0, 4]], 0.5, atol=1e-3)


def cells_in(profiles, rng, *, shares, n_cells=240, of_side=None):
    """Means of all cells and sums in clusters; clusters of the sides are apart.

    Parameters
    ----------
    profiles
        What clusters express; each side has its own.
    rng
        Of the order of cells.
    shares
        Of the clusters in each sample.
    n_cells
        Cells of a sample.
    of_side
        Factors of the genes in side 1.
    """
    n_samples, n_genes = len(GROUPS), profiles.shape[1]
    whole = RegionSums.zeros(n_samples, 1, 1, n_genes)
    clusters = RegionSums.zeros(n_samples, 8, 1, n_genes)
    for s, side in enumerate(GROUPS):
        numbers = np.round(n_cells * shares[s])
        values = numbers[:, None] * profiles * (1.0 if side == 0 or of_side is None else of_side)
        places = slice(4 * side, 4 * side + 4)
        clusters.n_cells[s, places] = clusters.weight[s, places] = numbers
        clusters.values[s, places] = values
        whole.n_cells[s] = whole.weight[s] = numbers.sum()
        whole.values[s, 0] = values.sum(axis=0)
        whole.squares[0] += (numbers[:, None] * (profiles**2 + profiles)).sum(axis=0)
    whole.expressing += 100
    squares = whole.squares[0]
    return adjusted_means(
        np.ones((1, 1)), np.zeros((1, n_genes)), squares, whole, n_regions=1, ridge=1.0
    ), clusters


def baseline(means, clusters, groups=GROUPS, genes=None):
    genes = np.arange(means.raw.shape[2]) if genes is None else genes
    second = np.asarray(groups) == 1
    return mixture_means(means, 0, np.ones(len(groups), bool), second, genes, clusters=clusters)


SHARES = np.array([[4, 3, 2, 1]] * 3 + [[1, 2, 3, 4]] * 3) / 10


def test_another_mixture_is_no_difference(rng, profiles):
    means, clusters = cells_in(profiles, rng, shares=SHARES)
    found = baseline(means, clusters)
    assert np.ptp(means.raw[:, 0], axis=0).max() > 1.0
    np.testing.assert_allclose(means.raw[:, 0], found.means, atol=1e-3)


def test_another_mixture_is_no_difference_of_logarithms_of_counts(rng, profiles):
    values = compressed(profiles)
    means, clusters = cells_in(values, rng, shares=SHARES)
    means = log_means(means, np.log([1.0, 1.0, 1.3, 0.8, 1.0, 1.0]))
    found = baseline(means, clusters)
    before, left = means.raw[:, 0], means.raw[:, 0] - found.means
    assert np.ptp(before, axis=0).max() > 1.0
    # what is left is the correction of the bias of logarithms
    assert np.ptp(left[:, expanded(values.mean(axis=0)) > 1.0], axis=0).max() < 0.02


def test_what_a_few_genes_do_beyond_the_mixture_stays(rng, profiles):
    factor = np.ones(400)
    factor[:20] = 1.5
    means, clusters = cells_in(profiles, rng, shares=SHARES, of_side=factor)
    found = baseline(means, clusters)
    left = np.diff((means.raw[:, 0] - found.means).reshape(2, 3, 400).mean(axis=1), axis=0)[0]
    by_states = 0.5 * (SHARES[0] + SHARES[3]) @ profiles  # of either side, half each
    np.testing.assert_allclose(left[:20], 0.5 * by_states[:20], rtol=0.15)
    assert np.abs(left[20:] / by_states[20:]).max() < 0.1


def test_sides_count_alike(rng, profiles):
    factor = rng.lognormal(0.0, 0.3, 400)
    means, clusters = cells_in(profiles, rng, shares=SHARES, of_side=factor)
    one, other = baseline(means, clusters), baseline(means, clusters, 1 - GROUPS)
    np.testing.assert_allclose(one.means, other.means)
    np.testing.assert_allclose(one.noise, other.noise)


def test_noise_is_that_of_the_cells_that_mixtures_are_made_of(rng, profiles):
    alone = np.eye(4)[[0] * 6]
    means, clusters = cells_in(profiles, rng, shares=alone)
    found = baseline(means, clusters)
    # a quarter of 1 / 720 from each side, whatever the sample
    np.testing.assert_allclose(found.noise, 0.25 * 2 / 720, rtol=1e-3)


def test_mixtures_share_what_both_sides_have(rng, profiles):
    means, clusters = cells_in(profiles, rng, shares=SHARES)
    assert baseline(means, clusters).shared == pytest.approx(0.6, abs=0.01)
    unlike = 0.025 + 0.9 * np.eye(4)[[0, 0, 0, 3, 3, 3]]
    assert baseline(*cells_in(profiles, rng, shares=unlike)).shared == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("least", "fixed", "status"),
    [(0.55, False, "standardised"), (0.65, False, "dropped"), (0.65, True, "standardised")],
)
def test_a_cluster_of_unlike_mixtures_is_dropped(rng, profiles, least, fixed, status):
    means, clusters = cells_in(profiles, rng, shares=SHARES)
    rules = RegionRules(max_overlap_cost=-1.0, min_shared=least)
    found = region_means(
        *(means, 0, two_group_design(GROUPS), rules, ("level", "region")),
        fixed=fixed,
        clusters=clusters,
    )
    assert found.status == status
    assert len(found.genes) == found.values.shape[1] == (0 if status == "dropped" else 400)


def test_clusters_of_one_sample_say_nothing(rng, profiles):
    """Such a cluster would explain its sample by itself, with all that is its own."""
    alone = 0.1 * np.eye(4)[[0, 1, 2] * 2] + 0.9 * np.eye(4)[[3] * 6]
    means, clusters = cells_in(profiles, rng, shares=alone)
    assert known_clusters(clusters, GROUPS == 0).tolist() == [False] * 3 + [True] + [False] * 4
    assert baseline(means, clusters) is not None
    alone = 0.3 * np.eye(4)[[0, 1, 2] * 2] + 0.7 * np.eye(4)[[3] * 6]
    means, clusters = cells_in(profiles, rng, shares=alone)
    assert known_clusters(clusters, GROUPS == 0) is None
    assert baseline(means, clusters) is None


@pytest.mark.parametrize(("n_present", "status"), [(2, "standardised"), (1, "dropped")])
def test_a_cluster_of_few_samples_is_not_standardised(rng, profiles, n_present, status):
    means, clusters = cells_in(profiles, rng, shares=SHARES)
    few = means.sums.n_cells.copy()
    few[n_present:3] = 1.0
    means = replace(means, sums=replace(means.sums, n_cells=few))
    rules = RegionRules(max_overlap_cost=-1.0, min_shared=0.0)
    design = two_group_design(GROUPS)
    found = region_means(
        *(means, 0, design, rules, ("level", "region")), fixed=False, clusters=clusters
    )
    assert found.status == status


def test_few_genes_or_cells_make_no_mixture(rng, profiles):
    means, clusters = cells_in(profiles, rng, shares=SHARES)
    assert baseline(means, clusters, genes=np.arange(150)) is not None
    assert baseline(means, clusters, genes=np.arange(149)) is None
    means, clusters = cells_in(profiles, rng, shares=SHARES, n_cells=6)
    assert clusters.n_cells.sum(axis=0).max() < 10
    assert baseline(means, clusters) is None
