"""Groups scored from sums of features are what their cells say one by one."""

import numpy as np
import pytest
from scipy import sparse

from kompot import threads
from kompot.models import DifferentialExpression, score_groups
from kompot.stats.fold_change import compute_weighted_mean_fold_change
from kompot.stats.mahalanobis import mahalanobis

N = 5000


@pytest.fixture(scope="module")
def cells():
    """States on a line, conditions, expression of 6 genes and 30 shuffled ones."""
    rng = np.random.default_rng(3)
    states = rng.uniform(-3, 3, size=(N, 1))
    condition = (rng.random(N) < 0.4 + 0.2 * (states[:, 0] > 0)).astype(int)
    values = rng.normal(0, 0.5, size=(N, 6)) + np.sin(states)
    values[:, 0] += 2.0 * condition * (states[:, 0] > 1)
    null = sparse.csr_array(rng.permuted(values[:, np.arange(30) % 6], axis=0))
    return states, condition, values, null


@pytest.fixture(scope="module")
def model(cells):
    states, condition, values, null = cells
    model = DifferentialExpression(random_state=0)
    return model.fit_cells(states, values, condition, ls=1.5, null_expression=[null])


@pytest.fixture
def groups(cells):
    line = cells[0][:, 0]
    return [line > 1, line <= 1, (line > 0.5) & (line < 1.5), np.arange(N) == 7, line > 9]


def scores_of(model, cells, groups, **options):
    return list(score_groups(model, cells[0], cells[1], groups, **options))


def test_means_are_those_of_the_cells(model, cells, groups):
    found = model.predict(cells[0], progress=False)
    change = np.random.default_rng(0).normal(size=N)
    condition, scores = cells[1], scores_of(model, cells, groups, abundance_change=change)
    for mask, score in zip(groups[:3], scores, strict=False):
        first, second = mask & (condition == 0), mask & (condition == 1)
        assert score.n_cells == (first.sum(), second.sum())
        lfc = found["fold_change"][mask]
        np.testing.assert_allclose(score.mean_lfc, lfc.mean(axis=0), atol=1e-10)
        np.testing.assert_allclose(
            score.weighted_mean_lfc,
            compute_weighted_mean_fold_change(lfc, log_density_diff=change[mask]),
            atol=1e-10,
        )
        f1, f2 = found["condition1_imputed"], found["condition2_imputed"]
        total = f2[second].mean(axis=0) - f1[first].mean(axis=0)
        np.testing.assert_allclose(score.composition + score.expression, total, atol=1e-10)
        moved = [f[second].mean(axis=0) - f[first].mean(axis=0) for f in (f1, f2)]
        np.testing.assert_allclose(score.composition, np.mean(moved, axis=0), atol=1e-10)


def test_distances_are_those_of_the_principal_components_at_the_cells(model, cells, groups):
    scores = scores_of(model, cells, groups, share=0.9)
    mask = groups[2]
    phi = model.features_(cells[0][mask])
    variance, vectors = np.linalg.eigh(phi @ model.fold_change_covariance() @ phi.T)
    variance, vectors = variance[::-1], vectors[:, ::-1]
    n_kept = 1 + np.searchsorted(np.cumsum(variance), 0.9 * variance.sum())
    parts = vectors[:, :n_kept].T @ phi / np.sqrt(variance[:n_kept, None])
    for delta, found in (
        (model.delta_, scores[2].mahalanobis),
        (model.null_delta_, scores[2].null_mahalanobis),
    ):
        np.testing.assert_allclose(found, np.linalg.norm(parts @ delta, axis=0), rtol=1e-6)


def test_all_cells_and_all_variance_are_the_global_scores(model, cells):
    (score,) = scores_of(model, cells, [np.ones(N, bool)], share=1.0)
    known = model.score()
    np.testing.assert_allclose(score.mean_lfc, known.mean_lfc, rtol=1e-9)
    np.testing.assert_allclose(score.mahalanobis, known.mahalanobis, rtol=1e-9)
    np.testing.assert_allclose(score.null_mahalanobis, model.null_distances(), rtol=1e-9)
    np.testing.assert_allclose(score.ptp, known.ptp, rtol=1e-6)


