"""Differential expression with samples, whose scatter counts as uncertainty."""

import numpy as np
import pytest
from scipy import sparse

from kompot.models import DifferentialExpression, FunctionEstimator
from kompot.models.array_store import ArrayStore, is_in_file
from kompot.models.donor_expression import find_regions, score_donors
from kompot.stats.design import two_group_design


@pytest.fixture
def conditions(rng):
    """Cells, expression and samples of two conditions; the samples differ in every gene."""
    parts = []
    for n_cells, n_samples in ((150, 3), (110, 4)):
        states, sample = rng.normal(size=(n_cells, 2)), np.arange(n_cells) % n_samples
        shift = rng.normal(0, 0.6, (n_samples, 6))
        values = np.sin(states[:, :1]) + shift[sample] + rng.normal(0, 0.5, (n_cells, 6))
        parts.append((states, values, sample))
    parts[1][1][:, 0] += 1.5
    return parts


def fit(conditions, samples=True, **options):
    (x1, y1, s1), (x2, y2, s2) = conditions
    landmarks = np.random.default_rng(3).normal(size=(15, 2))
    labels = {"condition1_sample_indices": s1, "condition2_sample_indices": s2} if samples else {}
    model = DifferentialExpression(eps=1e-3, random_state=0)
    return model.fit(x1, y1, x2, y2, ls=3.0, landmarks=landmarks, **labels, **options)


def sample_functions(model, conditions, new):
    """Each sample's own regression at some states, ``(n_samples, n_cells, n_genes)``."""
    result = []
    for states, values, sample in conditions:
        fits = [
            FunctionEstimator(ls=3.0, landmarks=model.features_.landmarks).fit(
                states[sample == s], values[sample == s]
            )
            for s in np.unique(sample)
        ]
        result.append(np.stack([one.predict(new) for one in fits]))
    return result


def test_distances_equal_the_dense_computation_per_gene(conditions):
    model = fit(conditions)
    landmarks = model.features_.landmarks
    functions = sample_functions(model, conditions, landmarks)
    plain = fit(conditions, samples=False)
    np.testing.assert_allclose(model.delta_, plain.delta_)
    fold_change = model.predict(landmarks, progress=False)["fold_change"]
    factor = model.features_.factor
    shared = factor @ model.fold_change_covariance() @ factor.T
    distance = model.score().mahalanobis
    for gene in range(6):
        total = shared.copy()
        for group in functions:
            total += np.cov(group[:, :, gene], rowvar=False, ddof=1)
        change = fold_change[:, gene]
        expected = np.sqrt(change @ np.linalg.solve(total, change))
        np.testing.assert_allclose(distance[gene], expected, rtol=1e-8)
    assert (distance < plain.score().mahalanobis).all()
    assert (model.score().ptp >= plain.score().ptp).all()


def test_standard_deviations_hold_the_variance_between_samples(conditions, rng):
    new = rng.normal(size=(9, 2))
    model = fit(conditions)
    found, plain = (m.predict(new, progress=False) for m in (model, fit(conditions, samples=False)))
    functions = sample_functions(model, conditions, new)
    for c, group in enumerate(functions, 1):
        expected = plain[f"condition{c}_std"][:, None] ** 2 + group.var(axis=0, ddof=1)
        np.testing.assert_allclose(found[f"condition{c}_std"], np.sqrt(expected), rtol=1e-7)
    spread = np.hypot(found["condition1_std"], found["condition2_std"])
    np.testing.assert_allclose(found["fold_change_zscores"], found["fold_change"] / spread)
    np.testing.assert_allclose(found["fold_change"], plain["fold_change"], atol=1e-10)
    without_genes = model.predict_chunk(new, genes=False)
    np.testing.assert_allclose(without_genes["condition1_std"], plain["condition1_std"])


