import numpy as np
import pytest

from kompot.stats.ancova import RIDGES, adjusted_means
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level


def summed(phi, values, sample, labels):
    index = RegionIndex.of([Level("level", labels, ("a", "b", "c"))])
    sums = RegionSums.zeros(sample.max() + 1, index.n_regions, phi.shape[1], values.shape[1])
    for s in range(sample.max() + 1):
        cells = np.flatnonzero(sample == s)
        sums.add(s, RegionSums.of(index.indicator(cells), phi[cells], values[cells]))
    return sums


def adjust(phi, values, sample, labels, ridge=None):
    sums = summed(phi, values, sample, labels)
    squares = (values**2).sum(0)
    return adjusted_means(phi.T @ phi, phi.T @ values, squares, sums, n_regions=3, ridge=ridge)


@pytest.fixture
def cells(rng):
    """120 cells in 4 samples and 3 regions (no cell of sample 3 in region 2), 5 genes."""
    phi, sample, labels = rng.normal(size=(120, 7)), rng.integers(4, size=120), None
    labels = rng.integers(3, size=120)
    labels[(sample == 3) & (labels == 2)] = 0
    values = phi @ rng.normal(size=(7, 5)) * 0.5 + rng.normal(size=(120, 5))
    return phi, values, sample, labels


def centred(values, sample, labels):
    result = values.copy()
    for pair in np.unique(np.stack([sample, labels]), axis=1).T:
        chosen = (sample == pair[0]) & (labels == pair[1])
        result[chosen] -= values[chosen].mean(0)
    return result


def test_means_are_adjusted_by_the_ridge_regression_within_samples_and_regions(cells):
    phi, values, sample, labels = cells
    within, residual = centred(phi, sample, labels), centred(values, sample, labels)
    slope = np.linalg.solve(within.T @ within + 0.3 * np.eye(7), within.T @ residual)
    found = adjust(*cells, ridge=0.3)
    for k in range(3):
        middle = phi[labels == k].mean(0)
        for s in range(4):
            chosen = (sample == s) & (labels == k)
            assert found.n_cells[s, k] == chosen.sum()
            if not chosen.any():
                continue
            raw = values[chosen].mean(0)
            np.testing.assert_allclose(found.raw[s, k], raw)
            expected = raw - (phi[chosen].mean(0) - middle) @ slope
            np.testing.assert_allclose(found.adjusted[s, k], expected)
    direction = np.arange(7.0)
    inverse = np.linalg.inv(within.T @ within + 0.3 * np.eye(7))
    np.testing.assert_allclose(
        found.adjustment_covariance(direction), direction @ inverse @ direction
    )


@pytest.mark.parametrize("signal", [0.0, 0.05, 0.2, 1.0])
@pytest.mark.parametrize("width", [0.1, 1.0, 10.0])
def test_the_ridge_is_that_of_generalised_cross_validation(rng, signal, width):
    phi, sample, labels = (
        width * rng.normal(size=(60, 7)),
        np.arange(60) % 4,
        rng.integers(3, size=60),
    )
    labels[(sample == 3) & (labels == 2)] = 0
    labels[3] = 2  # the only cell of its sample there
    values = phi / width @ rng.normal(size=(7, 5)) * signal + rng.normal(size=(60, 5))
    within, residual = centred(phi, sample, labels), centred(values, sample, labels)
    n_free = 60 - 12  # means of samples in regions
    criterion = []
    for ridge in RIDGES:
        smoother = within @ np.linalg.solve(within.T @ within + ridge * np.eye(7), within.T)
        left = ((residual - smoother @ residual) ** 2).sum(0) / n_free
        criterion.append(np.log(left / (1 - np.trace(smoother) / n_free) ** 2).mean())
    found = adjust(phi, values, sample, labels)
    assert found.ridge == RIDGES[np.argmin(criterion)]
    smoother = within @ np.linalg.solve(within.T @ within + found.ridge * np.eye(7), within.T)
    np.testing.assert_allclose(found.freedom, np.trace(smoother))


def test_state_effects_are_removed_and_differences_between_samples_stay(rng):
    sample, labels = np.repeat([0, 1, 2, 3], 100), np.tile([0, 1, 2, 0], 100)
    phi = rng.normal(size=(400, 4)) + np.array([0.0, 2.0, -1.0, 3.0])[sample][:, None]
    slope, shift = rng.normal(size=(4, 6)), rng.normal(size=(4, 6))
    found = adjust(phi, phi @ slope + shift[sample], sample, labels, ridge=1e-9)
    middle = np.stack([phi[labels == k].mean(0) for k in range(3)])
    expected = shift[:, None, :] + (middle @ slope)[None]
    np.testing.assert_allclose(found.adjusted, expected, atol=1e-8)
    assert np.abs(found.raw - expected).max() > 1


