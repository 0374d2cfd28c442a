from itertools import islice

import numpy as np
import pytest

from kompot.stats import balanced_splits as module
from kompot.stats.balanced_splits import balanced_splits, n_balanced_splits


@pytest.mark.parametrize("n_samples", [2, 3, 4, 5, 6, 7, 8])
def test_every_division_comes_once(n_samples, rng):
    found = [tuple(groups) for groups in balanced_splits(n_samples, rng)]
    assert len(found) == n_balanced_splits(n_samples)
    unordered = {frozenset([one, tuple(1 - k for k in one)]) for one in found}
    assert len(unordered) == len(found)
    assert {one.count(0) for one in found} == {n_samples // 2}


def test_order_is_that_of_the_seed(rng):
    first, again, other = (
        [tuple(groups) for groups in balanced_splits(8, np.random.default_rng(seed))]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert set(first) == set(other)


def test_many_samples_are_drawn_and_not_listed(rng):
    found = np.array(list(islice(balanced_splits(40, rng), 200)))
    assert (found.sum(axis=1) == 20).all()
    assert (found[:, 0] == 0).all()
    assert len(np.unique(found, axis=0)) == 200
    # Every other sample is in the first group in 19 of 39 splits on average.
    np.testing.assert_allclose((found[:, 1:] == 0).mean(), 19 / 39)
    assert np.abs((found[:, 1:] == 0).mean(axis=0) - 19 / 39).max() < 4 * np.sqrt(0.25 / 200)


def test_one_sample_cannot_be_divided(rng):
    with pytest.raises(ValueError, match="at least 2"):
        next(balanced_splits(1, rng))


@pytest.mark.parametrize("n_samples", [6, 7])
def test_drawn_divisions_differ(n_samples, rng, monkeypatch):
    """So many are drawn as would be listed, none twice."""
    monkeypatch.setattr(module, "_ENUMERATED", n_balanced_splits(n_samples) - 1)
    found = [tuple(groups) for groups in islice(balanced_splits(n_samples, rng), 100)]
    assert len(found) == n_balanced_splits(n_samples) - 1
    assert len(set(found)) == len(found)
    assert {one.count(0) for one in found} == {n_samples // 2}
