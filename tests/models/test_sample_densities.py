import numpy as np
import pytest

from kompot.gp.features import FeatureMap
from kompot.models import fitted_abundance
from kompot.models.condition_samples import numbered_samples
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.sample_densities import number_samples

VARIANCE, LFC, Z = (
    "log_fold_change_uncertainty",
    "log_fold_change",
    "log_fold_change_zscore",
)
SAMPLES = ("condition1_sample_indices", "condition2_sample_indices")


@pytest.fixture
def conditions(rng):
    """Two conditions of three samples whose cells lie about different places."""
    centers = rng.normal(0, 0.7, (6, 2))
    sample = np.repeat(np.arange(6), [60, 90, 70, 80, 50, 100])
    states = rng.normal(size=(450, 2)) + centers[sample]
    first = sample < 3
    return states[first], states[~first], sample[first], sample[~first]


def fit(conditions, labels=None, **options):
    parameters = {"ratio", "ratio_normalized"} & options.keys()
    model = DifferentialAbundance(**{name: options.pop(name) for name in parameters})
    first, second, *samples = conditions
    given = dict(zip(SAMPLES, labels or samples, strict=True))
    return model.fit(first, second, **given, **options)


def predict(model, points):
    return model.predict(points, progress=False)


def added(model, conditions, **options):
    """What samples add to the variance at all cells."""
    points = np.vstack(conditions[:2])
    alone = DifferentialAbundance().fit(*conditions[:2], **options)
    return predict(model, points)[VARIANCE] - predict(alone, points)[VARIANCE]


def test_variance_of_separate_fits_is_added(conditions):
    """The densities of the samples, fitted one by one, have the variance that is added."""
    model = fit(conditions, ratio_normalized=False)
    first, second, *samples = conditions
    points = np.vstack([first, second])
    expected = np.zeros(len(points))
    for density, states, sample in zip(
        (model.density1_, model.density2_), (first, second), samples, strict=True
    ):
        fits = []
        for one in np.unique(sample):
            own = states[sample == one]
            estimator = DensityEstimator(
                d=model.d_,
                ls=model.ls_,
                mu=density.mu_ + np.log(len(own) / len(states)),
                landmarks=model.features_.landmarks,
            )
            fits.append(estimator.fit(own).predict(points, normalize=True))
        expected += np.var(fits, axis=0, ddof=1)
    plain = DifferentialAbundance(ratio_normalized=False).fit(first, second)
    found = predict(model, points)[VARIANCE] - predict(plain, points)[VARIANCE]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert expected.min() > 0


def test_fold_change_stays_and_certainty_falls(conditions):
    points = np.vstack(conditions[:2])
    with_samples = predict(fit(conditions), points)
    without = predict(DifferentialAbundance().fit(*conditions[:2]), points)
    np.testing.assert_array_equal(with_samples[LFC], without[LFC])
    assert (np.abs(with_samples[Z]) < np.abs(without[Z])).all()
    np.testing.assert_allclose(
        with_samples[Z], with_samples[LFC] / np.sqrt(with_samples[VARIANCE]), rtol=1e-12
    )


def test_samples_with_the_same_cells_add_nothing(rng):
    states = rng.normal(size=(80, 2))
    twice = np.vstack([states, states + 1e-12 * rng.normal(size=states.shape)])
    sample = np.repeat([0, 1], 80)
    conditions = (twice, twice + 0.3, sample, sample)
    np.testing.assert_allclose(added(fit(conditions), conditions), 0.0, atol=1e-6)


def test_numbers_of_cells_are_no_variation(rng):
    """In a wrong dimension a large sample looks denser everywhere, unless it is normalised."""
    sizes = [100, 1600]
    states = [rng.normal(size=(sum(sizes), 2)) for _ in range(2)]
    sample = np.repeat([0, 1], sizes)
    conditions = (*states, sample, sample)
    normalized = np.median(added(fit(conditions, d=1.2), conditions, d=1.2))
    model = fit(conditions, d=1.2, ratio_normalized=False)
    plain = DifferentialAbundance(ratio_normalized=False).fit(*states, d=1.2)
    points = np.vstack(states)
    counted = np.median(predict(model, points)[VARIANCE] - predict(plain, points)[VARIANCE])
    assert normalized < 0.2 * counted


def test_neither_order_nor_names_matter(conditions, rng):
    points = np.vstack(conditions[:2])
    expected = predict(fit(conditions), points)[Z]
    names = [np.array(list("cabfed"))[sample] for sample in conditions[2:]]
    np.testing.assert_allclose(predict(fit(conditions, names), points)[Z], expected, rtol=1e-9)
    one, two = (rng.permutation(len(x)) for x in conditions[:2])
    first, second, sample1, sample2 = conditions
    shuffled = (first[one], second[two], sample1[one], sample2[two])
    np.testing.assert_allclose(predict(fit(shuffled), points)[Z], expected, rtol=1e-9)


def test_exchanging_conditions_changes_signs(conditions):
    first, second, sample1, sample2 = conditions
    points = np.vstack([first, second])
    one = predict(fit(conditions, sync_parameters=True), points)[Z]
    exchanged = (second, first, sample2, sample1)
    other = predict(fit(exchanged, sync_parameters=True), points)[Z]
    np.testing.assert_allclose(other, -one, rtol=1e-9)


