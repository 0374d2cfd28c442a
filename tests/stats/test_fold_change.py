import numpy as np

from kompot.stats.fold_change import fold_change_zscores, standard_deviation


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
