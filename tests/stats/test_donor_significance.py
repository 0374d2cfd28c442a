"""Regions of several levels put together, and p-values made uniform."""

from dataclasses import replace

import numpy as np
import pytest

from kompot.stats.design import paired_design, two_group_design
from kompot.stats.donor_significance import (
    CombinedEvidence,
    _covered_by_adjusted,
    _share_that_overlaps,
    combine_regions,
    null_p_values,
    rescale_bulk,
)
from kompot.stats.multiplicity import cauchy_combination
from kompot.stats.region_evidence import RegionMeans
from kompot.stats.regions import Level


def region(name, values, genes, *, status="adjusted", counts=True):
    """A region in which all samples take part and some genes are tested."""
    n_samples = len(values)
    return RegionMeans(
        name, "level", 10, np.ones(n_samples, bool), 0.0, status, n_samples - 2,
        np.asarray(genes), values, None, None, np.full(n_samples, 10.0),
        np.eye(n_samples) / 10.0, counts=counts,
    )  # fmt: skip


LEVELS = (
    Level("one", np.array([0, 0, 0, 0, 0, 0]), ("all",), weight=3.0),
    Level("two", np.array([0, 0, 0, 1, -1, -1]), ("a", "b", "empty"), weight=1.0),
)


def test_share_of_cells_in_adjusted_regions_of_any_level(rng):
    status = {"all": "unadjusted", "a": "adjusted", "b": "dropped", "empty": "adjusted"}
    regions = [region(n, np.ones((4, 1)), [0], status=s) for n, s in status.items()]
    assert _covered_by_adjusted(regions, LEVELS).tolist() == [0.5, 1.0, 0.0, 0.0]
    status["b"] = "adjusted"
    regions = [region(n, np.ones((4, 1)), [0], status=s) for n, s in status.items()]
    np.testing.assert_allclose(_covered_by_adjusted(regions, LEVELS), [4 / 6, 1, 1, 0])


def test_share_of_cells_in_adjusted_clusters_is_a_mean_over_levels():
    def of(level, *statuses):
        means = [region(level, np.ones((4, 1)), [0], status=s) for s in statuses]
        return [replace(found, level=level) for found in means]

    levels = [
        replace(LEVELS[0], fixed=True, name="k1"),
        *(replace(LEVELS[1], name=n) for n in "ab"),
    ]
    regions = [*of("k1", "adjusted"), *of("a", "adjusted", "not estimable", "standardised")]
    regions += of("b", "adjusted", "few genes", "dropped")
    assert _share_that_overlaps(regions, levels) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert _share_that_overlaps(regions[:1], levels[:1]) == 1.0


def test_levels_share_their_weight_among_the_regions_in_which_a_gene_is_tested(rng):
    design = two_group_design([0, 0, 0, 1, 1, 1])
    values = rng.normal(size=(4, 6, 3))
    regions = [
        region("all", values[0], [0, 1, 2]),
        region("a", values[1][:, :2], [0, 1]),
        region("b", values[2][:, :1], [0]),
        region("empty", values[3], [0, 1, 2], counts=False),
    ]
    found = combine_regions(regions, LEVELS, design, 4)
    p = found.region_p
    assert np.isnan(p[:, 3]).all()
    assert np.isnan(p[1:3, 2]).all()
    assert np.isfinite(p[3, :3]).all()
    np.testing.assert_allclose(found.p[0], cauchy_combination(p[:3, 0], [3.0, 0.5, 0.5]))
    np.testing.assert_allclose(found.p[1], cauchy_combination(p[:2, 1], [3.0, 1.0]))
    np.testing.assert_allclose(found.p[2], p[0, 2])
    assert np.isnan(found.p[3])
    contrast = design.contrast_of()
    np.testing.assert_allclose(found.region_effect[0, :3], contrast.effect(values[0]))


def test_the_strongest_region_is_one_that_counts():
    p = np.array([[0.5, np.nan, np.nan], [0.2, 0.3, np.nan], [0.01, 0.01, 0.01]])
    counts = np.array([True, True, False])
    found = CombinedEvidence(np.array([0.3, 0.3, np.nan]), p, p, p, counts)
    assert found.strongest.tolist() == [1, 1, -1]


def test_bulk_becomes_uniform_and_the_tail_stays(rng):
    null = rng.beta(2, 1, 20_000)  # too many near one
    p = rng.beta(2, 1, 5000)
    found = rescale_bulk(p, null)
    tail = p <= 0.05
    np.testing.assert_array_equal(found[tail], p[tail])
    expected = 0.05 + 0.95 * (p**2 - 0.05**2) / (1 - 0.05**2)
    np.testing.assert_allclose(found[~tail], expected[~tail], atol=0.02)
    assert np.isnan(rescale_bulk(np.array([np.nan]), null)).all()


@pytest.mark.parametrize(("n_null", "changed"), [(999, False), (1000, True)])
def test_few_null_p_values_change_nothing(rng, n_null, changed):
    p, null = np.linspace(0.1, 0.9, 9), np.r_[rng.beta(3, 1, n_null), np.full(5, np.nan)]
    assert np.array_equal(rescale_bulk(p, null), p) != changed


def test_a_null_within_the_tail_changes_nothing():
    p = np.linspace(0.01, 1, 50)
    np.testing.assert_array_equal(rescale_bulk(p, np.full(2000, 0.01)), p)


@pytest.mark.parametrize(("n_genes", "n_draws"), [(20_000, 2), (6000, 4), (10, 5), (1, 5)])
def test_as_many_draws_as_make_twenty_thousand_p_values(n_genes, n_draws):
    design = two_group_design([0, 0, 0, 1, 1, 1])
    nothing = [region("all", np.zeros((6, 0)), [])]
    found = null_p_values(nothing, LEVELS[:1], design, n_genes)
    assert found.shape == (n_draws, n_genes)
    assert null_p_values(nothing, LEVELS[:1], design, n_genes, n_draws=3).shape == (3, n_genes)


def test_one_degree_of_freedom_gives_no_null():
    design = paired_design([0, 1, 0, 1], list("aabb"))
    assert design.degrees_of_freedom == 1
    assert null_p_values([], LEVELS[:1], design, 7).shape == (0, 7)
