from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import isotonic_regression
from scipy.stats import false_discovery_control

from kompot.stats import fdr
from kompot.stats.fdr import (
    benjamini_hochberg,
    empirical_p_values,
    grenander_density,
    local_fdr,
    null_proportion,
    significance,
)

# Recorded by running fdrtool/fdrtool_reference.R; the first line names the versions.
FDRTOOL = pd.read_csv(Path(__file__).parent / "fdrtool" / "fdrtool_reference.csv", comment="#")


def mixture(rng, n_genes, n_changed, shift=3.5):
    """Squared normals, of which the first `n_changed` are shifted, as (statistic, is_null)."""
    z = rng.normal(size=n_genes)
    z[:n_changed] += rng.normal(shift, 1, size=n_changed)
    return z**2, np.arange(n_genes) >= n_changed


def discrete_p_values(rng, n_genes, n_null):
    return np.ceil((1 + n_null) * rng.uniform(size=n_genes)) / (1 + n_null)


def fdrtool_local_fdr(p, pi0):
    """The conventions of fdrtool: slopes from the right, and a density of at least `pi0`."""
    p = np.where(np.asarray(p) < 1e-290, 0.0, p)
    knots, cdf = fdr._empirical_distribution(p)
    density = fdr._concave_majorant(knots, np.minimum(cdf, (1 - pi0) + pi0 * knots))
    step = np.searchsorted(density.knots, p, side="right") - 1
    return pi0 / np.maximum(density.slope[np.minimum(step, len(density.slope) - 1)], pi0)


# Empirical p-values


def test_empirical_p_values_equal_their_definition_with_ties():
    rng = np.random.default_rng(0)
    statistic, null = rng.integers(0, 9, size=50), rng.integers(0, 9, size=30)
    expected = [(1 + np.sum(null >= d)) / 31 for d in statistic]
    np.testing.assert_allclose(empirical_p_values(statistic, null), expected, rtol=1e-15)


def test_statistic_beyond_the_null_gets_smallest_p_value():
    p = empirical_p_values([5.0, np.inf, 0.0, -np.inf], null=[1.0, 2.0, 3.0])
    np.testing.assert_array_equal(p, [0.25, 0.25, 1.0, 1.0])


def test_null_p_values_are_uniform_on_their_lattice():
    rng = np.random.default_rng(1)
    draws = rng.gamma(2, size=(20_000, 20))
    p = np.array([empirical_p_values(row[:1], row[1:])[0] for row in draws])
    share = np.bincount(np.rint(20 * p).astype(int), minlength=21)[1:] / p.size
    np.testing.assert_allclose(share, 1 / 20, atol=5 * np.sqrt(0.05 / p.size))


# Grenander density


@pytest.mark.parametrize("n_null", [None, 100, 7])
def test_density_never_increases_and_integrates_to_one(n_null):
    rng = np.random.default_rng(2)
    p = rng.beta(0.4, 2, size=300)
    if n_null:
        p = np.ceil((1 + n_null) * p) / (1 + n_null)
    density = grenander_density(p)
    assert density.knots[0] == 0
    assert density.knots[-1] == 1
    assert np.all(np.diff(density.slope) < 0)
    assert np.sum(density.slope * np.diff(density.knots)) == pytest.approx(1, rel=1e-12)


def test_distribution_function_is_least_concave_majorant():
    rng = np.random.default_rng(3)
    p = np.sort(rng.beta(0.5, 2, size=60))
    density = grenander_density(p)
    x, y = np.r_[0, p, 1], np.r_[0, np.arange(1, 61) / 60, 1]
    # The majorant at a point is the highest chord of the empirical distribution over it.
    left, right = np.triu_indices(x.size, k=1)
    slopes = (y[right] - y[left]) / (x[right] - x[left])
    for point in rng.uniform(size=20):
        over = (x[left] <= point) & (point <= x[right])
        chord = y[left] + slopes * (point - x[left])
        majorant = np.interp(point, density.knots, density.cdf)
        assert majorant == pytest.approx(chord[over].max(), rel=1e-12)


def test_uniform_lattice_has_density_one():
    density = grenander_density(np.arange(1, 102) / 101)
    np.testing.assert_allclose(density([0.0, 0.3, 1.0]), 1, rtol=1e-12)


def test_density_at_a_knot_is_that_of_the_step_that_ends_there():
    density = grenander_density([0.1, 0.2, 0.5, 1.0])
    at_knot, inside = 0.2, 0.3
    np.testing.assert_allclose(density([at_knot, inside]), [2.5, 5 / 6], rtol=1e-12)


def test_zero_p_values_are_a_point_mass():
    density = grenander_density([0.0, 0.0, 0.5, 1.0])
    assert density.cdf[0] == 0.5
    np.testing.assert_array_equal(density([0.0, 0.25, 1.0]), [np.inf, 0.5, 0.5])


def test_denormal_p_values_count_as_zero():
    density = grenander_density([1e-320, 2e-320, 0.5, 1.0])
    assert density.cdf[0] == 0.5
    np.testing.assert_array_equal(local_fdr([1e-320, 2e-320, 0.5, 1.0])[:2], 0)


