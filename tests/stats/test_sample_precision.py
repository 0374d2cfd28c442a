"""Samples weighed by their cells, and the error of what they say together."""

import numpy as np
import pytest

from kompot.stats.design import paired_design, two_group_design
from kompot.stats.sample_precision import _mean_of_cut_chi_square, weigh_samples

DESIGNS = {
    "balanced": two_group_design([0, 1] * 4),
    "unequal": two_group_design([0] * 3 + [1] * 9),
    "pairs": paired_design([0, 1] * 4, list("aabbccdd")),
    "covariate": two_group_design([0, 1] * 5, covariates={"age": np.arange(10) ** 2}),
    "one donor alone": paired_design([0, 1, 0, 1, 0, 1, 0], list("aabbccd")),
    "columns that repeat": two_group_design(
        [0, 1] * 5, covariates={"batch": list("aabbaabbaa"), "again": list("ccddccddcc")}
    ),
}


@pytest.mark.parametrize("name", list(DESIGNS))
def test_scaled_values_give_generalised_least_squares(name, rng):
    design = DESIGNS[name]
    scale = 10 ** rng.uniform(-1.5, 1.5, design.n_samples)
    values = rng.normal(size=design.n_samples)
    found = design.contrast_of().of_scaled(scale)
    root = scale[:, None] * design.matrix
    coefficients, *_ = np.linalg.lstsq(root, scale * values)
    np.testing.assert_allclose(found.effect(scale * values), design.contrast @ coefficients)
    left = scale * values - root @ coefficients
    freedom = design.degrees_of_freedom
    np.testing.assert_allclose(found.residual_variance(scale * values), left @ left / freedom)
    np.testing.assert_allclose(
        found.unit_variance, design.contrast @ np.linalg.pinv(root.T @ root) @ design.contrast
    )


def test_equal_samples_are_weighed_equally(rng):
    contrast = DESIGNS["balanced"].contrast_of()
    values, within = rng.normal(size=(8, 50)), np.ones(50)
    noise, sizes = np.eye(8) / 30 + 0.2, np.full(8, 30.0)  # with an offset common to all
    found = weigh_samples(contrast, values, within, noise, sizes)
    np.testing.assert_allclose(found.values, values)
    np.testing.assert_allclose(found.contrast.weights, contrast.weights)
    np.testing.assert_allclose(found.unit_variance, contrast.unit_variance)
    np.testing.assert_allclose([found.excess, found.least], [0, contrast.noise(noise)], atol=1e-15)


def drawn(rng, sizes, between, within):
    """Values of samples, ``(n_samples, n_genes)``."""
    variance = np.asarray(between) + np.asarray(within) / sizes[:, None]
    return rng.normal(size=variance.shape) * np.sqrt(variance)


def test_large_samples_count_more_the_less_donors_differ(rng):
    contrast = DESIGNS["balanced"].contrast_of()
    sizes, within = np.array([5.0, 5, 20, 20, 80, 80, 320, 320]), np.ones(2000)
    noise, shares = np.diag(1 / sizes), []
    for between in (0.0, 0.05, 5.0):
        values = drawn(rng, sizes, between, within)
        found = weigh_samples(contrast, values, within, noise, sizes)
        weight = np.abs(found.contrast.weights * (found.values / values)[:, 0])
        shares.append(weight[:2].sum() / weight.sum())
    assert shares == sorted(shares)
    assert shares[0] < 0.05  # sampling alone: in proportion to the cells, 5 of 425 each
    assert 0.22 < shares[-1] < 0.25  # donors alone: the same for all


def test_a_gene_that_donors_tell_apart_does_not_decide_the_weights(rng):
    contrast = DESIGNS["balanced"].contrast_of()
    sizes, within = rng.integers(5, 300, 8).astype(float), np.ones(500)
    values = drawn(rng, sizes, 0.02, within)
    outlying = values.copy()
    outlying[:, :10] *= 1e3
    usual, odd = (
        weigh_samples(contrast, z, within, np.diag(1 / sizes), sizes) for z in (values, outlying)
    )
    np.testing.assert_allclose(usual.contrast.weights, odd.contrast.weights, rtol=0.1)


@pytest.mark.parametrize("name", ["balanced", "pairs", "quieter few"])
def test_the_variance_of_each_gene_is_its_own(name, rng):
    """The weights are those of all genes; the error is right for genes of any donor variance."""
    design = DESIGNS.get(name, DESIGNS["unequal"])
    sizes = rng.integers(4, 200, design.n_samples).astype(float)
    if name == "quieter few":
        sizes = np.array([200.0] * 3 + [20] * 9)
    n_genes = 60_000
    between = np.repeat([0.0, 0.02, 0.5], n_genes // 3)
    within = rng.uniform(0.5, 1.5, n_genes)
    values = drawn(rng, sizes, between, within)
    found = weigh_samples(design.contrast_of(), values, within, np.diag(1 / sizes), sizes)
    effect = found.contrast.effect(found.values)
    said = found.unit_variance * found.contrast.residual_variance(found.values)
    said = said + found.excess * within
    for kind in (0.0, 0.02, 0.5):
        genes = between == kind
        assert np.square(effect[genes]).mean() == pytest.approx(said[genes].mean(), rel=0.04)
    weights = found.contrast.weights * (found.values[:, 0] / values[:, 0])
    np.testing.assert_allclose(found.least, weights**2 @ (1 / sizes))


def test_donors_that_weigh_less_on_an_effect_are_not_counted_on(rng):
    """Three samples of few cells against nine of many: the error is no less than residuals say."""
    contrast = DESIGNS["unequal"].contrast_of()
    sizes, within = np.array([10.0] * 3 + [200] * 9), np.ones(20_000)
    values = drawn(rng, sizes, 0.05, within)
    found = weigh_samples(contrast, values, within, np.diag(1 / sizes), sizes)
    assert found.unit_variance == found.contrast.unit_variance
    assert found.excess > 0
    effect = found.contrast.effect(found.values)
    said = found.unit_variance * found.contrast.residual_variance(found.values) + found.excess
    assert np.square(effect).mean() < said.mean()


@pytest.mark.parametrize("freedom", [1, 2, 6])
def test_cut_ratios_have_the_mean_that_is_taken_for_them(freedom, rng):
    ratio = rng.chisquare(freedom, 400_000) / freedom
    cut = np.minimum(ratio, np.quantile(ratio, 0.95)).mean()
    assert _mean_of_cut_chi_square(freedom) == pytest.approx(cut, rel=0.01)