def test_one_condition_with_samples_is_enough_if_allowed(conditions):
    first, second, sample1, sample2 = conditions
    alone = (first, second, sample1, np.zeros(len(second)))
    with pytest.raises(ValueError, match="At least 2 groups with sufficient cells") as caught:
        fit(alone)
    assert "3 and 1 samples" in str(caught.value)
    partly = fit(alone, allow_single_condition_variance=True)
    none = fit((*conditions[:3], None), allow_single_condition_variance=True)
    other = fit(
        (first, second, np.zeros(len(first)), sample2), allow_single_condition_variance=True
    )
    whole = added(fit(conditions), conditions)
    np.testing.assert_allclose(
        added(partly, conditions) + added(other, conditions), whole, rtol=1e-6
    )
    np.testing.assert_array_equal(added(none, conditions), added(partly, conditions))


def test_another_length_scale_of_samples(conditions):
    usual = added(fit(conditions), conditions)
    model = fit(conditions)
    same = added(fit(conditions, sample_estimator_ls=model.ls_), conditions)
    np.testing.assert_allclose(same, usual, rtol=0.02)
    short = added(fit(conditions, sample_estimator_ls=model.ls_ / 20), conditions)
    assert np.median(short) > 2 * np.median(usual)


def test_mean_over_cells_has_the_variance_of_a_mean(conditions):
    model = fit(conditions)
    cells = conditions[0][:40]
    _, variance = model.mean_fold_change(cells)
    assert variance == pytest.approx(model.covariance(cells).mean(), rel=1e-6)


@pytest.mark.parametrize("ratio", ["densities", "labels"])
def test_mean_over_cells_is_summed_by_chunks(conditions, ratio, monkeypatch):
    cells = np.vstack(conditions[:2])
    model = fit(conditions, ratio=ratio)
    whole = model.mean_fold_change(cells)
    largest = []
    original = FeatureMap.__call__
    monkeypatch.setattr(
        FeatureMap, "__call__", lambda m, s: largest.append(len(s)) or original(m, s)
    )
    monkeypatch.setattr(fitted_abundance, "FEATURE_CHUNK", 17)
    np.testing.assert_allclose(model.mean_fold_change(cells), whole, rtol=1e-10)
    assert max(largest) == 17


def test_given_variances_are_added(conditions):
    first, second = conditions[:2]

    class Between:
        def predict(self, states, diag=False):
            return np.full(len(states), 0.3 if diag else np.nan)

    model = DifferentialAbundance(
        variance_predictor1=Between(), variance_predictor2=lambda states: np.ones(len(states))
    ).fit(first, second)
    np.testing.assert_allclose(added(model, conditions), 1.3, rtol=1e-9)
    wrong = DifferentialAbundance(variance_predictor1=lambda states: -np.ones(len(states)))
    with pytest.raises(ValueError, match="not negative"):
        predict(wrong.fit(first, second), first)
    with pytest.raises(TypeError, match="must be callable"):
        predict(DifferentialAbundance(variance_predictor1=3).fit(first, second), first)


def test_samples_can_be_ignored_and_must_fit(conditions):
    first, second, sample1, sample2 = conditions
    given = dict(zip(SAMPLES, (sample1, sample2), strict=True))
    ignored = DifferentialAbundance(use_sample_variance=False).fit(first, second, **given)
    assert ignored.samples_ is None
    with pytest.raises(ValueError, match="At least 2 groups"):
        DifferentialAbundance(use_sample_variance=True).fit(first, second)
    with pytest.raises(ValueError, match="`condition2_sample_indices` must have one value"):
        fit((first, second, sample1, sample1))
    with pytest.raises(ValueError, match="'sample_estimator_ls' must be finite and greater than 0"):
        fit(conditions, sample_estimator_ls=-1.0)
    density = DensityEstimator().fit(first)
    with pytest.raises(ValueError, match="leave the samples out"):
        DifferentialAbundance(density_predictor1=density, density_predictor2=density).fit(
            first, second, **given
        )


def test_sample_in_one_place_is_named(conditions):
    first, second, sample1, sample2 = conditions
    first = first.copy()
    first[sample1 == 1] = 0.5
    with pytest.raises(ValueError, match="all have the same state") as caught:
        fit((first, second, sample1, sample2))
    assert caught.value.__notes__ == ["These are the 90 cells of one sample."]


def test_samples_of_one_cell_are_left_out():
    condition = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
    labels = (list("aabcc"), list("yyxx"))
    codes = number_samples(condition, labels)
    np.testing.assert_array_equal(codes, [0, 0, -1, 1, 1, 1, 1, 0, 0])
    assert number_samples(condition, (None, None)) is None


def test_samples_are_numbered_by_their_labels_and_small_ones_are_not():
    labels = np.array(["b", "a", "c", "b", "c", "d"])
    codes, names = numbered_samples(labels)
    np.testing.assert_array_equal(codes, [0, -1, 1, 0, 1, -1])
    assert names.tolist() == ["b", "c"]
    assert (numbered_samples(labels, 3)[0] == -1).all()


def test_one_condition_is_proposed_only_where_it_has_samples(conditions):
    first, second, sample1, _ = conditions
    with pytest.raises(ValueError, match="With `allow_single_condition_variance=True`"):
        fit((first, second, sample1, np.zeros(len(second))))
    with pytest.raises(ValueError, match="At least 2 groups") as caught:
        fit((first, second, np.zeros(len(first)), np.zeros(len(second))))
    assert "allow_single" not in str(caught.value)