# Null proportion


@pytest.mark.parametrize("discrete", [False, True])
@pytest.mark.parametrize("n_genes", [10, 100, 2000])
@pytest.mark.parametrize("pi0", [0.3, 0.8])
def test_null_proportion_errs_upwards_but_not_much(pi0, n_genes, discrete):
    rng = np.random.default_rng(4)
    n_changed = round((1 - pi0) * n_genes)
    estimates = []
    for _ in range(300):
        p = np.r_[rng.beta(0.1, 20, size=n_changed), rng.uniform(size=n_genes - n_changed)]
        estimates.append(null_proportion(np.ceil(101 * p) / 101 if discrete else p))
    # The cut at 1 lets few genes with many nulls fall below on average.
    assert pi0 - 0.01 < np.mean(estimates) < pi0 + 0.03 + 1.5 / n_genes
    assert np.std(estimates) < 1 / np.sqrt(n_genes)


def test_null_proportion_of_complete_null_is_nearly_one():
    rng = np.random.default_rng(5)
    for n_null in (20, 100, 2000):
        estimates = [null_proportion(discrete_p_values(rng, 1000, n_null)) for _ in range(100)]
        assert np.mean(estimates) > 0.98


def test_null_proportion_is_never_zero():
    assert null_proportion(np.full(10, 1 / 101)) == pytest.approx(1 / 9)
    assert null_proportion([1.0]) == 1
    assert null_proportion([0.001]) == 1


# Local fdr


@pytest.mark.parametrize("name", FDRTOOL["set"].unique())
def test_local_fdr_agrees_with_fdrtool(name):
    reference = FDRTOOL[FDRTOOL["set"] == name]
    ours = fdrtool_local_fdr(reference["p"], reference["eta0"].iloc[0])
    np.testing.assert_allclose(ours, reference["lfdr"], rtol=0, atol=1e-12)


def test_both_conventions_agree_for_many_continuous_p_values():
    rng = np.random.default_rng(6)
    p = np.r_[rng.beta(0.3, 8, size=8000), rng.uniform(size=12_000)]
    difference = local_fdr(p, 0.6) - fdrtool_local_fdr(p, 0.6)
    assert np.abs(difference).mean() < 0.005


def test_tied_smallest_p_values_are_called():
    # 100 of 1000 genes beyond a null of 2000: fdrtool's convention sees only what lies above.
    rng = np.random.default_rng(7)
    p = np.r_[np.full(100, 1 / 2001), discrete_p_values(rng, 900, 2000)]
    assert local_fdr(p)[:100].max() < 0.01
    assert fdrtool_local_fdr(p, null_proportion(p))[:100].min() > 0.5


def test_unit_null_proportion_does_not_hide_strong_genes():
    rng = np.random.default_rng(8)
    p = np.r_[np.full(5, 1e-12), rng.uniform(size=500)]
    fdr = local_fdr(p, pi0=1)
    assert fdr[:5].max() < 1e-8
    assert fdr[5:].min() > 0.05


def test_local_fdr_is_monotone_bounded_and_follows_its_genes():
    rng = np.random.default_rng(9)
    p = np.r_[0, 1e-300, 1, 1, np.ceil(101 * rng.beta(0.3, 2, size=200)) / 101]
    found = local_fdr(p)
    assert np.all(np.diff(found[np.argsort(p)]) >= 0)
    assert found.min() >= 0
    assert found.max() <= 1
    shuffled = rng.permutation(p.size)
    again = local_fdr(p[shuffled])
    np.testing.assert_array_equal(again, found[shuffled])


def test_last_discovery_is_null_with_probability_alpha():
    rng = np.random.default_rng(10)
    alpha, n_genes, pi0, n_repeats = 0.2, 40, 0.75, 4000
    last_is_null = 0
    for _ in range(n_repeats):
        is_null = rng.uniform(size=n_genes) < pi0
        p = np.where(is_null, rng.uniform(size=n_genes), rng.beta(0.3, 6, size=n_genes))
        called = np.flatnonzero(local_fdr(p, pi0) <= alpha)
        last_is_null += called.size > 0 and is_null[called[np.argmax(p[called])]]
    error = np.sqrt(alpha * (1 - alpha) / n_repeats)
    assert last_is_null / n_repeats == pytest.approx(alpha, abs=4 * error)


# Significance


def test_complete_null_calls_few_genes():
    rng = np.random.default_rng(11)
    called = [
        significance(rng.gamma(2, size=n_genes), rng.gamma(2, size=n_null)).is_de.sum()
        for n_genes, n_null in [(10, 100), (10, 2000), (1000, 100), (1000, 2000)]
        for _ in range(100)
    ]
    assert np.mean(np.array(called) > 0) < 0.03


