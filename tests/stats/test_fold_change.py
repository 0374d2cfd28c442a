import numpy as np
import pytest

import kompot
from kompot.stats.fold_change import (
    abundance_weights,
    compute_weighted_mean_fold_change,
    fold_change_zscores,
    standard_deviation,
)


def test_zscores_divide_by_the_spread_of_the_difference(rng):
    change, std1, std2 = rng.normal(size=(6, 4)), rng.uniform(1, 2, 6), rng.uniform(1, 2, 6)
    expected = change / np.sqrt(std1**2 + std2**2)[:, None]
    np.testing.assert_allclose(fold_change_zscores(change, std1, std2), expected)
    wide = np.tile(std1[:, None], 4), np.tile(std2[:, None], 4)
    np.testing.assert_allclose(fold_change_zscores(change, *wide), expected)


def test_standard_deviation_adds_variances():
    np.testing.assert_allclose(
        standard_deviation(np.array([0.25, 0.0]), np.array([0.5, 0.0]), 0.25), [1.0, 0.5]
    )


def test_weighted_mean_follows_its_formula(rng):
    change, first, second = rng.normal(size=(8, 3)), rng.normal(size=8), rng.normal(size=8)
    weights = np.exp(np.abs(second - first))
    expected = (weights[:, None] * change).sum(axis=0) / weights.sum()
    np.testing.assert_allclose(compute_weighted_mean_fold_change(change, first, second), expected)
    np.testing.assert_allclose(
        compute_weighted_mean_fold_change(change, log_density_diff=first - second), expected
    )
    assert kompot.compute_weighted_mean_fold_change is compute_weighted_mean_fold_change


def test_equal_abundance_gives_the_plain_mean(rng):
    change, density = rng.normal(size=(8, 3)), rng.normal(size=8)
    np.testing.assert_allclose(
        compute_weighted_mean_fold_change(change, density, density), change.mean(axis=0)
    )


def test_huge_changes_of_abundance_do_not_overflow():
    weights = abundance_weights(np.array([-2000.0, 1999.0, 0.0]))
    np.testing.assert_allclose(weights, [1.0, np.exp(-1), 0.0])
    assert len(abundance_weights(np.empty(0))) == 0


@pytest.mark.parametrize(
    ("densities", "match"),
    [
        ({}, "Give either"),
        ({"log_density_condition1": [0.0, 0.0]}, "Give either"),
        ({"log_density_condition1": [0, 0], "log_density_diff": [0, 0]}, "Give either"),
        ({"log_density_condition1": [0.0], "log_density_condition2": [0, 0]}, "different shapes"),
        ({"log_density_diff": [0.0]}, r"shape \(2, 1\) and densities of shape \(1,\)"),
        ({"log_density_diff": [0.0, np.nan]}, "NaN or infinite in 1 of 2 cells"),
    ],
)
def test_densities_that_cannot_be_used_are_refused(densities, match):
    with pytest.raises(ValueError, match=match):
        compute_weighted_mean_fold_change([[1.0], [2.0]], **densities)
