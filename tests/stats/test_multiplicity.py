import numpy as np
import pytest
from scipy import stats

from kompot.stats.fdr import benjamini_hochberg
from kompot.stats.multiplicity import cauchy_combination, weighted_benjamini_hochberg


def test_equal_p_values_combine_to_themselves():
    p = np.array([1e-200, 1e-20, 1e-5, 0.3, 0.9])
    np.testing.assert_allclose(cauchy_combination(np.tile(p, (4, 1))), p, rtol=1e-9)


def test_cauchy_combination_is_the_tail_of_a_cauchy_variable(rng):
    p, weights = rng.uniform(size=(6, 50)), rng.uniform(size=(6, 50))
    statistic = (weights * stats.cauchy.isf(p)).sum(0) / weights.sum(0)
    np.testing.assert_allclose(cauchy_combination(p, weights), stats.cauchy.sf(statistic))


def test_a_tiny_p_value_counts_by_its_share():
    found = cauchy_combination([[1e-250], [0.4]], [1.0, 3.0])
    np.testing.assert_allclose(found, 4e-250, rtol=1e-9)
    assert cauchy_combination([0.0, 0.5])[()] > 0


def test_missing_tests_count_for_nothing():
    p = np.array([[0.02, np.nan], [np.nan, np.nan], [0.3, np.nan]])
    found = cauchy_combination(p, [1.0, 5.0, 2.0])
    np.testing.assert_allclose(found[0], cauchy_combination([0.02, 0.3], [1.0, 2.0]))
    assert np.isnan(found[1])


def test_one_bad_p_value_does_not_outweigh_the_others():
    assert cauchy_combination([1e-12, 1.0]) < 1e-5


def test_combined_p_values_of_dependent_tests_hold_in_the_tail(rng):
    shared = rng.normal(size=200_000)
    z = 0.7 * shared + np.sqrt(1 - 0.49) * rng.normal(size=(5, 200_000))
    p = cauchy_combination(2 * stats.norm.sf(np.abs(z)))
    assert 0.8e-3 < (p < 1e-3).mean() < 1.25e-3


def test_equal_weights_give_benjamini_hochberg(rng):
    p = rng.uniform(size=40) ** 2
    np.testing.assert_allclose(weighted_benjamini_hochberg(p), benjamini_hochberg(p))
    np.testing.assert_allclose(
        weighted_benjamini_hochberg(p, np.full(40, 3.0)), benjamini_hochberg(p)
    )


def test_whole_weights_repeat_hypotheses(rng):
    p, repeats = rng.uniform(size=20) ** 2, rng.integers(1, 5, 20)
    expected = benjamini_hochberg(np.repeat(p, repeats))
    first = np.cumsum(repeats) - repeats
    np.testing.assert_allclose(weighted_benjamini_hochberg(p, repeats), expected[first])


def test_missing_and_weightless_hypotheses_are_left_out():
    found = weighted_benjamini_hochberg([0.01, np.nan, 0.02, 0.5], [1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(found[[0, 3]], benjamini_hochberg([0.01, 0.5]))
    assert np.isnan(found[[1, 2]]).all()


@pytest.mark.parametrize("n", [0, 1])
def test_few_hypotheses(n):
    np.testing.assert_array_equal(weighted_benjamini_hochberg(np.full(n, 0.2)), np.full(n, 0.2))
