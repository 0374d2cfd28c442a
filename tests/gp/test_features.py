import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kompot.gp import Matern52, fit_features
from kompot.gp import features as features_module
from kompot.gp.features import residual_variance


def curve(rng, n_cells, n_dims=5):
    """Cells along a curve with a little noise."""
    t = rng.uniform(size=(n_cells, 1))
    return np.cos(np.pi * t * np.arange(1, n_dims + 1)) + rng.normal(0, 0.01, (n_cells, n_dims))


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-6, 1e-8])
def test_residual_is_below_the_tolerance_and_true(rng, tol):
    states, kernel = curve(rng, 800), Matern52(2.0)
    found = fit_features(states, kernel, tol=tol, rng=rng)
    phi = found(states)
    residual = 1 - (phi**2).sum(axis=1)
    assert found.residual_mean < tol
    assert residual.mean() == pytest.approx(found.residual_mean, rel=1e-3, abs=1e-13)
    assert residual.max() == pytest.approx(found.residual_max, rel=1e-3, abs=1e-12)
    error = np.abs(kernel(states, states) - phi @ phi.T)
    assert error.max() <= found.residual_max * (1 + 1e-6) + 1e-12


def test_stiff_kernels_are_resolved_between_cells(rng):
    """At a length scale far beyond the data, a plain residual would leave a constant."""
    states = curve(rng, 300)
    kernel = Matern52(1000.0)
    phi = fit_features(states, kernel, tol=1e-3, rng=rng)(states)
    between = 1 - kernel(states, states).mean()
    assert between < 1e-4
    assert (1 - (phi**2).sum(axis=1)).mean() < 20 * between * 1e-3 * 1.3


def test_smaller_tolerance_needs_more_rank(rng):
    states = curve(rng, 800)
    ranks = [
        fit_features(states, Matern52(2.0), tol=tol, rng=np.random.default_rng(0)).rank
        for tol in (1e-2, 1e-4, 1e-6)
    ]
    assert ranks == sorted(ranks)
    assert ranks[0] < ranks[-1] < 800


def test_no_more_columns_are_kept_than_the_variance_asks_for(rng):
    columns, weight = rng.normal(size=(50, 6)), rng.random(50)
    explained = [float((weight @ columns[:, : k + 1] ** 2).sum()) for k in range(6)]
    for k, variance in enumerate(explained):
        assert features_module._enough(columns, weight, variance * (1 - 1e-9)) == k + 1
    assert features_module._enough(columns, weight, 2 * explained[-1]) == 6


def test_without_its_last_feature_the_tolerance_is_missed(rng):
    states, kernel = curve(rng, 800), Matern52(2.0)
    for tol in (1e-2, 1e-3, 1e-4):
        found = fit_features(states, kernel, tol=tol, rng=rng)
        assert (1 - (found(states)[:, :-1] ** 2).sum(axis=1)).mean() >= tol


def test_rank_is_near_the_best_possible(rng):
    """Random pivots need few more columns than the eigenvectors would."""
    states, kernel = curve(rng, 600), Matern52(2.0)
    eigenvalues = np.linalg.eigvalsh(kernel(states, states))[::-1]
    remaining = 600 - np.cumsum(eigenvalues)
    best = int((remaining / 600 < 1e-5).argmax()) + 1
    assert fit_features(states, kernel, tol=1e-5, rng=rng).rank <= 2 * best + 10


def test_full_rank_reproduces_the_kernel(rng):
    states, kernel = rng.normal(size=(120, 3)), Matern52(1.0)
    found = fit_features(states, kernel, tol=0.0, rng=rng)
    phi = found(states)
    np.testing.assert_allclose(phi @ phi.T, kernel(states, states), atol=1e-10)


def test_landmarks_are_reproduced_exactly(rng):
    """At the landmarks the features are the Cholesky factor: no residual is left."""
    states = curve(rng, 500)
    found = fit_features(states, Matern52(2.0), tol=1e-6, rng=rng)
    np.testing.assert_allclose(found(found.landmarks), found.factor, atol=1e-9)
    assert residual_variance(found(found.landmarks)).max() < 1e-9
    assert np.array_equal(found.factor, np.tril(found.factor))


def test_landmarks_are_cells(rng):
    states = curve(rng, 300)
    found = fit_features(states, Matern52(2.0), tol=1e-5, rng=rng)
    assert {tuple(row) for row in found.landmarks} <= {tuple(row) for row in states}
    assert len(np.unique(found.landmarks, axis=0)) == found.rank


@pytest.mark.parametrize("pool", [50, 10_000])
def test_landmarks_do_not_depend_on_the_order_of_cells(rng, monkeypatch, pool):
    monkeypatch.setattr(features_module, "POOL", pool)
    states = curve(rng, 500)
    states[100:120] = states[:20]  # the same cells twice
    one, two = (
        fit_features(some, Matern52(1.0), tol=1e-4, rng=np.random.default_rng(3))
        for some in (states, states[rng.permutation(500)])
    )
    np.testing.assert_array_equal(one.landmarks, two.landmarks)
    np.testing.assert_array_equal(one.factor, two.factor)


