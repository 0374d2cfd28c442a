import numpy as np
import pytest
from scipy.special import logsumexp

from kompot.gp import nearest_distinct_distances
from kompot.models import shared_density
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance

LFC, Z = "log_fold_change", "log_fold_change_zscore"
KEYS = {
    "log_density_condition1",
    "log_density_condition2",
    LFC,
    "log_fold_change_uncertainty",
    Z,
    "neg_log10_fold_change_ptp",
    "log_fold_change_direction",
}
CENTERS = {d: 3 * np.random.default_rng(99).normal(size=(6, d)) for d in (2, 5)}


def draw(rng, n_cells, weights=None, n_dims=2):
    """Cells of six Gaussian clusters with given weights."""
    cluster = rng.choice(6, n_cells, p=weights)
    return CENTERS[n_dims][cluster] + rng.normal(size=(n_cells, n_dims))


def log_density(states, weights):
    """True log density of `draw`, up to a constant."""
    squares = ((states[:, None] - CENTERS[states.shape[1]]) ** 2).sum(axis=2)
    return logsumexp(np.log(weights) - squares / 2, axis=1)


@pytest.fixture
def conditions(rng):
    weights = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    return draw(rng, 300), draw(rng, 200, weights)


def run(first, second, points=None, **options):
    points = np.vstack([first, second]) if points is None else points
    return DifferentialAbundance().fit(first, second, **options).predict(points, progress=False)


def test_result_has_the_documented_keys(conditions):
    result = run(*conditions)
    assert set(result) == KEYS
    assert all(values.shape == (500,) for values in result.values())


def test_results_follow_from_each_other(conditions):
    result = run(*conditions)
    np.testing.assert_array_equal(
        result[LFC], result["log_density_condition2"] - result["log_density_condition1"]
    )
    np.testing.assert_allclose(
        result[Z], result[LFC] / np.sqrt(result["log_fold_change_uncertainty"])
    )
    assert (result["neg_log10_fold_change_ptp"] >= np.log10(2) - 1e-12).all()


@pytest.mark.parametrize("options", [{}, {"ls": "evidence"}, {"d_method": "embedding"}])
def test_exchanging_synchronised_conditions_negates_exactly(conditions, options):
    first, second = conditions
    points = np.vstack(conditions)
    one = run(first, second, points, sync_parameters=True, **options)
    other = run(second, first, points, sync_parameters=True, **options)
    np.testing.assert_array_equal(other[LFC], -one[LFC])
    np.testing.assert_array_equal(other[Z], -one[Z])
    np.testing.assert_array_equal(other["log_density_condition1"], one["log_density_condition2"])


@pytest.mark.parametrize("options", [{}, {"param_scheme": "symmetric"}, {"ls": "evidence"}])
def test_order_of_cells_does_not_matter(conditions, rng, options):
    points = np.vstack(conditions)
    condition = np.repeat([0, 1], [300, 200])
    order = rng.permutation(500)
    model = DifferentialAbundance().fit_cells(points[order], condition[order], **options)
    expected = run(*conditions, **options)
    np.testing.assert_array_equal(model.predict(points, progress=False)[Z], expected[Z])


def test_same_cells_in_both_conditions_differ_nowhere(conditions):
    first = conditions[0]
    result = run(first, first)
    np.testing.assert_allclose(result[LFC], 0.0, atol=1e-12)
    assert set(result["log_fold_change_direction"]) == {"neutral"}


@pytest.mark.parametrize(("n1", "n2"), [(1000, 1000), (400, 2000)])
@pytest.mark.parametrize("n_dims", [2, 5])
def test_true_ratio_of_mixtures_is_found(rng, n1, n2, n_dims):
    weights = np.array([0.4, 0.2, 0.1, 0.1, 0.1, 0.1])
    first, second = draw(rng, n1, n_dims=n_dims), draw(rng, n2, weights, n_dims)
    points = np.vstack([first, second])
    truth = log_density(points, weights) - log_density(points, np.full(6, 1 / 6))
    default = run(first, second)[LFC]
    chosen = run(first, second, ls="evidence")[LFC]
    error = {"default": default - truth, "evidence": chosen - truth}
    assert np.sqrt(np.mean(error["evidence"] ** 2)) < np.sqrt(np.mean(error["default"] ** 2))
    assert np.corrcoef(chosen, truth)[0, 1] > 0.7
    assert abs(np.mean(error["evidence"])) < 0.15