def test_other_genes_do_not_change_a_distance_and_exchange_changes_none(conditions):
    whole = fit(conditions).score().mahalanobis
    fewer = fit([(x, y[:, 2:4], s) for x, y, s in conditions]).score().mahalanobis
    np.testing.assert_allclose(fewer, whole[2:4], rtol=1e-9)
    np.testing.assert_allclose(fit(conditions[::-1]).score().mahalanobis, whole, rtol=1e-9)


def test_order_of_samples_and_storage_do_not_matter(conditions, rng):
    whole = fit(conditions).score().mahalanobis
    turned = []
    for states, values, sample in conditions:
        order = rng.permutation(len(sample))
        names = np.array(["d", "a", "c", "b"])[sample]
        turned.append((states[order], sparse.csr_matrix(values[order]), names[order]))
    np.testing.assert_allclose(fit(turned).score().mahalanobis, whole, rtol=1e-8)


def test_one_condition_may_be_enough(conditions):
    one = [conditions[0], (*conditions[1][:2], np.zeros(110))]
    with pytest.raises(ValueError, match=r"only 1 valid group\(s\) found in condition 2: .*single"):
        fit(one)
    found = fit(one, allow_single_condition_variance=True)
    assert (len(found.deviations1_), len(found.deviations2_)) == (2, 0)
    deviations = found.predict(conditions[0][0], progress=False)
    plain = fit(conditions, samples=False).predict(conditions[0][0], progress=False)
    np.testing.assert_allclose(
        deviations["condition2_std"], np.tile(plain["condition2_std"][:, None], 6)
    )
    (x1, y1, s1), (x2, y2, _) = one
    alone = DifferentialExpression(eps=1e-3, random_state=0).fit(
        *(x1, y1, x2, y2),
        ls=3.0,
        landmarks=found.features_.landmarks,
        condition1_sample_indices=s1,
        allow_single_condition_variance=True,
    )
    np.testing.assert_allclose(alone.score().mahalanobis, found.score().mahalanobis)


def test_no_condition_with_two_samples_is_refused(conditions):
    one = [(x, y, np.zeros(len(x))) for x, y, _ in conditions]
    with pytest.raises(ValueError, match="condition 1 and condition 2"):
        fit(one, allow_single_condition_variance=True)


def test_a_sample_of_one_cell_counts_in_its_condition_but_not_in_the_variance(conditions):
    (x1, y1, s1), second = conditions
    lonely = s1.copy()
    lonely[0] = 9
    found, plain = fit([(x1, y1, lonely), second]), fit(conditions, samples=False)
    np.testing.assert_allclose(found.delta_, plain.delta_)
    rest = fit([(x1[1:], y1[1:], s1[1:]), second])
    for one, other in zip(found.deviations1_, rest.deviations1_, strict=True):
        np.testing.assert_allclose(np.abs(one), np.abs(other), atol=1e-10)


def test_the_same_label_in_both_conditions_is_two_samples(conditions):
    renamed = [(x, y, s + 10 * c) for c, (x, y, s) in enumerate(conditions)]
    np.testing.assert_allclose(
        fit(renamed).score().mahalanobis, fit(conditions).score().mahalanobis
    )


def test_shuffled_genes_have_distances_with_samples(conditions):
    (x1, y1, s1), (x2, y2, s2) = conditions
    states, values = np.vstack([x1, x2]), np.vstack([y1, y2])
    model = DifferentialExpression(random_state=0).fit_cells(
        states,
        values[:, :4],
        np.repeat([0, 1], [150, 110]),
        ls=3.0,
        null_expression=[values[:, 4:]],
        sample=np.concatenate([s1, s2 + 3]),
    )
    whole = DifferentialExpression(random_state=0).fit(
        x1, y1, x2, y2, ls=3.0, condition1_sample_indices=s1, condition2_sample_indices=s2
    )
    found = np.concatenate([model.score().mahalanobis, model.null_distances()])
    np.testing.assert_allclose(found, whole.score().mahalanobis, rtol=1e-6)


