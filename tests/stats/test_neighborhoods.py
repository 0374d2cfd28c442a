import numpy as np
import pytest

from kompot.stats import kmeans
from kompot.stats.neighborhoods import count_neighborhoods, neighborhood_size


@pytest.fixture
def cells(rng):
    return rng.normal(size=(900, 4)), rng.integers(5, size=900)


def test_neighborhoods_hold_the_nearest_cells(cells):
    coordinates, sample = cells
    found = count_neighborhoods(coordinates, sample, 5)
    assert found.counts.shape == (5, 45)
    assert found.size == 45
    np.testing.assert_array_equal(found.counts.sum(axis=0), found.size)
    assert found.share.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(np.bincount(found.anchor) / 900, found.share)
    for anchor in (0, 20):
        center = coordinates[found.anchor == anchor].mean(axis=0)
        distance = np.linalg.norm(coordinates - center, axis=1)
        nearest = sample[np.argsort(distance)[: found.size]]
        off = np.abs(np.bincount(nearest, minlength=5) - found.counts[:, anchor]).sum()
        assert off <= 8  # the centre of k-means is that of its cells up to its tolerance


def test_many_cells_give_nearly_the_same_neighborhoods(cells, monkeypatch):
    coordinates, sample = cells
    whole = count_neighborhoods(coordinates, sample, 5)
    monkeypatch.setattr(kmeans, "_FITTED_CELLS", 500)
    monkeypatch.setattr(kmeans, "_CHUNK", 128)
    part = count_neighborhoods(coordinates, sample, 5)
    assert part.counts.shape == whole.counts.shape
    np.testing.assert_array_equal(part.counts.sum(axis=0), part.size)
    nearest = np.linalg.norm(coordinates - _centers(coordinates, part)[part.anchor], axis=1)
    usual = np.linalg.norm(coordinates - _centers(coordinates, whole)[whole.anchor], axis=1)
    assert nearest.mean() < 1.15 * usual.mean()


def _centers(coordinates, found):
    return np.array([coordinates[found.anchor == k].mean(axis=0) for k in range(len(found.share))])


def test_few_or_equal_cells_have_few_anchors(rng):
    sample = np.repeat([0, 1], 20)
    assert count_neighborhoods(rng.normal(size=(40, 2)), sample, 2).counts.shape == (2, 2)
    same = count_neighborhoods(np.ones((40, 2)), sample, 2)
    np.testing.assert_array_equal(same.counts.sum(), same.size)
    assert same.counts.shape == (2, 1)


@pytest.mark.parametrize(
    ("n_cells", "n_samples", "size"),
    [(20, 2, 20), (300, 4, 30), (3200, 8, 160), (200_000, 8, 10_000), (500, 40, 80)],
)
def test_size(n_cells, n_samples, size):
    assert neighborhood_size(n_cells, n_samples) == size