def test_larger_condition_is_not_denser_everywhere(rng):
    """The dimension is underestimated here, so that counting cells does not normalise."""
    first, second = draw(rng, 500, n_dims=5), draw(rng, 4000, n_dims=5)
    points = np.vstack([first, second])
    counted = DifferentialAbundance(ratio_normalized=False).fit(first, second)
    result = counted.predict(points, progress=False)
    assert abs(np.median(result[LFC])) > 0.3
    result = run(first, second)
    assert abs(np.median(result[LFC])) < 0.1
    assert np.mean(np.abs(result[Z]) > 1.96) < 0.2


def test_zscores_of_equal_densities_are_standard():
    """Over 20 repetitions: standard deviation and share beyond 1.96."""
    z = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        first, second = draw(rng, 600), draw(rng, 600)
        z.append(run(first, second, tol=1e-4)[Z])
    assert 0.75 < np.std(z) < 1.1
    assert 0.005 < np.mean(np.abs(z) > 1.96) < 0.07


def test_robust_uncertainty_replaces_laplace(conditions):
    points = np.vstack(conditions)
    results = {}
    for name in ("robust", "sampling", "laplace"):
        model = DifferentialAbundance(uncertainty=name).fit(*conditions)
        results[name] = model.predict(points, progress=False)
    np.testing.assert_array_equal(results["robust"][LFC], results["laplace"][LFC])
    assert not np.allclose(results["robust"][Z], results["laplace"][Z], rtol=0.01)
    assert (np.abs(results["sampling"][Z]) >= np.abs(results["robust"][Z])).all()


