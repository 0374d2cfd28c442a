import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from kompot.stats.design import Design, paired_design, two_group_design


def test_two_groups_give_the_difference_of_means_and_the_pooled_variance(rng):
    condition = np.array([0, 1, 0, 1, 1])
    values = rng.normal(size=(5, 7))
    contrast = two_group_design(condition).contrast_of()
    first, second = values[condition == 0], values[condition == 1]
    expected = stats.ttest_ind(second, first)
    found = contrast.effect(values)
    np.testing.assert_allclose(found, second.mean(0) - first.mean(0))
    error = np.sqrt(contrast.unit_variance * contrast.residual_variance(values))
    np.testing.assert_allclose(found / error, expected.statistic)
    assert contrast.degrees_of_freedom == 3


def test_pairs_give_the_paired_t_test(rng):
    values = rng.normal(size=(8, 5))
    design = paired_design([0, 1] * 4, ["d", "d", "a", "a", "b", "b", "c", "c"])
    contrast = design.contrast_of()
    expected = stats.ttest_rel(values[1::2], values[::2])
    error = np.sqrt(contrast.unit_variance * contrast.residual_variance(values))
    np.testing.assert_allclose(contrast.effect(values) / error, expected.statistic)
    assert contrast.degrees_of_freedom == 3


def test_covariates_give_the_partial_coefficient_of_least_squares(rng):
    condition = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    age, batch = rng.uniform(2e6, 9e6, 8), np.array(list("xyxzyzxy"))
    design = two_group_design(condition, covariates={"age": age, "batch": batch})
    values = rng.normal(size=8)
    full = np.column_stack([np.ones(8), condition, age, batch == "y", batch == "z"])
    expected = np.linalg.lstsq(full, values, rcond=None)
    contrast = design.contrast_of()
    np.testing.assert_allclose(contrast.effect(values), expected[0][1], rtol=1e-6)
    np.testing.assert_allclose(3 * contrast.residual_variance(values), expected[1][0], rtol=1e-6)
    assert design.degrees_of_freedom == 3


@settings(deadline=None)  # of the wall clock
@given(seed=st.integers(0, 10_000))
def test_weights_answer_the_contrast_and_residuals_ignore_the_design(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-2, 3, size=(rng.integers(2, 9), rng.integers(1, 6))).astype(float)
    contrast = matrix.T @ rng.integers(-2, 3, len(matrix)) * 1.0  # in the row space
    if not contrast.any():
        return
    design = Design(matrix, contrast, tuple("abcdef"[: matrix.shape[1]]), ("s",) * len(matrix))
    found = design.contrast_of()
    if found is None:
        assert np.linalg.matrix_rank(matrix) == len(matrix)
        return
    pseudo_inverse = np.linalg.pinv(matrix)
    np.testing.assert_allclose(found.weights, contrast @ pseudo_inverse, atol=1e-9)
    projection = np.eye(len(matrix)) - matrix @ pseudo_inverse
    np.testing.assert_allclose(found.residual_basis @ found.residual_basis.T, projection, atol=1e-9)


@pytest.mark.parametrize("paired", [False, True])
def test_sides_are_the_conditions_whatever_the_signs_of_weights(rng, paired):
    condition = np.array([0, 1] * 5)
    age = 1.5 * condition + rng.normal(size=10)
    if paired:
        design = paired_design(condition, list("aabbccddee"), covariates={"age": age})
    else:
        design = two_group_design(condition, covariates={"age": age})
    signs = design.contrast_of().weights > 0
    assert (signs != (condition == 1)).any()
    np.testing.assert_array_equal(design.second_side, condition == 1)


def test_a_subset_that_cannot_answer_is_none():
    design = two_group_design([0, 0, 0, 1, 1, 1], covariates={"batch": list("xxyyzz")})
    everyone = np.ones(6, bool)
    assert design.contrast_of(everyone) is not None
    one_condition = np.array([True, True, True, False, False, False])
    no_freedom = np.array([True, False, False, True, False, False])
    confounded = np.array([True, True, False, False, True, True])
    assert design.contrast_of(one_condition) is None
    assert design.contrast_of(no_freedom) is None
    assert design.contrast_of(confounded) is None


def test_columns_without_samples_do_not_matter():
    design = paired_design([0, 1] * 3, list("aabbcc"))
    kept = np.array([True] * 4 + [False] * 2)
    smaller = paired_design([0, 1] * 2, list("aabb")).contrast_of()
    np.testing.assert_allclose(design.contrast_of(kept).weights, smaller.weights, atol=1e-12)


