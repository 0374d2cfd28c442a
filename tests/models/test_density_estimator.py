import logging

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from kompot.gp.kernels import KERNELS
from kompot.models.density_estimator import DensityEstimator


@pytest.fixture
def states(rng):
    return np.vstack([rng.normal(size=(250, 3)), 0.4 * rng.normal(size=(150, 3)) + 2])


@pytest.fixture
def mellon():
    peer = pytest.importorskip("mellon")
    peer.logger.setLevel(logging.ERROR)
    return peer


def mixture(n_cells, n_dims, seed=0):
    """Six clusters of unequal widths."""
    rng = np.random.default_rng(seed)
    centers = 3 * np.random.default_rng(99).normal(size=(6, n_dims))
    spread = np.geomspace(1, 0.2, n_dims)
    return centers[rng.integers(6, size=n_cells)] + rng.normal(size=(n_cells, n_dims)) * spread


@pytest.mark.filterwarnings("ignore:::mellon", "ignore:::jax", "ignore::DeprecationWarning")
class TestAgainstMellon:
    """Agreement with an independent implementation of the same model, to its own accuracy."""

    def test_full_process_on_1500_cells(self, mellon):
        cells = mixture(1500, 5)
        ours = DensityEstimator(ls_factor=10.0).fit(cells)
        peer = mellon.DensityEstimator(
            d=ours.d_,
            mu=ours.mu_,
            ls=ours.ls_,
            nn_distances=ours.nn_distances_,
            n_landmarks=0,
            gp_type="full",
            n_iter=200,
        )
        theirs = np.asarray(peer.fit_predict(cells))
        assert ours.gradient_norm_ < 1e-6
        assert np.abs(ours.predict(cells) - theirs).max() < 1e-3

    def test_landmarks_on_10000_cells(self, mellon):
        cells = mixture(10_000, 10)
        landmarks = cells[:150]
        ours = DensityEstimator(landmarks=landmarks).fit(cells)
        peer = mellon.DensityEstimator(
            d=ours.d_,
            mu=ours.mu_,
            ls=ours.ls_,
            nn_distances=ours.nn_distances_,
            landmarks=landmarks,
            gp_type="sparse_cholesky",
            n_iter=200,
            jitter=1e-9,
        )
        theirs = np.asarray(peer.fit_predict(cells))
        assert ours.gradient_norm_ < 1e-6
        assert np.abs(ours.predict(cells) - theirs).max() < 1e-3


def test_heuristics_are_those_of_mellon(states):
    """Numbers of Mellon 1.7.1 (compute_ls, compute_mu, compute_d_factal) on these cells."""
    model = DensityEstimator().fit(states)
    assert model.ls_ == pytest.approx(4.857536315917969, rel=1e-6)
    assert model.mu_ == pytest.approx(-11.659942626953125, rel=1e-6)
    assert model.d_ == pytest.approx(2.002825984983565, rel=1e-6)


@pytest.mark.parametrize("n_dims", [2, 3])
def test_density_of_a_gaussian_is_found(rng, n_dims):
    cells = rng.normal(size=(2000, n_dims))
    model = DensityEstimator(d_method="embedding", ls_factor=3.0, tol=1e-4).fit(cells)
    truth = multivariate_normal(np.zeros(n_dims)).logpdf(cells)
    found = model.predict(cells, normalize=True)
    assert np.corrcoef(found, truth)[0, 1] > 0.95
    inside = np.linalg.norm(cells, axis=1) < 2
    assert np.sqrt(np.mean((found - truth)[inside] ** 2)) < 0.3


def test_density_integrates_to_the_number_of_cells(rng):
    model = DensityEstimator(d=1.0, ls=0.5).fit(rng.normal(size=2000))
    grid = np.linspace(-4, 4, 801)
    mass = np.exp(model.predict(grid)).sum() * (grid[1] - grid[0])
    assert mass == pytest.approx(2000, rel=0.1)
    share = np.exp(model.predict(grid, normalize=True)).sum() * (grid[1] - grid[0])
    assert share == pytest.approx(mass / 2000)


@pytest.mark.parametrize("ls", [None, "evidence"])
def test_order_of_cells_does_not_matter(states, rng, ls):
    order = rng.permutation(len(states))
    one = DensityEstimator(ls=ls).fit(states)
    other = DensityEstimator(ls=ls).fit(states[order])
    np.testing.assert_array_equal(one.predict(states), other.predict(states))
    np.testing.assert_array_equal(one.nn_distances_[order], other.nn_distances_)


def test_scale_of_the_embedding_changes_the_volume_only(states):
    one = DensityEstimator(d=2.5).fit(states)
    other = DensityEstimator(d=2.5).fit(10 * states)
    np.testing.assert_allclose(
        other.predict(10 * states), one.predict(states) - 2.5 * np.log(10), atol=1e-6
    )


def test_copies_of_cells_behave(states):
    model = DensityEstimator().fit(np.vstack([states, states[:50], states[:50]]))
    assert model.converged_
    assert np.isfinite(model.predict(states)).all()
    np.testing.assert_array_equal(model.nn_distances_[:50], model.nn_distances_[400:450])