def test_laplace_uncertainty_is_the_sum_of_both_posteriors(conditions):
    model = DifferentialAbundance(uncertainty="laplace", ratio_normalized=False).fit(*conditions)
    points = conditions[0][:20]
    expected = model.density1_.variance(points) + model.density2_.variance(points)
    found = model.predict(points, progress=False)["log_fold_change_uncertainty"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_uncertainty_is_the_diagonal_of_the_covariance(conditions):
    model = DifferentialAbundance().fit(*conditions)
    points = conditions[1][:30]
    found = model.predict(points, progress=False)["log_fold_change_uncertainty"]
    np.testing.assert_allclose(np.diag(model.covariance(points)), found, rtol=1e-6)


def test_far_away_nothing_is_known(conditions):
    result = run(*conditions, points=np.full((1, 2), 1e6))
    assert abs(result[Z][0]) < 0.5
    assert result["log_fold_change_uncertainty"][0] > 1.9


def test_conditions_without_a_common_place(rng):
    result = run(rng.normal(size=(100, 2)), rng.normal(size=(150, 2)) + 100)
    assert all(np.isfinite(result[key]).all() for key in KEYS - {"log_fold_change_direction"})
    assert (result[LFC][:100] < 0).all()
    assert (result[LFC][100:] > 0).all()


def test_both_densities_share_what_is_not_their_own(conditions):
    model = DifferentialAbundance().fit(*conditions)
    first, second = model.density1_, model.density2_
    assert first.features_ is second.features_
    assert first.d_ == second.d_
    assert first.mu_ - np.log(300) == pytest.approx(second.mu_ - np.log(200))
    assert first.gradient_norm_ < 1e-6
    assert second.converged_
    alone = DensityEstimator(ls_factor=10.0).fit(conditions[0])
    assert (model.ls_, model.d_) == (pytest.approx(alone.ls_), pytest.approx(alone.d_))


def test_copies_across_conditions_behave(conditions):
    first, second = conditions
    result = run(np.vstack([first, second[:20]]), np.vstack([second, second[:10]]))
    assert np.isfinite(result[Z]).all()


@pytest.mark.parametrize("shape", [(3, 8), (2, 1)])
def test_few_cells(rng, shape):
    assert np.isfinite(run(rng.normal(size=shape), rng.normal(size=shape))[Z]).all()


def test_landmarks_and_distances_can_be_given(conditions):
    first, second = conditions
    landmarks = first[:25]
    model = DifferentialAbundance().fit(first, second, landmarks=landmarks)
    assert {tuple(row) for row in model.features_.landmarks} <= {tuple(row) for row in landmarks}
    distances = np.r_[model.density1_.nn_distances_, model.density2_.nn_distances_]
    assert distances.shape == (500,)
    with pytest.raises(ValueError, match="`nn_distances` has shape"):
        DifferentialAbundance().fit(first, second, nn_distances=distances[:7])


def test_n_landmarks_bounds_the_rank(conditions):
    assert DifferentialAbundance(n_landmarks=9).fit(*conditions).features_.rank <= 9


def test_thresholds_of_the_call_win(conditions):
    model = DifferentialAbundance().fit(*conditions)
    points = np.vstack(conditions)
    strict = model.predict(points, log_fold_change_threshold=1e3, progress=False)
    loose = model.predict(points, 0.0, 1.0, progress=False)
    assert set(strict["log_fold_change_direction"]) == {"neutral"}
    assert set(loose["log_fold_change_direction"]) <= {"up", "down"}


def test_fitted_densities_can_be_given(conditions):
    first, second = conditions
    densities = [DensityEstimator(d=2.0, ls=30.0).fit(cells) for cells in conditions]
    model = DifferentialAbundance(density_predictor1=densities[0], density_predictor2=densities[1])
    result = model.predict(first, progress=False)
    expected = [density.predict(first, normalize=True) for density in densities]
    np.testing.assert_allclose(result[LFC], expected[1] - expected[0])
    variance = densities[0].variance(first) + densities[1].variance(first)
    np.testing.assert_allclose(result["log_fold_change_uncertainty"], variance)
    assert model.fit(first, second) is model


class Plain:
    """A predictor from elsewhere."""

    def __call__(self, states):
        return -np.square(states).sum(axis=1)

    def uncertainty(self, states):
        return np.ones(len(states))


def test_callables_can_be_given(conditions):
    model = DifferentialAbundance(density_predictor1=Plain(), density_predictor2=Plain())
    result = model.predict(conditions[0], progress=False)
    np.testing.assert_array_equal(result[Z], 0.0)


def test_predictors_that_cannot_be_used_are_refused(conditions):
    with pytest.raises(ValueError, match="`density_predictor2` is None"):
        DifferentialAbundance(density_predictor1=Plain()).fit(*conditions)
    model = DifferentialAbundance(density_predictor1=np.sum, density_predictor2=np.sum)
    with pytest.raises(TypeError, match="no method `variance`"):
        model.predict(conditions[0], progress=False)


@pytest.mark.parametrize(
    ("density", "variance", "message"),
    [
        (lambda n: np.zeros((n, 1)), np.ones, None),
        (lambda n: np.zeros((n, 2)), np.ones, r"`density_predictor2` must give one number.*, 2\)"),
        (lambda _n: 0.0, np.ones, r"`density_predictor2` must give finite.* shape \(\)"),
        (lambda n: np.zeros(n - 1), np.ones, "`density_predictor2` must give finite numbers, one"),
        (lambda n: np.full(n, np.nan), np.ones, "`density_predictor2` must give finite numbers"),
        (np.zeros, lambda n: np.full(n, np.nan), "`density_predictor2.variance` must give finite"),
        (np.zeros, lambda n: -np.ones(n), "`density_predictor2.variance` .* the smallest is -1"),
    ],
)
def test_what_given_densities_give_is_checked(conditions, density, variance, message):
    class Given(Plain):
        def __call__(self, states):
            return density(len(states))

        def uncertainty(self, states):
            return variance(len(states))

    model = DifferentialAbundance(density_predictor1=Plain(), density_predictor2=Given())
    if message is None:
        assert model.predict(conditions[0], progress=False)[Z].shape == (len(conditions[0]),)
        return
    with pytest.raises(ValueError, match=message):
        model.predict(conditions[0], progress=False)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"eps": -1.0}, "'eps' must be"),
        ({"ptp_threshold": 0.0}, "'ptp_threshold' must be"),
        ({"log_fold_change_threshold": np.nan}, "'lfc_threshold'.* must be"),
        ({"batch_size": -1}, "'batch_size' must be"),
        ({"uncertainty": "advi"}, "'uncertainty' must be one of"),
    ],
)
def test_mistakes_of_the_model_are_named(conditions, parameters, message):
    with pytest.raises(ValueError, match=message):
        DifferentialAbundance(**parameters).fit(*conditions)


