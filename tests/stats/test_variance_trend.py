import numpy as np

from kompot.stats.variance_trend import spline_columns, trend_basis, variance_trend


def test_splines_are_linear_beyond_the_outer_knots(rng):
    x = np.sort(rng.normal(size=300))
    columns = spline_columns(x)
    assert columns.shape == (300, 4)
    low, high = np.quantile(x, [0.05, 0.95])
    for outside in (x < low, x > high):
        line = np.column_stack([np.ones(outside.sum()), x[outside]])
        fit = line @ np.linalg.lstsq(line, columns[outside], rcond=None)[0]
        np.testing.assert_allclose(columns[outside], fit, atol=1e-9)


def test_splines_are_smooth_between_knots():
    x = np.linspace(-1, 1, 4001)
    second = np.diff(spline_columns(x), 2, axis=0) / (x[1] - x[0]) ** 2
    assert np.abs(np.diff(second, axis=0)).max() < 0.01 * np.abs(second).max()  # no jumps


def test_few_distinct_values_have_few_columns():
    two = np.repeat([1.0, 2.0], [25, 20])
    assert spline_columns(two).shape == (45, 1)
    assert trend_basis(np.ones(45), two).shape == (45, 2)


def test_basis_is_orthonormal_and_holds_the_covariates(rng):
    x, y = rng.normal(size=(2, 200))
    basis = trend_basis(x, y)
    np.testing.assert_allclose(basis.T @ basis, np.eye(9), atol=1e-10)
    for covariate in (x, y, np.ones(200)):
        np.testing.assert_allclose(basis @ (basis.T @ covariate), covariate, atol=1e-9)


def test_trend_follows_the_true_variance(rng):
    x, y = rng.normal(size=(2, 20_000))
    truth = np.exp(0.5 * x - 0.3 * y**2)
    variance = truth * rng.chisquare(3, 20_000) / 3
    found = variance_trend(variance, 3, trend_basis(x, y))
    inner = (np.abs(x) < 1.5) & (np.abs(y) < 1.5)
    assert np.abs(np.log(found / truth))[inner].max() < 0.15
    assert np.median(found / truth) - 1 < 0.03


def test_trend_scales_with_the_variance_and_ignores_outliers(rng):
    x, y = rng.normal(size=(2, 500))
    variance, basis = rng.chisquare(4, 500), trend_basis(x, y)
    plain = variance_trend(variance, 4, basis)
    np.testing.assert_allclose(variance_trend(variance * 7, 4, basis), 7 * plain)
    wild = variance.copy()
    wild[0] *= 1e12
    assert np.abs(np.log(variance_trend(wild, 4, basis) / plain))[1:].max() < 0.4


def test_a_basis_of_one_covariate_is_orthonormal_and_holds_it(rng):
    x = rng.normal(size=50)
    basis = trend_basis(x)
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)
    for held in (np.ones(50), x):
        np.testing.assert_allclose(basis @ (basis.T @ held), held, atol=1e-10)