def test_local_fdr_is_share_of_nulls_in_its_bin():
    rng = np.random.default_rng(12)
    bins = np.array([0, 0.02, 0.1, 0.3, 0.6, 0.9, 1.01])
    fdr, nulls = [], []
    for _ in range(40):
        statistic, is_null = mixture(rng, n_genes=3000, n_changed=900)
        fdr.append(significance(statistic, rng.normal(size=4000) ** 2).local_fdr)
        nulls.append(is_null)
    fdr, nulls = np.concatenate(fdr), np.concatenate(nulls)
    which = np.digitize(fdr, bins) - 1
    n = np.bincount(which, minlength=bins.size - 1)
    assert n.min() > 500
    expected = np.bincount(which, weights=fdr) / n
    np.testing.assert_allclose(np.bincount(which, weights=nulls) / n, expected, atol=0.06)
    assert np.mean(nulls[fdr < 0.05]) < 0.02


def test_significance_holds_its_parts_together():
    rng = np.random.default_rng(13)
    statistic, _ = mixture(rng, n_genes=400, n_changed=100)
    null = rng.normal(size=1000) ** 2
    result = significance(statistic, null, threshold=0.1)
    p = empirical_p_values(statistic, null)
    np.testing.assert_array_equal(result.p_value, p)
    np.testing.assert_allclose(result.tail_fdr, false_discovery_control(p), rtol=1e-14)
    np.testing.assert_array_equal(result.local_fdr, local_fdr(p))
    np.testing.assert_array_equal(result.is_de, result.local_fdr < 0.1)
    assert result.pi0 == null_proportion(p)
    assert 20 < result.is_de.sum() < 100
    assert significance(statistic, null, pi0=1).pi0 == 1


def test_significance_does_not_depend_on_the_scale_of_the_statistic():
    rng = np.random.default_rng(14)
    statistic, null = rng.gamma(2, size=50), rng.gamma(2, size=50)
    a, b = significance(statistic, null), significance(np.exp(statistic), np.exp(null))
    np.testing.assert_array_equal(a.local_fdr, b.local_fdr)


def test_constant_statistics():
    beyond = significance(np.full(20, 5.0), null=np.linspace(0, 1, 200))
    assert beyond.is_de.all()
    within = significance(np.full(20, 5.0), null=np.full(200, 5.0))
    np.testing.assert_array_equal(within.local_fdr, 1.0)
    assert not within.is_de.any()


def test_null_cannot_call_what_it_cannot_resolve():
    rng = np.random.default_rng(15)
    statistic = np.r_[np.full(10, 100.0), rng.gamma(2, size=1000)]
    assert not significance(statistic, rng.gamma(2, size=100)).is_de.any()
    assert significance(statistic, rng.gamma(2, size=20_000)).is_de[:10].all()


@pytest.mark.parametrize(
    ("statistic", "null", "message"),
    [
        ([1.0, np.nan, np.nan], [1.0], r"statistic is NaN at 2 of 3 positions \(1, 2\)"),
        ([1.0], [np.nan], "null is NaN at 1 of 1"),
        ([1.0], [], "null is empty"),
        ([], [1.0], "statistic is empty"),
        ([[1.0]], [1.0], r"statistic has shape \(1, 1\)"),
    ],
)
def test_unusable_values_are_refused(statistic, null, message):
    with pytest.raises(ValueError, match=message):
        significance(statistic, null)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, np.nan])
def test_rates_outside_their_range_are_refused(wrong):
    with pytest.raises(ValueError, match="threshold is"):
        significance([1.0], [1.0], threshold=wrong)
    with pytest.raises(ValueError, match="pi0 is"):
        local_fdr([0.5], pi0=wrong)
    with pytest.raises(ValueError, match="pi0 is"):
        significance([1.0], [1.0], pi0=wrong)


@pytest.mark.parametrize("function", [grenander_density, local_fdr, null_proportion])
@pytest.mark.parametrize("wrong", [[-0.1, 0.5], [0.5, 1.1]])
def test_p_values_outside_their_range_are_refused(function, wrong):
    with pytest.raises(ValueError, match=r"p-values are in \[0, 1\]"):
        function(wrong)


def test_benjamini_hochberg_equals_scipy():
    rng = np.random.default_rng(3)
    for p in (rng.random(200), rng.random(50) ** 4, np.repeat([0.01, 0.5, 1.0], 4), [0.3]):
        expected = false_discovery_control(np.asarray(p), method="bh")
        np.testing.assert_allclose(benjamini_hochberg(p), expected, rtol=1e-14)


def test_density_is_the_antitonic_regression_of_scipy():
    rng = np.random.default_rng(4)
    for p in (rng.random(300), rng.random(300) ** 3, discrete_p_values(rng, 300, 50), np.ones(3)):
        density = grenander_density(p)
        values, counts = np.unique(np.append(p, [0.0, 1.0]), return_counts=True)
        counts[[0, -1]] -= 1
        width = np.diff(values)
        raw = counts[1:] / len(p) / width
        fit = isotonic_regression(raw, weights=width, increasing=False).x
        middle = (values[1:] + values[:-1]) / 2
        np.testing.assert_allclose(density(middle), fit, rtol=1e-9)