def test_thresholds_of_a_prediction_are_checked(conditions):
    model = DifferentialAbundance().fit(*conditions)
    for given in ({"log_fold_change_threshold": np.nan}, {"ptp_threshold": -1.0}):
        with pytest.raises(ValueError, match=r"threshold.* must be"):
            model.predict(conditions[0], progress=False, **given)


def test_unknown_keywords_are_refused(conditions):
    with pytest.raises(TypeError, match="lengthscale"):
        DifferentialAbundance().fit(*conditions, lengthscale=3.0)


def test_states_are_checked(conditions):
    first, second = conditions
    with pytest.raises(ValueError, match="`X2` has 3 dimensions"):
        DifferentialAbundance().fit(first, np.ones((5, 3)))
    with pytest.raises(ValueError, match="`X1` holds NaN"):
        DifferentialAbundance().fit(np.full((5, 2), np.nan), second)
    with pytest.raises(ValueError, match="all have the same state") as caught:
        DifferentialAbundance().fit(first, np.ones((5, 2)))
    assert "condition 2" in caught.value.__notes__[0]
    model = DifferentialAbundance().fit(first, second)
    with pytest.raises(ValueError, match="`X_new` has 5 dimensions"):
        model.predict(np.ones((2, 5)), progress=False)


def test_unfitted_model_says_so(conditions):
    with pytest.raises(ValueError, match=r"Model not fitted. Call fit\(\) first."):
        DifferentialAbundance().predict(conditions[0])


def test_batches_change_nothing(conditions):
    points = np.vstack(conditions)
    whole = DifferentialAbundance().fit(*conditions)
    parts = DifferentialAbundance(batch_size=13).fit(*conditions)
    np.testing.assert_allclose(
        parts.predict(points, progress=False)[Z], whole.predict(points, progress=False)[Z]
    )


@pytest.mark.parametrize("sizes", [(300, 200), (200, 300), (250, 250)])
def test_both_conditions_are_smoothed_alike_and_the_larger_as_alone(rng, sizes):
    model = DifferentialAbundance(uncertainty="laplace", ratio_normalized=False)
    model.fit(*(rng.normal(size=(n, 2)) for n in sizes), ls=0.5)
    found = [model.density1_.posterior_.prior_variance, model.density2_.posterior_.prior_variance]
    np.testing.assert_allclose(found, [max(sizes) / n for n in sizes])
    far = np.array([[1e3, 0.0]])  # features say nothing here: what is left is the prior
    variance = model.predict(far, progress=False)["log_fold_change_uncertainty"]
    np.testing.assert_allclose(variance, sum(found), rtol=1e-6)


def test_densities_keep_distances_in_the_order_of_the_cells(rng):
    first, second = rng.normal(size=(60, 2)), rng.normal(size=(80, 2))
    model = DifferentialAbundance(random_state=0).fit(first, second)
    for density, states in ((model.density1_, first), (model.density2_, second)):
        np.testing.assert_allclose(density.nn_distances_, nearest_distinct_distances(states))
        assert density.evidence_ is None


def test_a_given_prior_mean_is_one_per_cell(rng):
    """Far from all cells the fold change is what it is with the heuristic's, near 0."""
    first, second = rng.normal(size=(900, 1)), rng.normal(size=(100, 1))
    model = DifferentialAbundance(random_state=0).fit(first, second, mu=-5.0, ls=1.0)
    assert model.density2_.mu_ - model.density1_.mu_ == pytest.approx(np.log(100 / 900))
    far = model.predict(np.array([[30.0]]), progress=False)["log_fold_change"]
    assert abs(far[0]) < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sample_estimator_ls": -1.0}, "sample_estimator_ls"), ({"param_scheme": "x"}, "scheme")],
)
def test_bad_options_are_refused_before_computing(rng, monkeypatch, options, message):
    monkeypatch.setattr(shared_density, "find_neighborhoods", lambda *_: pytest.fail("ran"))
    states = rng.normal(size=(20, 2))
    with pytest.raises(ValueError, match=message):
        DifferentialAbundance().fit(states, states, **options)