def test_groups_allow_for_samples_as_all_cells_do(cells):
    states, condition, values, null = cells
    sample = 3 * condition + np.arange(N) % 3
    values = values + 0.3 * np.random.default_rng(1).normal(size=(6, 6))[sample]
    model = DifferentialExpression(use_sample_variance=True, random_state=0)
    model.fit_cells(states, values, condition, ls=1.5, null_expression=[null], sample=sample)
    everything, right = scores_of(model, cells, [np.ones(N, bool), states[:, 0] > 1], share=1.0)
    known = model.score()
    for score in (everything, right):
        np.testing.assert_allclose(score.mahalanobis, known.mahalanobis, rtol=1e-9)
        np.testing.assert_allclose(score.null_mahalanobis, model.null_distances(), rtol=1e-9)
    np.testing.assert_allclose(everything.ptp, known.ptp, rtol=1e-6)

    (local,) = scores_of(model, cells, [states[:, 0] > 1], share=0.8)
    deviations = [*model.deviations1_, *model.deviations2_]
    phi, covariance = model.features_(states[states[:, 0] > 1]), model.fold_change_covariance()
    variance, vectors = np.linalg.eigh(phi @ covariance @ phi.T)
    n_kept = 1 + np.searchsorted(np.cumsum(variance[::-1]), 0.8 * variance.sum())
    coordinates = vectors[:, ::-1][:, :n_kept] / np.sqrt(variance[::-1][:n_kept])
    for gene in range(6):
        change = coordinates.T @ phi @ model.delta_[:, gene]
        scatter = coordinates.T @ phi @ np.stack([one[:, gene] for one in deviations], axis=1)
        total = np.eye(n_kept) + scatter @ scatter.T
        expected = np.sqrt(change @ np.linalg.solve(total, change))
        assert local.mahalanobis[gene] == pytest.approx(expected, rel=1e-6)


def test_a_change_is_seen_where_it_is(model, cells, groups):
    right, left = scores_of(model, cells, groups[:2])
    assert right.mahalanobis[0] > 3 * right.null_mahalanobis.max()
    assert left.mahalanobis[0] < right.mahalanobis[0] / 3
    assert right.ptp[0] < 1e-30
    assert (right.mahalanobis <= mahalanobis(model.delta_, model.fold_change_covariance())).all()


def test_an_empty_group_has_nothing_to_tell(model, cells, groups):
    score = scores_of(model, cells, groups, abundance_change=np.zeros(N))[4]
    assert score.n_cells == (0, 0)
    values = (score.mean_lfc, score.composition, score.expression, score.weighted_mean_lfc)
    for value in (*values, score.mahalanobis, score.ptp):
        assert value.shape == (6,)
        assert np.isnan(value).all()
    assert np.isnan(score.null_mahalanobis).all()
    assert score.null_mahalanobis.shape == (30,)


def test_cells_of_one_condition_have_a_fold_change_but_no_attribution(model, cells):
    (score,) = scores_of(model, cells, [cells[1] == 0])
    assert np.isfinite(score.mean_lfc).all()
    assert np.isfinite(score.mahalanobis).all()
    assert np.isnan(score.composition).all()
    assert np.isnan(score.expression).all()


def test_groups_do_not_depend_on_each_other_nor_on_threads(model, cells, groups):
    together = scores_of(model, cells, groups)
    backwards = scores_of(model, cells, groups[::-1])[::-1]
    with threads.limited(1):
        alone = [scores_of(model, cells, [mask])[0] for mask in groups]
    for score, *others in zip(together, backwards, alone, strict=True):
        for other in others:
            np.testing.assert_array_equal(score.mahalanobis, other.mahalanobis)
            np.testing.assert_array_equal(score.mean_lfc, other.mean_lfc)


def test_order_of_cells_does_not_matter(model, cells, groups, rng):
    order = rng.permutation(N)
    moved = (cells[0][order], cells[1][order])
    first = scores_of(model, cells, groups[:3])
    second = scores_of(model, moved, [mask[order] for mask in groups[:3]])
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.mahalanobis, other.mahalanobis, rtol=1e-8)
        np.testing.assert_allclose(one.mean_lfc, other.mean_lfc, atol=1e-12)
        np.testing.assert_allclose(one.composition, other.composition, atol=1e-12)


def test_without_distances_only_means_are_given(model, cells, groups):
    plain = scores_of(model, cells, groups, distances=False)
    full = scores_of(model, cells, groups)
    for one, other in zip(plain, full, strict=True):
        np.testing.assert_array_equal(one.mean_lfc, other.mean_lfc)
        assert one.mahalanobis is one.null_mahalanobis is one.ptp is one.weighted_mean_lfc is None


def test_a_model_must_be_fitted():
    with pytest.raises(ValueError, match="Model not fitted"):
        list(score_groups(DifferentialExpression(), np.zeros((2, 1)), np.array([0, 1]), []))


@pytest.mark.parametrize("name", ["condition", "groups", "abundance_change"])
def test_arrays_of_another_length_are_refused(model, cells, groups, name):
    arrays = {"condition": cells[1], "groups": groups[:1], "abundance_change": np.zeros(N)}
    arrays[name] = [groups[0][1:]] if name == "groups" else arrays[name][1:]
    condition, masks = arrays.pop("condition"), arrays.pop("groups")
    with pytest.raises(ValueError, match=rf"`{name}.*has shape \(4999,\) but there are 5000"):
        list(score_groups(model, cells[0], condition, masks, **arrays))