def test_units_of_a_covariate_do_not_matter(rng):
    condition, age = np.repeat([0, 1], 4), rng.uniform(size=8)
    small, large = (
        two_group_design(condition, covariates={"age": age * unit + 1e3}).contrast_of()
        for unit in (1e-3, 1e9)
    )
    np.testing.assert_allclose(small.weights, large.weights, rtol=1e-5)


def test_the_tested_column_is_added():
    design = two_group_design([0, 0, 1, 1], samples=list("abcd"))
    extended = design.testing(np.array([1.0, -1.0, 1.0, -1.0]), "noise")
    np.testing.assert_allclose(extended.contrast_of().weights, [0.25, -0.25, 0.25, -0.25])
    assert extended.columns == ("condition1", "condition2", "noise")
    assert extended.samples == design.samples


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: two_group_design([0, 1, 1]), "1 and 2 samples, but at least 2"),
        (lambda: two_group_design([0, 2, 1]), "must be 0 or 1"),
        (
            lambda: two_group_design([0, 0, 1, 1], covariates={"batch": list("xxyy")}),
            "cannot be told from the other columns",
        ),
        (
            lambda: two_group_design([0, 0, 1, 1], covariates={"age": [1.0, 2.0, np.nan, 3.0]}),
            "'age' is missing",
        ),
        (lambda: two_group_design([0, 0, 1, 1], covariates={"age": [1.0, 2.0]}), "one value per"),
        (
            lambda: two_group_design(
                [0, 0, 1, 1], covariates={"age": [1.0, 2.0, 4.0, 7.0], "sex": list("fmmf")}
            ),
            "leave no degree of freedom",
        ),
        (lambda: paired_design([0, 1, 0, 1], list("aabc")), "1 of 3 donors"),
        (lambda: paired_design([0, 1, 0, 1], list("aab")), "3 values but there are 4"),
    ],
)
def test_designs_that_cannot_be_tested_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_matrices_that_are_no_design_are_refused():
    with pytest.raises(ValueError, match="all zero"):
        Design(np.eye(2), np.zeros(2), ("a", "b"), ("s", "t"))
    with pytest.raises(ValueError, match="must be finite"):
        Design(np.full((2, 1), np.nan), np.ones(1), ("a",), ("s", "t"))
    with pytest.raises(ValueError, match="n_samples"):
        Design(np.eye(2), np.ones(3), ("a", "b"), ("s", "t"))


def test_a_constant_covariate_adds_nothing_and_few_samples_are_exploratory():
    design = two_group_design([0, 0, 1, 1], covariates={"site": [7, 7, 7, 7], "kit": ["v"] * 4})
    assert design.columns == ("condition1", "condition2")
    assert design.exploratory
    assert not two_group_design([0, 0, 0, 1, 1]).exploratory


def test_a_design_with_as_many_columns_as_samples_says_so():
    covariates = {"age": [1.0, 5.0, 2.0, 4.5], "depth": [3.0, 1.0, 7.0, 2.0]}
    with pytest.raises(ValueError, match="4 independent columns leave no degree of freedom"):
        two_group_design([0, 0, 1, 1], covariates=covariates)
    with pytest.raises(ValueError, match="the effect cannot be told from the other columns"):
        two_group_design([0, 0, 0, 1, 1, 1], covariates={"batch": list("aaabbb")})


def test_random_covariates_mean_nothing():
    condition, names = [0, 1, 0, 1, 1, 0], list("abcdef")
    design = two_group_design(condition, samples=names)
    found = [one.matrix[:, -1] for one in design.with_random_covariates(4, seed=3)]
    assert len(found) == 4
    np.testing.assert_allclose(design.matrix.T @ np.array(found).T, 0.0, atol=1e-12)
    assert len({round(float(one[0]), 9) for one in found}) == 4
    order = [3, 5, 0, 1, 4, 2]
    turned = two_group_design(
        [condition[i] for i in order], samples=[names[i] for i in order]
    ).with_random_covariates(4, seed=3)
    for one, other in zip(found, turned, strict=True):
        np.testing.assert_allclose(one[order], other.matrix[:, -1], atol=1e-12)
    full = Design(np.eye(2), np.array([-1.0, 1.0]), ("a", "b"), ("s", "t"))
    assert list(full.with_random_covariates(2)) == []
