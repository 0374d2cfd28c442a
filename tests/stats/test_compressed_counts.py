import numpy as np

from kompot.stats.compressed_counts import compressed, expanded, expansion


def test_expanding_undoes_compressing():
    counts = np.array([[0.0, 1e-9, 0.3], [1.0, 40.0, 5e4]])
    np.testing.assert_allclose(expanded(compressed(counts)), counts, rtol=1e-12)
    np.testing.assert_allclose(compressed(7.0 * counts, unit=7.0), compressed(counts), rtol=1e-12)


def test_few_counts_are_as_they_are_and_many_are_logarithms():
    few, many = np.array([1e-4, 0.01, 0.1]), np.array([1e5, 2e5, 4e5])
    np.testing.assert_allclose(compressed(few), few, rtol=0.004)
    np.testing.assert_allclose(np.diff(compressed(many)), 16 * np.log(2), rtol=1e-3)


def test_means_of_many_counts_are_geometric_and_of_few_arithmetic(rng):
    many = rng.lognormal(9, 1, 2000)
    geometric = np.exp(np.log(many).mean())
    np.testing.assert_allclose(expanded(compressed(many).mean()), geometric, rtol=0.01)
    few = rng.poisson(0.2, 2000).astype(float)
    np.testing.assert_allclose(expanded(compressed(few).mean()), few.mean(), rtol=0.04)


def test_the_derivative_is_that_of_expanding():
    values = np.array([0.0, 0.2, 3.0, 90.0])
    slope = (expanded(values + 1e-6) - expanded(values - 1e-6)) / 2e-6
    np.testing.assert_allclose(expansion(values), slope, rtol=1e-7)
