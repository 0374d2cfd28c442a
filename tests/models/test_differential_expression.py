import numpy as np
import pytest
from scipy import sparse, stats
from scipy.spatial.distance import cdist
from sklearn.base import clone

from kompot.models import (
    DensityEstimator,
    DifferentialExpression,
    ExpressionModel,
    FunctionEstimator,
)


def textbook(states, values, new, length_scale, sigma):
    """Mean and covariance of a full Gaussian process with a Matérn 5/2 kernel."""

    def kernel(x, y):
        s = np.sqrt(5) * cdist(x, y) / length_scale
        return (1 + s + s**2 / 3) * np.exp(-s)

    noisy = kernel(states, states) + sigma**2 * np.eye(len(states))
    across = kernel(new, states)
    mean = across @ np.linalg.solve(noisy, values)
    return mean, kernel(new, new) - across @ np.linalg.solve(noisy, across.T)


@pytest.fixture
def conditions(rng):
    """Two conditions of 120 and 80 cells, 6 genes, of which gene 0 differs."""
    states1, states2 = rng.normal(size=(120, 2)), rng.normal(size=(80, 2))
    values1 = np.sin(states1[:, :1]) + rng.normal(0, 0.5, (120, 6))
    values2 = np.sin(states2[:, :1]) + rng.normal(0, 0.5, (80, 6))
    values2[:, 0] += 1.0
    return states1, values1, states2, values2


def fit(conditions, ls=3.0, sigma=1.0, **parameters):
    return DifferentialExpression(random_state=0, **parameters).fit(*conditions, sigma=sigma, ls=ls)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_full_rank_equals_two_textbook_processes(conditions, rng, sigma):
    states1, values1, states2, values2 = conditions
    new = rng.normal(size=(10, 2))
    model = fit(conditions, sigma=sigma, tol=0.0, eps=0.0)
    mean1, covariance1 = textbook(states1, values1, new, 3.0, sigma)
    mean2, covariance2 = textbook(states2, values2, new, 3.0, sigma)
    found = model.predict(new, progress=False)
    np.testing.assert_allclose(found["condition1_imputed"], mean1, atol=1e-8)
    np.testing.assert_allclose(found["condition2_imputed"], mean2, atol=1e-8)
    np.testing.assert_allclose(found["fold_change"], mean2 - mean1, atol=1e-8)
    np.testing.assert_allclose(found["condition1_std"] ** 2, covariance1.diagonal(), atol=1e-8)
    np.testing.assert_allclose(found["condition2_std"] ** 2, covariance2.diagonal(), atol=1e-8)
    np.testing.assert_allclose(model.covariance(new), covariance1 + covariance2, atol=2e-8)
    spread = np.sqrt((covariance1 + covariance2).diagonal())[:, None]
    np.testing.assert_allclose(found["fold_change_zscores"], (mean2 - mean1) / spread, atol=1e-6)


def test_distance_equals_the_dense_computation_at_landmarks(conditions, rng):
    """Few landmarks, so that their full covariance can be inverted."""
    states1, values1, states2, values2 = conditions
    landmarks = rng.normal(size=(12, 2))
    model = DifferentialExpression(eps=1e-8).fit(*conditions, ls=3.0, landmarks=landmarks)

    def kernel(x, y):
        s = np.sqrt(5) * cdist(x, y) / 3.0
        return (1 + s + s**2 / 3) * np.exp(-s)

    def subset_of_regressors(states, values):
        cross, prior = kernel(landmarks, states), kernel(landmarks, landmarks)
        precision = prior + cross @ cross.T
        mean = prior @ np.linalg.solve(precision, cross @ values)
        return mean, prior @ np.linalg.solve(precision, prior)

    mean1, covariance1 = subset_of_regressors(states1, values1)
    mean2, covariance2 = subset_of_regressors(states2, values2)
    change, total = mean2 - mean1, covariance1 + covariance2 + 1e-8 * np.eye(12)
    expected = np.sqrt(np.einsum("ij,ij->j", change, np.linalg.solve(total, change)))
    np.testing.assert_allclose(model.score().mahalanobis, expected, rtol=1e-5)


def test_order_of_cells_and_storage_do_not_matter(conditions, rng):
    states1, values1, states2, values2 = conditions
    base = fit(conditions, tol=1e-10).score()
    order = rng.permutation(120)
    permuted = fit((states1[order], values1[order], states2, values2), tol=1e-10).score()
    np.testing.assert_allclose(permuted.mahalanobis, base.mahalanobis, rtol=1e-5)
    for kind in (sparse.csr_array, sparse.csc_array, sparse.csr_matrix, np.asfortranarray):
        other = fit((states1, kind(values1), states2, kind(values2)), tol=1e-10).score()
        np.testing.assert_allclose(other.mahalanobis, base.mahalanobis, rtol=1e-9)
        np.testing.assert_allclose(other.mean_lfc, base.mean_lfc, atol=1e-12)


