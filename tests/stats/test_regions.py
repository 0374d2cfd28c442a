import numpy as np
import pytest

from kompot.stats import kmeans
from kompot.stats.regions import group_levels, kmeans_levels


def blobs(rng, n_blobs=4, n_cells=240, n_dims=6):
    centres = rng.normal(0, 20, (n_blobs, n_dims))
    truth = rng.integers(n_blobs, size=n_cells)
    return centres[truth] + rng.normal(size=(n_cells, n_dims)), truth


def same_partition(first, second):
    return len(np.unique(np.stack([first, second]), axis=1).T) == len(np.unique(first))


def test_levels_partition_the_cells_at_every_scale(rng):
    phi, truth = blobs(rng)
    whole, four, twelve = kmeans_levels(phi)
    assert (whole.n_regions, four.n_regions, twelve.n_regions) == (1, 4, 12)
    assert (whole.fixed, four.fixed, twelve.fixed) == (True, False, False)
    assert same_partition(four.labels, truth)
    for level in (whole, four, twelve):
        np.testing.assert_array_equal(np.unique(level.labels), np.arange(level.n_regions))
    assert whole.regions == ("all",)
    assert four.regions == ("k4_0", "k4_1", "k4_2", "k4_3")


def test_rotated_and_shifted_features_have_the_same_regions(rng):
    phi, _ = blobs(rng)
    turned = phi @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 3.0
    for first, second in zip(kmeans_levels(phi), kmeans_levels(turned), strict=True):
        assert same_partition(first.labels, second.labels)


def test_centres_from_some_cells_serve_all(rng, monkeypatch):
    phi, truth = blobs(rng)
    monkeypatch.setattr(kmeans, "_FITTED_CELLS", 100)
    monkeypatch.setattr(kmeans, "_CHUNK", 64)
    (found,) = kmeans_levels(phi, [4])
    assert same_partition(found.labels, truth)


def test_no_more_regions_than_distinct_cells():
    phi = np.repeat([[0.0, 1.0], [2.0, 3.0], [5.0, 1.0]], 10, axis=0)
    (found,) = kmeans_levels(phi, [8])
    assert found.n_regions == 3
    (alone,) = kmeans_levels(np.ones((20, 2)), [4])
    assert alone.n_regions == 1


def test_disjoint_groups_are_one_level_and_overlapping_ones_more():
    masks = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 0, 0]], bool)
    levels = group_levels(dict(zip("abc", masks, strict=True)))
    assert [level.regions for level in levels] == [("a", "b"), ("c",)]
    np.testing.assert_array_equal(levels[0].labels, [0, 0, 1, -1, -1])
    np.testing.assert_array_equal(levels[1].labels, [-1, 0, 0, -1, -1])
    assert [level.weight for level in levels] == [2 / 3, 1 / 3]
    assert all(level.fixed for level in levels)
    assert group_levels({}) == ()


def test_bad_numbers_and_masks_are_refused():
    with pytest.raises(ValueError, match="at least 1"):
        kmeans_levels(np.ones((5, 2)), [0, 4])
    with pytest.raises(ValueError, match="shape"):
        group_levels({"a": np.ones(3, bool), "b": np.ones(4, bool)})
