import numpy as np
import pytest

from kompot.stats.log_fractions import count_cells, log_fractions, relative_to


def test_cells_are_counted_in_the_regions_they_are_in():
    sample = np.array([0, 0, 1, 1, 1, 2])
    labels = np.array([0, 1, 1, 1, -1, 0])
    counts = count_cells(sample, labels, 3, 3)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 2, 0], [1, 0, 0]])


def test_poisson_variance_is_that_of_drawn_cells(rng):
    totals = np.array([400.0, 900.0])
    share = np.array([0.05, 0.2])
    drawn = rng.poisson(totals[:, None] * share, size=(20_000, 2, 2)).astype(float)
    values = np.array([log_fractions(counts, totals).values for counts in drawn[:4000]])
    expected = log_fractions(totals[:, None] * share, totals).sampling_variance
    np.testing.assert_allclose(values.var(axis=0), expected, rtol=0.1)


def test_fractions_do_not_depend_on_depth_but_for_the_pseudo_count():
    counts, totals = np.array([[40.0, 60.0], [20.0, 180.0]]), np.array([100.0, 200.0])
    one, ten = (log_fractions(k * counts, k * totals) for k in (1, 1000))
    np.testing.assert_allclose(ten.values, np.log(counts / totals[:, None]), atol=1e-4)
    np.testing.assert_allclose(one.values, ten.values, atol=0.02)
    np.testing.assert_allclose(1000 * ten.sampling_variance, one.sampling_variance, rtol=1e-2)


def test_empty_regions_stay_finite_and_are_not_testable():
    totals = np.array([50.0, 70.0])
    found = log_fractions(np.array([[0.0, 3.0, 50.0], [0.0, 1.0, 70.0]]), totals)
    assert np.isfinite(found.values).all()
    assert np.isfinite(found.sampling_variance).all()
    np.testing.assert_array_equal(found.testable, [False, True, False])


@pytest.mark.parametrize(("counts", "testable"), [([1, 2], False), ([4, 0], True)])
def test_a_region_needs_two_cells_per_sample(counts, testable):
    found = log_fractions(np.array(counts, float)[:, None], np.array([90.0, 80.0]))
    assert found.testable[0] == testable


def test_ratios_to_a_reference_have_the_variance_of_both(rng):
    totals = np.array([400.0, 900.0])
    share = np.array([0.05, 0.2])
    drawn = rng.poisson(totals[:, None] * share, size=(4000, 2, 2)).astype(float)

    def ratios(counts):
        both = log_fractions(counts, totals)
        return relative_to(both, log_fractions(counts[:, 1:], totals))

    values = np.array([ratios(counts).values for counts in drawn])
    expected = ratios(totals[:, None] * share)
    np.testing.assert_allclose(
        values[..., 0].var(axis=0), expected.sampling_variance[:, 0], rtol=0.1
    )
    np.testing.assert_allclose(expected.values[:, 0], np.log(0.05 / 0.2), atol=0.05)
    assert not values[..., 1].any()
    assert expected.testable.tolist() == [True, False]