def test_cells_in_any_order_equal_two_arrays(conditions, rng):
    states1, values1, states2, values2 = conditions
    order = rng.permutation(200)
    states, values = np.vstack([states1, states2])[order], np.vstack([values1, values2])[order]
    labels = np.repeat([0, 1], [120, 80])[order]
    model = DifferentialExpression(random_state=0, tol=1e-10)
    mixed = model.fit_cells(states, values, labels, ls=3.0).score()
    apart = fit(conditions, tol=1e-10).score()
    np.testing.assert_allclose(mixed.mahalanobis, apart.mahalanobis, rtol=1e-5)
    np.testing.assert_allclose(mixed.mean_lfc, apart.mean_lfc, atol=1e-8)


def test_exchanging_conditions_changes_signs_exactly(rng, conditions):
    states1, values1, states2, values2 = conditions
    states, values = np.vstack([states1, states2]), np.vstack([values1, values2])
    labels = np.repeat([0, 1], [120, 80])
    fits = [
        DifferentialExpression(random_state=0, param_scheme="symmetric").fit_cells(
            states, values, condition
        )
        for condition in (labels, 1 - labels)
    ]
    first, second = (model.predict(states, progress=False) for model in fits)
    assert fits[0].ls_ == fits[1].ls_
    np.testing.assert_array_equal(first["fold_change"], -second["fold_change"])
    np.testing.assert_array_equal(first["condition1_imputed"], second["condition2_imputed"])
    np.testing.assert_array_equal(fits[0].score().mean_lfc, -fits[1].score().mean_lfc)
    np.testing.assert_allclose(fits[0].score().mahalanobis, fits[1].score().mahalanobis, rtol=1e-10)


def test_schemes_take_their_length_scale_from_the_named_cells(conditions):
    states1, _, states2, _ = conditions
    from kompot.gp import estimate_length_scale

    scale1, scale2 = estimate_length_scale(states1), estimate_length_scale(states2)
    expected = {
        "condition1": scale1,
        "condition2": scale2,
        "pooled": estimate_length_scale(np.vstack([states1, states2])),
        "symmetric": np.exp((120 * np.log(scale1) + 80 * np.log(scale2)) / 200),
    }
    for scheme, scale in expected.items():
        assert fit(conditions, ls=None, param_scheme=scheme).ls_ == pytest.approx(scale)
    with pytest.raises(ValueError, match="'param_scheme' must be one of"):
        fit(conditions, ls=None, param_scheme="both")


@pytest.mark.parametrize(("ls", "tol"), [(2.0, 1e-4), (2.0, 1e-6), (50.0, 1e-6)])
def test_truncation_error_has_the_size_of_the_true_one(rng, ls, tol):
    states = rng.normal(size=(1000, 3))
    values = np.sin(states[:, :1]) + rng.normal(0, 0.5, (1000, 200))
    values[:500, :50] += rng.normal(0, 0.5, 50)
    labels = np.repeat([0, 1], 500)

    def fitted(tol):
        return DifferentialExpression(random_state=0, tol=tol).fit_cells(
            states, values, labels, ls=ls
        )

    model, exact = fitted(tol), fitted(1e-10).score().mahalanobis
    distance = model.score().mahalanobis
    true = np.max(np.abs(distance / exact - 1)[distance > 0.1 * distance.max()])
    assert true < 5e-3
    assert 0.3 * true < model.truncation_error() < 100 * true