def test_use_of_samples_can_be_declined_or_demanded(conditions):
    (x1, y1, s1), (x2, y2, s2) = conditions
    labels = {"condition1_sample_indices": s1, "condition2_sample_indices": s2}
    declined = DifferentialExpression(use_sample_variance=False, random_state=0)
    declined.fit(x1, y1, x2, y2, ls=3.0, **labels)
    plain = DifferentialExpression(random_state=0).fit(x1, y1, x2, y2, ls=3.0)
    np.testing.assert_array_equal(declined.score().mahalanobis, plain.score().mahalanobis)
    with pytest.raises(ValueError, match="needs the sample of each cell"):
        DifferentialExpression(use_sample_variance=True).fit(x1, y1, x2, y2, ls=3.0)


def test_samples_of_wrong_length_or_of_both_conditions_are_refused(conditions):
    (x1, y1, s1), (x2, y2, s2) = conditions
    with pytest.raises(ValueError, match=r"`condition2_sample_indices` must .* 110 cells"):
        DifferentialExpression().fit(
            x1, y1, x2, y2, condition1_sample_indices=s1, condition2_sample_indices=s2[:-1]
        )
    with pytest.raises(ValueError, match=r"Samples \[0, 1, 2\] have cells of both conditions"):
        DifferentialExpression().fit_cells(
            np.vstack([x1, x2]),
            np.vstack([y1, y2]),
            np.repeat([0, 1], [150, 110]),
            sample=np.concatenate([s1, s2]),
        )


def test_regions_are_summed_in_the_same_pass(conditions):
    (x1, y1, s1), (x2, y2, s2) = conditions
    states, sample = np.vstack([x1, x2]), np.concatenate([s1, s2 + 3])
    model = DifferentialExpression(random_state=0).fit_cells(
        states,
        np.vstack([y1, y2]),
        np.repeat([0, 1], [150, 110]),
        ls=3.0,
        sample=sample,
        regions=lambda features: find_regions(features, states),
    )
    sums = model.donor_sums_.with_cells((model.statistics1_, model.statistics2_))
    design = two_group_design([0, 0, 0, 1, 1, 1, 1])
    found = score_donors(sums, model.region_index_, design)
    assert found.p.shape == (6,)
    assert found.p[0] == found.p.min()


def test_fits_of_samples_may_be_kept_in_files_that_vanish(conditions, tmp_path):
    (x1, y1, s1), (x2, y2, s2) = conditions
    states, values = np.vstack([x1, x2]), np.vstack([y1, y2])
    given = {"ls": 3.0, "sample": np.concatenate([s1, s2 + 3])}
    condition = np.repeat([0, 1], [150, 110])
    memory, disk = (
        DifferentialExpression(random_state=0).fit_cells(
            states, values, condition, store=ArrayStore(on_disk, str(tmp_path)), **given
        )
        for on_disk in (False, True)
    )
    assert is_in_file(disk.deviations1_[0])
    assert not is_in_file(memory.deviations1_[0])
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(disk.score().mahalanobis, memory.score().mahalanobis)
    new = disk.predict(states[:5], progress=False)
    np.testing.assert_array_equal(
        new["condition1_std"], memory.predict(states[:5], progress=False)["condition1_std"]
    )


def test_arrays_go_to_disk_when_memory_is_short_and_nowhere_when_both_are(tmp_path):
    store = ArrayStore(directory=str(tmp_path))
    array = np.arange(6.0).reshape(2, 3)
    assert store.keeper(48)(array) is array
    kept = ArrayStore(directory=str(tmp_path), max_memory_ratio=1e-12).keeper(48)(array)
    np.testing.assert_array_equal(kept, array)
    assert is_in_file(kept)
    with pytest.raises(OSError, match="do not fit into the"):
        store.keeper(10**18)


def test_chunks_of_cells_do_not_matter(conditions, monkeypatch):
    whole = fit(conditions).score().mahalanobis
    monkeypatch.setattr("kompot.memory.expression_sizes.FIT_CHUNK", 17)
    np.testing.assert_allclose(fit(conditions).score().mahalanobis, whole, rtol=1e-9)