def test_variance_within_is_pooled_over_samples(cells):
    _, values, sample, labels = cells
    residual = centred(values, sample, labels)
    found = adjust(*cells)
    for k in range(3):
        chosen = labels == k
        pooled = (residual[chosen] ** 2).sum(0) / (chosen.sum() - len(np.unique(sample[chosen])))
        np.testing.assert_allclose(found.within[k], pooled)
        np.testing.assert_allclose(found.mean[k], values[chosen].mean(0))


def test_cells_in_no_region_still_tell_of_the_state_effect(cells):
    phi, values, sample, labels = cells
    whole = adjust(phi, values, sample, labels)
    without = np.where(labels == 2, -1, labels)
    part = adjust(phi, values, sample, without)
    np.testing.assert_allclose(part.adjusted[:, :2], whole.adjusted[:, :2])
    assert not part.n_cells[:, 2].any()


def test_fewer_cells_than_means_are_not_adjusted_blindly(rng):
    phi, values = rng.normal(size=(4, 7)), rng.normal(size=(4, 5))
    found = adjust(phi, values, np.arange(4), np.zeros(4, np.intp))
    np.testing.assert_allclose(found.adjusted[:, 0], values)  # nothing varies within a sample
    assert found.ridge == RIDGES[0]


def test_variance_within_keeps_the_units_of_small_values(cells):
    phi, values, sample, labels = cells
    small = adjust(phi, 1e-3 * values, sample, labels, ridge=0.3)
    large = adjust(phi, values, sample, labels, ridge=0.3)
    np.testing.assert_allclose(small.within, 1e-6 * large.within)


def test_covariance_of_adjustments_is_that_of_all_pairs(cells):
    found = adjust(*cells, ridge=0.3)
    directions = np.random.default_rng(1).normal(size=(3, 7))
    matrix = found.adjustment_covariance(directions)
    assert matrix.shape == (3, 3)
    for i in range(3):
        assert found.adjustment_covariance(directions[i]) == pytest.approx(matrix[i, i])
        both = found.adjustment_covariance(directions[i] + directions[0])
        expected = matrix[i, i] + matrix[0, 0] + 2 * matrix[i, 0]
        assert both == pytest.approx(expected)


def test_residual_variance_is_that_of_the_ridge_regression(rng):
    """In one region: the residual sum of squares over cells less effective freedom."""
    phi, sample = rng.normal(size=(200, 4)), rng.integers(3, size=200)
    labels = np.zeros(200, np.intp)
    values = phi @ rng.normal(size=(4, 6)) * 2.0 + rng.normal(size=(200, 6))
    found = adjust(phi, values, sample, labels, ridge=0.3)
    within, residual = centred(phi, sample, labels), centred(values, sample, labels)
    gram = within.T @ within
    hat = np.linalg.solve(gram + 0.3 * np.eye(4), gram)
    left = residual - within @ np.linalg.solve(gram + 0.3 * np.eye(4), within.T @ residual)
    expected = (left**2).sum(axis=0) / (200 - 3 - np.trace(hat))
    np.testing.assert_allclose(found.residual[0], expected, rtol=1e-8)


def test_weights_of_cells_are_numbers_of_equal_cells(cells, rng):
    """A cell of weight 2 is as two cells of weight 1, and scaled rows stand for weights."""
    phi, values, sample, labels = cells
    twice = rng.random(120) < 0.4
    root = np.sqrt(1.0 + twice)
    index = RegionIndex.of([Level("level", labels, ("a", "b", "c"))])
    sums = RegionSums.zeros(4, index.n_regions, 7, 5)
    for s in range(4):
        mine = np.flatnonzero(sample == s)
        scaled = root[mine, None] * phi[mine], root[mine, None] * values[mine]
        sums.add(s, RegionSums.of(index.indicator(mine), *scaled, root[mine]))
    p, y = root[:, None] * phi, root[:, None] * values
    found = adjusted_means(p.T @ p, p.T @ y, (y**2).sum(0), sums, n_regions=3, ridge=0.3)
    copies = np.repeat(np.arange(120), 1 + twice)
    wanted = adjust(phi[copies], values[copies], sample[copies], labels[copies], ridge=0.3)
    np.testing.assert_allclose(found.weight, wanted.n_cells)
    for name in ("phi", "raw", "adjusted", "mean", "inverse_root"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), atol=1e-10)
    assert (found.n_cells <= wanted.n_cells).all()


def test_a_ridge_that_was_chosen_is_divided_to_leave_less_bias(cells):
    phi, values, sample, labels = cells
    sums = summed(phi, values, sample, labels)
    given = phi.T @ phi, phi.T @ values, (values**2).sum(0), sums
    chosen = adjusted_means(*given, n_regions=3)
    found = adjusted_means(*given, n_regions=3, undersmoothing=10.0)
    assert found.ridge == chosen.ridge / 10
    assert found.freedom > chosen.freedom
    wanted = adjusted_means(*given, n_regions=3, ridge=chosen.ridge / 10)
    np.testing.assert_allclose(found.adjusted, wanted.adjusted)
    assert adjusted_means(*given, n_regions=3, ridge=0.3, undersmoothing=10.0).ridge == 0.3