def test_seed_repeats_and_other_seeds_agree(rng):
    states = curve(rng, 500)

    def map_of(seed):
        return fit_features(states, Matern52(2.0), tol=1e-7, rng=np.random.default_rng(seed))

    first, again, other = map_of(1), map_of(1), map_of(2)
    np.testing.assert_array_equal(first.factor, again.factor)
    assert not np.array_equal(first.landmarks[:5], other.landmarks[:5])
    gram = first(states) @ first(states).T
    np.testing.assert_allclose(other(states) @ other(states).T, gram, atol=2e-5)


def test_rank_cap_is_kept_and_reported(rng):
    states = rng.normal(size=(400, 5))
    found = fit_features(states, Matern52(0.5), tol=1e-9, max_rank=37, rng=rng)
    assert found.rank == 37
    assert found.residual_mean > 1e-9


def test_given_landmarks_are_used_without_the_dependent_ones(rng):
    states = curve(rng, 400)
    given = np.vstack([states[:30], states[:10]])
    found = fit_features(states, Matern52(2.0), landmarks=given, rng=rng)
    assert found.rank == 30
    assert {tuple(row) for row in found.landmarks} == {tuple(row) for row in states[:30]}


def test_pool_of_cells_is_extended_until_all_cells_are_explained(rng, monkeypatch):
    """A rare state that the first pool misses is found when all cells are checked."""
    monkeypatch.setattr(features_module, "POOL", 200)
    states = np.vstack([curve(rng, 3000), curve(rng, 30) + 100.0])
    found = fit_features(states, Matern52(2.0), tol=1e-5, rng=rng)
    assert found.residual_mean < 1e-5
    assert (found.landmarks > 50).any()
    assert residual_variance(found(states)).mean() < 1e-5


def test_proposals_are_kept_with_the_probability_that_their_residual_is_left():
    """Given the first of two, the second keeps 1 - k² of its residual variance r."""
    kernel, pool = Matern52(1.0), np.array([[0.0], [0.9]])
    gram = kernel(pool, pool)
    phi = np.array([[0.0], [0.6]])  # explained already: 0.36 of the second
    rest = gram - phi @ phi.T
    left = rest[1, 1] - rest[0, 1] ** 2
    rng, both = np.random.default_rng(0), np.arange(2)
    kept = 0
    for _ in range(4000):
        chosen, factor = features_module._accept(both, pool, phi, rest.diagonal(), kernel, rng)
        np.testing.assert_allclose(factor @ factor.T, rest[np.ix_(chosen, chosen)], atol=1e-12)
        assert chosen[0] == 0
        kept += len(chosen) - 1
    assert kept / 4000 == pytest.approx(left / rest[1, 1], abs=0.03)


embeddings = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 12), st.integers(1, 3)),
    elements=st.sampled_from([0.0, 1.0, -1.0, 1e-3, 1e8, 1e-9, 3.0]),
)


@given(states=embeddings, length_scale=st.sampled_from([1e-6, 1.0, 1e9]))
@settings(max_examples=150, deadline=None)
def test_any_embedding_gives_finite_features(states, length_scale):
    """Duplicates, constants, huge scales and two cells."""
    found = fit_features(states, Matern52(length_scale), rng=np.random.default_rng(0))
    phi = found(states)
    assert 1 <= found.rank <= len(states)
    assert np.isfinite(phi).all()
    assert found.residual_mean < 1e-6


def test_second_pool_has_the_worst_cells_and_estimates_the_mean_of_all(rng, monkeypatch):
    monkeypatch.setattr(features_module, "POOL", 500)
    residual = rng.exponential(1e-7, 20_000)
    residual[[7, 11_111]] = 1.0
    pool, weight = features_module._second_pool(residual, rng)
    assert len(np.unique(pool)) == len(pool) == 500
    assert {7, 11_111} <= set(pool.tolist())
    assert np.mean(weight * residual[pool]) == pytest.approx(residual.mean(), rel=1e-3)
    monkeypatch.setattr(features_module, "POOL", 40_000)
    pool, weight = features_module._second_pool(residual, rng)
    np.testing.assert_array_equal(np.sort(pool), np.arange(20_000))
    np.testing.assert_allclose(weight, 1.0)


def test_columns_are_appended_in_place_or_in_a_wider_array(rng):
    phi, columns = np.zeros((5, 4)), rng.normal(size=(5, 2))
    phi[:, :2] = rng.normal(size=(5, 2))
    same = features_module._append(phi, 2, columns, 50)
    assert same is phi
    np.testing.assert_array_equal(same[:, 2:], columns)
    wider = features_module._append(phi, 4, columns, 50)
    assert 6 <= wider.shape[1] <= 50
    np.testing.assert_array_equal(wider[:, :6], np.column_stack([phi, columns]))
    assert features_module._append(phi, 4, columns, 6).shape == (5, 6)
    many = rng.normal(size=(5, 9))
    np.testing.assert_array_equal(features_module._append(phi, 4, many, 50)[:, 4:13], many)


def test_landmarks_that_say_nothing_are_refused(rng):
    states = rng.normal(size=(50, 2))
    with pytest.raises(ValueError, match="`landmarks` are too far from the cells"):
        fit_features(states, Matern52(1.0), landmarks=states[:5] + 1e6)