def test_tail_probabilities_are_uniform_without_effect(rng):
    """Cells of both conditions follow the same functions, with each gene's own noise."""
    n_genes = 1500
    states = rng.uniform(-1, 1, size=(400, 1))
    noise = rng.uniform(0.3, 3.0, n_genes)
    values = np.sin(states) + noise * rng.normal(size=(400, n_genes))
    labels = np.tile([0, 1], 200)
    model = DifferentialExpression(random_state=0).fit_cells(states, values, labels, ls=2.0)
    ptp = model.score().ptp
    assert stats.kstest(ptp, "uniform").pvalue > 1e-3
    assert (ptp < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_changed_gene_stands_out(conditions):
    scores = fit(conditions).score()
    assert scores.mahalanobis.argmax() == 0
    assert scores.mean_lfc[0] == pytest.approx(1.0, abs=0.2)
    assert scores.ptp[0] < 1e-6
    assert (scores.ptp[1:] > 1e-3).all()


def test_silent_gene_scores_nothing(conditions):
    states1, values1, states2, values2 = conditions
    values1[:, 1], values2[:, 1] = 0.0, 0.0
    scores = fit((states1, values1, states2, values2)).score()
    assert scores.mahalanobis[1] == scores.mean_lfc[1] == 0.0
    assert scores.ptp[1] == 1.0


def test_shuffled_genes_are_kept_apart(conditions, rng):
    states1, values1, states2, values2 = conditions
    states, values = np.vstack([states1, states2]), np.vstack([values1, values2])
    labels = np.repeat([0, 1], [120, 80])
    null = rng.permuted(values, axis=0)
    plain = DifferentialExpression(random_state=0).fit_cells(states, values, labels, ls=3.0)
    both = DifferentialExpression(random_state=0).fit_cells(
        states,
        sparse.csr_array(values),
        labels,
        ls=3.0,
        null_expression=[null[:, :2], sparse.csr_array(null[:, 2:])],
    )
    alone = DifferentialExpression(random_state=0).fit_cells(states, null, labels, ls=3.0)
    np.testing.assert_allclose(both.score().mahalanobis, plain.score().mahalanobis, rtol=1e-9)
    np.testing.assert_allclose(both.null_distances(), alone.score().mahalanobis, rtol=1e-9)
    assert plain.null_distances().shape == (0,)


def test_parameter_protocol(conditions):
    model = DifferentialExpression(100, eps=1e-6)
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "DifferentialExpression(n_landmarks=100, eps=1e-06)"
    with pytest.raises(ValueError, match="Model not fitted"):
        model.predict(conditions[0])


def test_bad_arrays_are_refused(conditions):
    states1, values1, states2, values2 = conditions
    with pytest.raises(ValueError, match="`y1` has 6 genes but `y2` has 5"):
        fit((states1, values1, states2, values2[:, :5]))
    with pytest.raises(ValueError, match="`X2` has 1 dimensions but the model was made with 2"):
        fit((states1, values1, states2[:, :1], values2))
    with pytest.raises(ValueError, match="'eps' must be finite and at least 0, got -1"):
        fit(conditions, eps=-1)


def test_what_scores_share_is_made_once_and_again_for_another_fit(rng, monkeypatch):
    from kompot.models import differential_expression as module

    made = []
    original = module.landmark_jitter
    monkeypatch.setattr(
        module, "landmark_jitter", lambda *given: made.append(given[1]) or original(*given)
    )
    states, values = rng.normal(size=(80, 2)), rng.normal(size=(80, 3))
    model = DifferentialExpression(random_state=0).fit(
        states[:40], values[:40], states[40:], values[40:]
    )
    first = model.score().mahalanobis
    error = model.truncation_error()
    assert made == [model.eps]
    model.eps = 1.0
    assert (model.score().mahalanobis < first).all()
    assert made == [1e-8, 1.0]
    model.eps = 1e-8
    model.fit(states[:40], 2 * values[:40], states[40:], 2 * values[40:])
    np.testing.assert_allclose(model.score().mahalanobis, 2 * first)
    assert model.truncation_error() == pytest.approx(error)


def test_a_new_fit_forgets_distances(rng):
    states, values = rng.normal(size=(80, 2)), rng.normal(size=(80, 3))
    model = DifferentialExpression(random_state=0).fit(states, values, states, values)
    model.predict(states, compute_mahalanobis=True, progress=False)
    model.fit(states, values, states, 2 * values)
    assert not hasattr(model, "mahalanobis_distances_")


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("n_landmarks", 0, ValueError),
        ("n_landmarks", 2.5, TypeError),
        ("tol", np.nan, ValueError),
        ("tol", -1.0, ValueError),
        ("batch_size", -1, ValueError),
        ("batch_size", 2.5, TypeError),
    ],
)
def test_numbers_are_checked(rng, name, value, error):
    states, values = rng.normal(size=(20, 2)), rng.normal(size=(20, 3))
    option = {name: value}
    with pytest.raises(error, match=f"'{name}' must be"):
        DifferentialExpression(**option).fit(states, values, states, values)
    for kind in (FunctionEstimator, ExpressionModel):
        with pytest.raises(error, match=f"'{name}' must be"):
            kind(**option).fit(states, values)
    with pytest.raises(error, match=f"'{name}' must be"):
        DensityEstimator(**option).fit(states)


def test_models_without_a_seed_repeat(rng):
    states, values = rng.normal(size=(60, 2)), rng.normal(size=(60, 3))
    for kind in (FunctionEstimator, ExpressionModel):
        one, other = (
            kind(n_landmarks=8, random_state=None).fit(states, values).predict(states)
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, other)
    one, other = (
        DifferentialExpression(8).fit(states, values, states, 2 * values).predict(states)
        for _ in range(2)
    )
    np.testing.assert_array_equal(one["fold_change"], other["fold_change"])


def test_expression_without_genes_is_refused(rng):
    states, none = rng.normal(size=(20, 2)), np.empty((20, 0))
    with pytest.raises(ValueError, match="`y1` has no columns; give at least one gene"):
        DifferentialExpression().fit(states, none, states, none)
    with pytest.raises(ValueError, match="`y` has no columns"):
        ExpressionModel().fit(states, none)


def test_a_model_that_holds_a_function_can_be_compared(rng):
    """It has no landmarks of its own, which passed for not being fitted."""
    states, values = rng.normal(size=(60, 2)), rng.normal(size=(60, 3))
    functions = [FunctionEstimator(random_state=0).fit(states, f * values) for f in (1, 2)]
    models = [ExpressionModel(function_predictor=one) for one in functions]
    found = DifferentialExpression(model1=models[0], model2=models[1]).predict(
        states, compute_mahalanobis=True, progress=False
    )
    expected = DifferentialExpression(
        function_predictor1=functions[0], function_predictor2=functions[1]
    ).predict(states, compute_mahalanobis=True, progress=False)
    for name in ("fold_change", "mahalanobis_distances"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5)
