"""Contrasts of log fractions and their rotation test, also against a reference of the procedure.

The reference implementation is no part of the project; where it is not there, its test is skipped.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from kompot.stats.design import Design, paired_design, two_group_design
from kompot.stats.fraction_contrast import contrast_fractions, level_weights, weighted_median
from kompot.stats.log_fractions import log_fractions
from kompot.stats.rotation import rotation_directions, rotation_test

SHARED = Path(__file__).parents[3] / "shared"
SIZES = (4, 12, 30)
LEVEL = np.repeat([0, 1, 2], SIZES)


@pytest.fixture(scope="module")
def oracle():
    path = SHARED / "reference"
    if not (path / "donor_da.py").exists():
        pytest.skip("the reference implementation is not here")
    sys.path.insert(0, str(path))
    try:
        import donor_da
    finally:
        sys.path.remove(str(path))
    return donor_da


def draw_counts(rng, totals, concentration=80.0):
    """Cells of samples in regions of three sizes, with variation between samples."""
    levels = []
    for size in SIZES:
        share = rng.dirichlet(np.full(size, 2.0))
        own = rng.dirichlet(concentration * share + 1e-3, len(totals))
        levels.append([rng.multinomial(int(n), p) for n, p in zip(totals, own, strict=True)])
    return [np.array(level, dtype=float) for level in levels]


def compare(counts, totals, design, **options):
    """Everything that is needed of one comparison."""
    fractions = log_fractions(np.hstack(counts), totals)
    contrast = design.contrast_of()
    weights = level_weights(fractions.testable, LEVEL)
    largest = np.bincount(LEVEL, weights=fractions.testable).argmax()
    found = contrast_fractions(fractions, contrast, weights, largest == LEVEL, **options)
    return found, fractions, contrast


DESIGNS = {
    "2v2": two_group_design([0, 0, 1, 1]),
    "3v3": two_group_design([0, 1, 0, 1, 0, 1]),
    "2v5": two_group_design([0, 0, 1, 1, 1, 1, 1]),
    "8v8": two_group_design(np.repeat([0, 1], 8)),
    "4 pairs": paired_design([0, 1] * 4, np.repeat(list("abcd"), 2)),
    "covariate": two_group_design([0, 0, 0, 1, 1, 1], covariates={"age": [3, 5, 4, 3, 6, 2]}),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("reference", [None, "median"])
@pytest.mark.parametrize("name", list(DESIGNS))
def test_agrees_with_the_reference(oracle, name, seed, reference):
    rng, design = np.random.default_rng(seed), DESIGNS[name]
    totals = rng.integers(60, 900, design.n_samples).astype(float)
    if name in ("2v5", "covariate"):  # what samples weigh only matters if they differ in size
        totals[:] = totals[0]
    counts = draw_counts(rng, totals)
    theirs = oracle.test_counts(counts, totals, design.matrix, design.contrast, ref=reference)
    found, fractions, contrast = compare(counts, totals, design, shift=theirs["shift"])
    flat = {k: np.concatenate(theirs[k]) for k in ("est", "t", "p", "se", "padj")}
    # Their draws are in a basis of effect and residuals; ours in the space of samples.
    a, n_samples = contrast.weights, design.n_samples
    hat = design.matrix @ np.linalg.pinv(design.matrix)
    basis = np.linalg.svd(np.eye(n_samples) - hat)[0][:, : contrast.degrees_of_freedom]
    draws = np.random.default_rng(0).normal(size=(999, contrast.degrees_of_freedom + 1))
    draws /= np.linalg.norm(draws, axis=1, keepdims=True)
    directions = draws @ np.column_stack([a / np.linalg.norm(a), basis]).T
    rotation = rotation_test(found, fractions.values, contrast, directions)

    close = {"rtol": 1e-6, "atol": 1e-12}
    np.testing.assert_allclose(found.estimate, flat["est"], **close)
    tested = found.testable
    np.testing.assert_array_equal(tested, ~np.isnan(flat["p"]))
    np.testing.assert_allclose(found.standard_error[tested], flat["se"][tested], **close)
    np.testing.assert_allclose(found.p_value[tested], flat["p"][tested], **close)
    np.testing.assert_allclose(found.t[tested], flat["t"][tested], **close)
    np.testing.assert_allclose(rotation.p_global, theirs["pglobal"], **close)
    assert rotation.p_gate == theirs["prot"]
    np.testing.assert_allclose(rotation.p_max[tested], flat["padj"][tested], **close)
    moderation = found.moderation
    np.testing.assert_allclose(moderation.prior_degrees_of_freedom, theirs["d0"], **close)
    np.testing.assert_allclose(moderation.total_degrees_of_freedom, theirs["dt"], **close)
    np.testing.assert_allclose(moderation.n_effective, theirs["keff"], **close)
    np.testing.assert_allclose(found.overdispersion(fractions.mean), theirs["phi"], **close)
    if reference == "median":
        finest = np.bincount(LEVEL, weights=tested).argmax() == LEVEL
        on = finest & tested
        shift = weighted_median(found.estimate[on] + found.shift, fractions.mean[on])
        assert shift == pytest.approx(theirs["shift"], rel=1e-6)


@pytest.fixture
def data(rng):
    totals = np.array([300.0, 500.0, 250.0, 800.0, 400.0, 350.0, 600.0, 500.0])
    return draw_counts(rng, totals), totals


CONDITION = np.array([0, 0, 0, 0, 1, 1, 1, 1])


def test_estimates_are_differences_of_mean_log_fractions(data):
    found, fractions, _ = compare(*data, two_group_design(CONDITION))
    values = fractions.values
    np.testing.assert_allclose(found.estimate, values[4:].mean(0) - values[:4].mean(0))
    np.testing.assert_allclose(found.t, found.estimate / found.standard_error)


def test_exchanging_conditions_negates(data, rng):
    one, fractions, contrast = compare(*data, two_group_design(CONDITION))
    other, _, exchanged = compare(*data, two_group_design(1 - CONDITION))
    np.testing.assert_allclose(other.estimate, -one.estimate)
    np.testing.assert_allclose(other.t, -one.t)
    np.testing.assert_allclose(other.p_value, one.p_value)
    order = np.arange(8)
    gates = [
        rotation_test(
            found,
            fractions.values,
            c,
            rotation_directions(c, 999, np.random.default_rng(1), order),
        ).p_gate
        for found, c in ((one, contrast), (other, exchanged))
    ]
    assert gates[0] == gates[1]


def test_order_of_samples_does_not_matter(data, rng):
    counts, totals = data
    order = rng.permutation(8)
    one, *_ = compare(counts, totals, two_group_design(CONDITION))
    other, *_ = compare(
        [level[order] for level in counts], totals[order], two_group_design(CONDITION[order])
    )
    np.testing.assert_allclose(other.t, one.t, rtol=1e-9)
    np.testing.assert_allclose(other.p_value, one.p_value, rtol=1e-9)


def test_parametrisation_of_the_design_does_not_matter(data):
    usual = two_group_design(CONDITION)
    matrix = np.column_stack([np.ones(8), 50.0 * CONDITION])
    other = Design(matrix, np.array([0.0, 50.0]), ("all", "effect"), usual.samples)
    one, two = compare(*data, usual)[0], compare(*data, other)[0]
    np.testing.assert_allclose(two.estimate, one.estimate, rtol=1e-6)
    np.testing.assert_allclose(two.p_value, one.p_value, rtol=1e-6)


def test_few_cells_are_never_surer_than_poisson(data):
    """Samples that agree better than drawing cells allows do not look more certain."""
    counts, totals = data
    share = np.hstack(counts).sum(axis=0) / totals.sum()
    even = [np.rint(totals[:, None] * share[level == LEVEL]) for level in range(3)]
    found, fractions, contrast = compare(even, totals, two_group_design(CONDITION))
    least = np.square(contrast.weights) @ fractions.sampling_variance
    assert (np.square(found.standard_error) >= least * (1 - 1e-12))[found.testable].all()


def test_p_values_are_uniform_where_nothing_changes():
    """40 data sets of 46 correlated regions: type-I error at .05 and .01, gate at .05."""
    design, p, gates = two_group_design(np.repeat([0, 1], 4)), [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        totals = rng.integers(200, 600, 8).astype(float)
        found, fractions, contrast = compare(draw_counts(rng, totals), totals, design)
        directions = rotation_directions(contrast, 199, rng, np.arange(8))
        gates.append(rotation_test(found, fractions.values, contrast, directions).p_gate)
        p.append(found.p_value[found.testable])
    p = np.concatenate(p)
    assert 0.02 < np.mean(p < 0.05) < 0.08
    assert np.mean(p < 0.01) < 0.025
    assert np.sum(np.array(gates) < 0.05) <= 5
    assert stats.kstest(gates, "uniform").pvalue > 0.01


def with_left_out(condition, n_left_out):
    """Two groups, and samples with a column of their own."""
    n_samples = len(condition) + n_left_out
    two_groups = np.zeros((n_samples, 2))
    two_groups[: len(condition)] = np.eye(2)[condition]
    matrix = np.hstack([two_groups, np.eye(n_samples)[:, len(condition) :]])
    columns, samples = (tuple(map(str, range(n))) for n in matrix.shape[::-1])
    return Design(matrix, np.append([-1.0, 1.0], np.zeros(n_left_out)), columns, samples)


SIZED = {
    "few large, many small": (two_group_design([0, 0, *[1] * 5]), [900, 900, *[150] * 5], 0),
    "few small, many large": (two_group_design([0, 0, *[1] * 5]), [150, 150, *[900] * 5], 0),
    "a lever": (
        two_group_design([0, 0, 0, 1, 1, 1], covariates={"age": [3, 5, 4, 6, 2, 30]}),
        [600, 600, 600, 600, 600, 40],
        0,
    ),
    "left out": (with_left_out(CONDITION, 3), [400] * 8 + [3] * 3, 3),
}


@pytest.mark.parametrize("name", list(SIZED))
def test_unequal_samples_leave_p_values_uniform(name):
    """60 data sets each: what small samples draw by chance is allowed for where it counts."""
    design, sizes, n_left_out = SIZED[name]
    compared = np.arange(len(sizes)) < len(sizes) - n_left_out
    p, contrast = [], design.contrast_of()
    for seed in range(60):
        totals = np.array(sizes, float)
        counts = np.hstack(draw_counts(np.random.default_rng(seed), totals, concentration=150.0))
        fractions = log_fractions(counts, totals, compared)
        weights = level_weights(fractions.testable, LEVEL)
        largest = np.bincount(LEVEL, weights=fractions.testable).argmax()
        found = contrast_fractions(fractions, contrast, weights, largest == LEVEL)
        p.append(found.p_value[found.testable])
    assert 0.025 < np.mean(np.concatenate(p) < 0.05) < 0.075
    assert np.mean(np.concatenate(p) < 0.01) < 0.025


@pytest.mark.parametrize("numbers", [(8, 3), (3, 8)])
def test_gate_holds_where_a_few_samples_are_small_or_large(numbers):
    """60 data sets; the effect varies more than residuals, or less: it rejected in a third."""
    design, gates = two_group_design(np.repeat([0, 1], numbers)), []
    totals = np.repeat([600.0, 60.0], numbers)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        counts = draw_counts(rng, totals, concentration=150.0)
        found, fractions, contrast = compare(counts, totals, design)
        directions = rotation_directions(contrast, 199, rng, np.arange(11))
        gates.append(rotation_test(found, fractions.values, contrast, directions).p_gate)
    assert np.sum(np.array(gates) < 0.05) <= 6


def test_samples_that_say_nothing_do_not_matter(data):
    """A sample with a column of its own, however few its cells, changes no result."""
    counts, totals = data
    counts, compared, own = np.hstack(counts), np.arange(9) < 8, with_left_out(CONDITION, 1)
    with_tiny = np.vstack([counts, np.minimum(counts[:1], 1)])
    whole = log_fractions(with_tiny, np.append(totals, 3.0), compared)
    part = log_fractions(counts, totals)
    weights = level_weights(part.testable, LEVEL)
    results = [
        contrast_fractions(fractions, design.contrast_of(), weights, LEVEL == 2)
        for fractions, design in ((part, two_group_design(CONDITION)), (whole, own))
    ]
    np.testing.assert_allclose(results[1].p_value, results[0].p_value, rtol=1e-8)
    np.testing.assert_allclose(results[1].standard_error, results[0].standard_error, rtol=1e-8)


def test_depletion_of_one_region_is_found(data):
    counts, totals = data
    counts = [level.copy() for level in counts]
    changed = counts[2].sum(axis=0).argmax()
    counts[2][4:, changed] = np.rint(0.1 * counts[2][4:, changed])
    found, fractions, contrast = compare(counts, totals, two_group_design(CONDITION))
    smallest = np.nanargmin(found.p_value)
    assert smallest == np.flatnonzero(LEVEL == 2)[changed]
    assert found.estimate[smallest] < -1.5
    directions = rotation_directions(contrast, 999, np.random.default_rng(0), np.arange(8))
    rotation = rotation_test(found, fractions.values, contrast, directions)
    assert rotation.p_gate < 0.01
    assert rotation.p_max[smallest] < 0.01
    assert np.nanmedian(rotation.p_max) > 0.3


def test_rotation_directions_are_uniform_in_their_space(rng):
    contrast = paired_design([0, 1] * 4, np.repeat(list("abcd"), 2)).contrast_of()
    found = rotation_directions(contrast, 20_000, rng, rng.permutation(8))
    basis = np.column_stack(
        [contrast.weights / np.linalg.norm(contrast.weights), contrast.residual_basis]
    )
    inside = found @ basis
    np.testing.assert_allclose(np.square(inside).sum(axis=1), 1.0)
    np.testing.assert_allclose(inside.T @ inside / len(inside), np.eye(4) / 4, atol=0.01)


def test_levels_weigh_the_same():
    testable = np.array([True, True, False, True])
    weights = level_weights(testable, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(weights, [0.25, 0.25, 0, 0.5])
    shared = level_weights(testable, np.array([0, 0, 0, 1]), np.array([1.0, 0.5]))
    np.testing.assert_allclose(shared, np.array([0.5, 0.5, 0, 0.5]) / 1.5)


def test_reference_is_the_change_of_the_median_cell():
    assert weighted_median(np.array([3.0, -1.0, 0.2]), np.array([0.1, 0.3, 0.6])) == 0.2
    assert weighted_median(np.array([3.0, -1.0]), np.array([0.9, 0.1])) == 3.0
