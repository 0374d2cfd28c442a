"""What expression is log1p of normalised counts, and what the counts were."""

import numpy as np
import pytest
from scipy import sparse

from kompot.models.normalized_counts import CountScale, count_scale
from kompot.stats.compressed_counts import compressed


@pytest.fixture
def counts(rng):
    """500 cells of unlike depth, 80 genes."""
    depth = rng.lognormal(0, 0.5, 500)
    return rng.poisson(depth[:, None] * rng.lognormal(-1, 0.7, 80)).astype(float)


@pytest.fixture
def states(rng):
    return rng.normal(size=(500, 2))


def normalised(counts, target=1e4):
    return np.log1p(counts * (target / np.maximum(counts.sum(1, keepdims=True), 1)))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target", [1.0, 1e3, 1e6])
def test_normalised_counts_are_recognised(counts, states, kind, dtype, target):
    found = count_scale(kind(normalised(counts, target).astype(dtype)), states)
    depth = counts.sum(1)
    assert found.unit == pytest.approx(target / np.median(depth), rel=0.2)


def test_counts_that_were_not_scaled_are_recognised(counts, states):
    assert count_scale(np.log1p(counts), states) == CountScale(pytest.approx(1.0))


@pytest.mark.parametrize(
    "change",
    {
        "counts themselves": lambda counts, rng: np.maximum(counts, 0),
        "hardly any counts": lambda counts, rng: rng.poisson(0.08, counts.shape).astype(float),
        "a narrow range": lambda counts, rng: (counts > 0) * rng.uniform(1, 1.3, counts.shape),
        "centred": lambda counts, rng: normalised(counts) - 0.1,
        "scaled genes": lambda counts, rng: normalised(counts) * rng.uniform(0.5, 2, 80),
        "base 2": lambda counts, rng: normalised(counts) / np.log(2),
        "square roots": lambda counts, rng: np.sqrt(counts),
        "corrected": lambda counts, rng: normalised(counts * rng.uniform(0.5, 1.5, counts.shape)),
        "normal": lambda counts, rng: np.abs(rng.normal(size=counts.shape)),
        "too large": lambda counts, rng: np.log1p(counts) + 60 * (counts == 3),
        "nothing": lambda counts, rng: 0 * counts,
        "subnormal": lambda counts, rng: 1e-310 * counts,
    }.items(),
    ids=lambda item: item[0],
)
def test_anything_else_is_not(counts, states, rng, change):
    assert count_scale(change[1](counts, rng), states) is None


def test_hardly_any_values_say_nothing(counts, states):
    assert count_scale(normalised(counts)[:20, :3], states[:20]) is None


def test_order_of_cells_does_not_matter(counts, states, rng):
    order = rng.permutation(500)
    values = normalised(counts)
    assert count_scale(values[order], states[order]) == count_scale(values, states)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_weights_are_depths_and_values_compressed_counts_at_equal_depth(counts, kind):
    counts[3] = 0
    scale, values = CountScale(250.0), kind(normalised(counts))
    roots = scale.root_weights(values)
    depth = counts.sum(1)
    np.testing.assert_allclose(roots**2, depth * 250.0 / 1e4, rtol=1e-9)
    found = scale.compressed(sparse.csc_matrix(values) if kind is not np.asarray else values, roots)
    found = found.toarray() if sparse.issparse(found) else found
    expected = compressed(counts * (1e4 / 250.0 / np.maximum(depth, 1))[:, None])
    np.testing.assert_allclose(found, roots[:, None] * expected, rtol=1e-9, atol=1e-12)


def test_integers_and_explicit_zeros_are_read(counts):
    values = sparse.csr_matrix(normalised(counts))
    wanted = CountScale(1.0).root_weights(values)
    values.data[::7] = 0.0
    dense = values.toarray()
    for form in (values, dense):
        expected = CountScale(1.0).root_weights(sparse.csr_matrix(dense))
        np.testing.assert_array_equal(CountScale(1.0).root_weights(form), expected)
    assert (wanted >= CountScale(1.0).root_weights(values) - 1e-12).all()
    whole = np.array([[0, 2, 1], [0, 0, 0]])
    np.testing.assert_allclose(CountScale(1.0).root_weights(whole) ** 2, [1 / np.expm1(1), 0.0])


def test_what_is_no_count_in_cells_that_were_not_looked_at_does_no_harm():
    odd = np.array([[1e-200, 1.0], [0.0, 800.0], [-3.0, np.log(2.0)], [-1e-3, -0.5]])
    scale = CountScale(1.0)
    roots = scale.root_weights(odd)
    assert roots.tolist() == [1.0, pytest.approx(0.0, abs=1e-9), 1.0, 0.0]
    found = scale.compressed(odd, roots)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_half_precision_is_read(counts, states):
    coarse = normalised(counts, 80.0).astype(np.float16)
    found = count_scale(coarse, states)
    assert found is not None
    assert found.unit == pytest.approx(80 / np.median(counts.sum(1)), rel=0.2)


def test_cells_with_a_handful_of_genes_count_alike(counts, states):
    few = normalised(counts)[:, :24]
    found = count_scale(few, states)
    assert not found.weighted
    np.testing.assert_array_equal(found.root_weights(few), 1.0)
    assert count_scale(normalised(counts), states).weighted


def test_presence_alone_is_counts(rng, states):
    seen = (rng.random((500, 80)) < 0.4).astype(float)
    assert count_scale(normalised(seen), states).unit == pytest.approx(1e4 / 32, rel=0.15)
