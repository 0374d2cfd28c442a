import numpy as np
import pytest
from scipy import sparse

from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level


@pytest.fixture
def levels(rng):
    """One region of all; three of some cells, the others in none."""
    return (
        Level("k1", np.zeros(40, np.intp), ("all",), fixed=True),
        Level("groups", rng.integers(-1, 3, 40), ("a", "b", "c"), fixed=True),
    )


def test_regions_follow_one_another_with_the_cells_in_none(levels):
    index = RegionIndex.of(levels)
    assert index.n_regions == 5
    assert index.places == (slice(0, 1), slice(1, 4))
    assert index.spans == (slice(0, 1), slice(1, 5))
    everywhere = index.indicator(np.arange(40)).toarray()
    np.testing.assert_array_equal(everywhere[0], 1)
    np.testing.assert_array_equal(everywhere[1:5].sum(axis=0), 1)
    np.testing.assert_array_equal(everywhere[4], levels[1].labels == -1)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("most_dense", [0, 64])
def test_sums_equal_loops_over_cells(rng, levels, kind, dtype, most_dense, monkeypatch):
    monkeypatch.setattr("kompot.stats.region_sums._MANY", most_dense)
    index = RegionIndex.of(levels)
    values = rng.poisson(0.7, (40, 6)).astype(dtype)
    phi, sample = rng.normal(size=(40, 3)), rng.integers(4, size=40)
    sums = RegionSums.zeros(4, index.n_regions, 3, 6)
    for s in rng.permutation(4):
        for cells in np.array_split(np.flatnonzero(sample == s), 2):
            part = RegionSums.of(index.indicator(cells), phi[cells], kind(values)[cells])
            sums.add(s, part)
    codes = index.codes
    for region in range(index.n_regions):
        inside = (codes == region).any(axis=0)
        for s in range(4):
            chosen = inside & (sample == s)
            assert sums.n_cells[s, region] == chosen.sum()
            np.testing.assert_allclose(sums.phi[s, region], phi[chosen].sum(0), atol=1e-12)
            np.testing.assert_allclose(sums.values[s, region], values[chosen].sum(0))
        np.testing.assert_allclose(sums.squares[region], (values[inside] ** 2.0).sum(0))
        np.testing.assert_array_equal(sums.expressing[region], (values[inside] != 0).sum(0))
    np.testing.assert_array_equal(sums.within(slice(1, 3)).n_cells, sums.n_cells[:, 1:3])


def test_stored_zeros_are_not_expressed(levels):
    index = RegionIndex.of(levels[:1])
    stored = sparse.csr_matrix((np.array([0.0, 2.0]), ([0, 1], [0, 0])), shape=(40, 1))
    part = RegionSums.of(index.indicator(np.arange(40)), np.ones((40, 1)), stored)
    assert part.expressing[0, 0] == 1


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("most_dense", [0, 64])
def test_cells_may_have_weights(rng, levels, kind, most_dense, monkeypatch):
    monkeypatch.setattr("kompot.stats.region_sums._MANY", most_dense)
    index, cells = RegionIndex.of(levels), np.arange(40)
    values, phi = rng.poisson(0.7, (40, 6)).astype(float), rng.normal(size=(40, 3))
    weight = rng.gamma(2, 0.5, 40)
    root = np.sqrt(weight)[:, None]
    sums = RegionSums.of(index.indicator(cells), root * phi, kind(root * values), root[:, 0])
    inside = index.indicator(cells).toarray()
    np.testing.assert_allclose(sums.n_cells[0], inside.sum(1))
    np.testing.assert_allclose(sums.weight[0], inside @ weight)
    np.testing.assert_allclose(sums.phi[0], inside @ (weight[:, None] * phi))
    np.testing.assert_allclose(sums.values[0], inside @ (weight[:, None] * values))
    np.testing.assert_allclose(sums.squares, inside @ (weight[:, None] * values**2))
    np.testing.assert_allclose(sums.expressing, inside @ (values > 0))
