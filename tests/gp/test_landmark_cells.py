"""Cells that represent clusters of neighbouring cells."""

import numpy as np
import pytest

from kompot.gp.landmark_cells import find_landmarks


def test_each_cluster_gives_the_cell_nearest_to_its_mean(rng):
    centers = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0], [50.0, 50.0]])
    label = rng.permutation(np.repeat(np.arange(4), 25))
    states = centers[label] + rng.normal(size=(100, 2))
    landmarks, rows = find_landmarks(states, 4, 10)
    nearest = []
    for k in range(4):
        members = np.flatnonzero(label == k)
        offset = states[members] - states[members].mean(axis=0)
        nearest.append(members[np.argmin((offset**2).sum(axis=1))])
    np.testing.assert_array_equal(rows, np.sort(nearest))
    np.testing.assert_array_equal(landmarks, states[rows])


def test_as_many_clusters_as_cells_are_all_cells(rng):
    states = rng.normal(size=(6, 3))
    for n_clusters in (6, 7):
        landmarks, rows = find_landmarks(states, n_clusters)
        np.testing.assert_array_equal(rows, np.arange(6))
        np.testing.assert_array_equal(landmarks, states)
        landmarks[0] = 99.0
        assert states[0, 0] != 99.0
    assert len(find_landmarks(states, 5)[1]) == 5


def test_neighbours_may_be_more_than_cells_and_numbers_are_whole(rng):
    states = rng.integers(0, 9, size=(8, 2))
    landmarks, rows = find_landmarks(states, np.int64(3), 100)
    assert landmarks.dtype == np.float64
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert len(rows) == 3


@pytest.mark.parametrize(
    ("states", "options", "message"),
    [
        (np.zeros(5), {}, r"matrix of numbers .* got shape \(5,\)"),
        (np.zeros((0, 2)), {}, "matrix of numbers"),
        (np.array([["a"], ["b"]]), {}, "matrix of numbers"),
        (np.array([[1e150], [0.0]]), {}, "finite numbers below 1e"),
        (np.array([[np.nan], [0.0]]), {}, "finite numbers"),
        (np.zeros((5, 1)), {"n_clusters": 0}, "`n_clusters` must be a positive whole number"),
        (np.zeros((5, 1)), {"n_clusters": 2.0}, "`n_clusters` must be a positive whole number"),
        (np.zeros((5, 1)), {"n_neighbors": 0}, "`n_neighbors` must be a positive whole number"),
    ],
)
def test_bad_input_is_refused(states, options, message):
    with pytest.raises(ValueError, match=message):
        find_landmarks(states, **options)