@pytest.mark.parametrize("distance", [1e3, 1e9])
def test_an_outlier_leaves_other_cells_alone(states, distance):
    alone = DensityEstimator(d=3.0, ls=5.0, mu=-15.0).fit(states)
    outlier = np.vstack([states, np.full((1, 3), distance)])
    joined = DensityEstimator(d=3.0, ls=5.0, mu=-15.0).fit(outlier)
    assert joined.converged_
    np.testing.assert_allclose(joined.predict(states), alone.predict(states), atol=1e-2)


@pytest.mark.parametrize("shape", [(5, 20), (2, 3), (3, 1), (40, 1)])
def test_few_cells_and_narrow_or_wide_embeddings(rng, shape):
    cells = rng.normal(size=shape)
    model = DensityEstimator().fit(cells)
    assert model.converged_
    assert np.isfinite(model.predict(cells)).all()
    assert (model.variance(cells) > 0).all()


def test_a_vector_is_a_one_dimensional_embedding(rng):
    cells = rng.normal(size=100)
    model = DensityEstimator().fit(cells)
    np.testing.assert_array_equal(model.predict(cells), model.predict(cells[:, None]))


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_is_the_derivative(states, rng, kernel):
    model = DensityEstimator(kernel=kernel, ls_factor=1.0, n_landmarks=40).fit(states)
    points, h = rng.normal(size=(5, 3)), 1e-5
    numeric = np.stack(
        [
            (model.predict(points + h * axis) - model.predict(points - h * axis)) / (2 * h)
            for axis in np.eye(3)
        ],
        axis=1,
    )
    np.testing.assert_allclose(model.gradient(points), numeric, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS)
def test_gradient_at_the_cells_is_finite(states, kernel):
    assert np.isfinite(DensityEstimator(kernel=kernel).fit(states).gradient(states)).all()


def test_variance_is_the_diagonal_of_the_covariance(states):
    model = DensityEstimator(n_landmarks=30).fit(states)
    covariance = model.covariance(states[:40])
    np.testing.assert_allclose(np.diag(covariance), model.variance(states[:40]), rtol=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9


def test_far_away_is_the_prior(states):
    model = DensityEstimator().fit(states)
    far = np.full((1, 3), 1e6)
    assert model.predict(far)[0] == pytest.approx(model.mu_)
    assert model.variance(far)[0] == pytest.approx(1.0)


def test_chunks_change_nothing(states):
    whole = DensityEstimator(batch_size=None).fit(states)
    parts = DensityEstimator(batch_size=7).fit(states)
    np.testing.assert_allclose(parts.predict(states), whole.predict(states), rtol=1e-12)
    np.testing.assert_allclose(parts.variance(states), whole.variance(states), rtol=1e-9)


def test_given_parameters_are_used(states):
    distances = np.full(len(states), 0.5)
    model = DensityEstimator(d=2.0, mu=-0.1, ls=4.0, nn_distances=distances).fit(states)
    assert (model.d_, model.mu_, model.ls_) == (2.0, -0.1, 4.0)
    np.testing.assert_array_equal(model.nn_distances_, distances)
    # every ball has the same volume, so the density is the same nearly everywhere
    assert np.ptp(model.predict(states)) < 0.1


def test_dimension_of_the_embedding(states):
    assert DensityEstimator(d_method="embedding").fit(states).d_ == 3.0


def test_evidence_records_its_curve(states):
    model = DensityEstimator(ls="evidence").fit(states)
    assert model.ls_ == model.evidence_.best
    assert len(model.evidence_.length_scales) >= 2
    assert DensityEstimator().fit(states).evidence_ is None


def test_input_is_not_modified(states):
    before = states.copy()
    model = DensityEstimator(landmarks=states[:20]).fit(states)
    model.predict(states)
    model.gradient(states)
    np.testing.assert_array_equal(states, before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"d": -1.0}, "`d` must be a positive"),
        ({"d_method": "box"}, "'d_method' must be one of"),
        ({"ls": "auto"}, "`ls` must be a positive number, None or"),
        ({"ls": 0.0}, "`ls` must be a positive"),
        ({"ls_factor": np.nan}, "`ls_factor` must be a positive"),
        ({"mu": np.inf}, "`mu` must be finite"),
        ({"kernel": "cubic"}, "'kernel' must be one of"),
        ({"optimizer": "adam"}, "'optimizer' must be one of"),
        ({"n_landmarks": 0}, "'n_landmarks' must be finite and at least 1"),
        ({"n_iter": 0}, "`n_iter` must be a positive"),
        ({"nn_distances": np.ones(3)}, r"`nn_distances` has shape \(3,\)"),
        ({"nn_distances": np.zeros(400)}, "`nn_distances` must be positive"),
        ({"landmarks": np.ones((4, 7))}, "`landmarks` has 7 dimensions"),
    ],
)
def test_mistakes_are_named(states, parameters, message):
    with pytest.raises(ValueError, match=message):
        DensityEstimator(**parameters).fit(states)


def test_cells_in_one_place_are_refused():
    with pytest.raises(ValueError, match="all have the same state"):
        DensityEstimator().fit(np.ones((10, 2)))


def test_unfitted_model_says_so(states):
    with pytest.raises(ValueError, match="Call fit"):
        DensityEstimator().predict(states)
