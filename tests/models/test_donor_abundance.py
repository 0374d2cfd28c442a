"""The donor-level test of abundance on cells, also against a reference of the procedure."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.principal_coordinates import principal_coordinates
from kompot.models.donor_abundance import DonorAbundanceSettings, donor_abundance
from kompot.stats.design import Design, two_group_design

SHARED = Path(__file__).parents[3] / "shared"
CENTERS = 3.0 * np.random.default_rng(5).normal(size=(5, 3))


def simulate(seed, n_donors=4, cells=200, change=0.0, concentration=60.0):
    """Cells of five types; type 0 has ``exp(change)`` times its share in condition 2."""
    rng = np.random.default_rng(seed)
    condition = np.repeat([0, 1], n_donors)
    share = np.tile([0.15, 0.25, 0.2, 0.2, 0.2], (2 * n_donors, 1))
    share[condition == 1, 0] *= np.exp(change)
    share = np.array([rng.dirichlet(concentration * p / p.sum()) for p in share])
    sizes = rng.integers(cells // 2, cells * 3 // 2, 2 * n_donors)
    sample = np.repeat(np.arange(2 * n_donors), sizes)
    kind = np.concatenate([rng.choice(5, n, p=p) for n, p in zip(sizes, share, strict=True)])
    states = CENTERS[kind] + rng.normal(size=(len(kind), 3))
    return states, sample, condition, kind


def features_of(states, scale=20.0):
    rng = np.random.default_rng(0)
    return fit_features(states, make_kernel("matern52", scale), tol=1e-7, rng=rng)


def run(states, sample, condition, groups=None, **options):
    design = two_group_design(condition)
    settings = DonorAbundanceSettings(**options)
    return donor_abundance(
        features_of(states), states, sample, design, groups=groups, settings=settings
    )


@pytest.fixture(scope="module")
def changed():
    return simulate(3, change=-2.0)


@pytest.fixture(scope="module")
def found(changed):
    return run(*changed[:3])


@pytest.mark.parametrize("n_donors", [2, 4])
def test_agrees_with_the_reference(n_donors):
    path = SHARED / "reference"
    if not (path / "donor_da.py").exists():
        pytest.skip("the reference implementation is not here")
    sys.path.insert(0, str(path))
    try:
        import donor_da
    finally:
        sys.path.remove(str(path))
    states, sample, condition, kind = simulate(n_donors, n_donors, change=-1.5)
    order = np.lexsort((sample, *states.T[::-1]))
    states, sample, kind = states[order], sample[order], kind[order]
    groups = {f"type_{k}": kind == k for k in range(5)}
    ours = run(states, sample, condition, groups)
    coordinates = principal_coordinates(features_of(states), states)
    design = two_group_design(condition)
    oracle = donor_da.DonorDA(coordinates, sample, groups=kind)
    theirs = oracle.test(design.matrix, design.contrast)

    close = {"rtol": 1e-6, "atol": 1e-12}
    flat = {key: np.concatenate(theirs[key]) for key in ("p", "est", "se", "q", "qall")}
    contrast, levels = ours.regions.contrast, np.array(ours.regions.level)
    # Clusters may carry other numbers: compare them in the order of their cells.
    order_of = dict(zip(("k4", "k12", "k30", "groups"), range(4), strict=True))
    of_level = np.repeat(range(4), [len(p) for p in theirs["p"]])
    theirs_at = np.lexsort((*np.hstack(oracle.counts), of_level))
    mine = np.lexsort((*ours.regions.counts, [order_of[level] for level in levels]))
    pairs = {
        "est": contrast.estimate,
        "p": contrast.p_value,
        "se": contrast.standard_error,
        "q": ours.regions.fdr_within,
        "qall": ours.regions.fdr,
    }
    flat["se"] = np.where(np.isnan(flat["p"]), np.nan, flat["se"])
    for key, values in pairs.items():
        np.testing.assert_allclose(values[mine], flat[key][theirs_at], **close)
    np.testing.assert_allclose(ours.rotation.p_global, theirs["pglobal"], **close)
    # Other draws of the same rotations: equal up to the error of 999 of them.
    error = 3 * np.sqrt(2 * theirs["prot"] * (1 - theirs["prot"]) / 999) + 2e-3
    assert abs(ours.rotation.p_gate - theirs["prot"]) < error
    np.testing.assert_allclose(ours.cells.p_value, theirs["nb_p"], **close)
    np.testing.assert_allclose(ours.cells.fdr, theirs["nb_q"], **close)
    np.testing.assert_allclose(ours.cells.lfc, theirs["nb_est"], **close)
    np.testing.assert_allclose(ours.cells.standard_error, theirs["nb_se"], **close)
    np.testing.assert_array_equal(ours.cells.direction, theirs["cell_call"])


def test_a_depleted_type_is_called_and_little_else(changed, found):
    kind, cells = changed[3], found.cells
    assert found.rotation.p_gate < 0.01
    assert (cells.direction[kind == 0] == -1).mean() > 0.8
    assert (cells.direction[kind != 0] != 0).mean() < 0.05
    assert cells.lfc[kind == 0].mean() == pytest.approx(-2.0, abs=0.7)
    np.testing.assert_array_equal(
        cells.direction != 0, (cells.fdr < 0.05) & (found.rotation.p_gate < 0.05)
    )


def test_nothing_is_called_where_nothing_changes():
    """12 complete nulls of 3 against 3 donors."""
    results = [run(*simulate(100 + seed, 3, 150)[:3], n_rotations=199) for seed in range(12)]
    assert sum((r.cells.direction != 0).any() for r in results) <= 2
    assert sum(r.rotation.p_gate < 0.05 for r in results) <= 2
    p = np.concatenate([r.regions.contrast.p_value for r in results])
    assert np.nanmean(p < 0.05) < 0.09


def test_the_gate_stops_calls_where_the_global_test_does_not_reject(changed, found):
    strict = run(*changed[:3], fdr_threshold=found.rotation.p_gate)
    assert not strict.cells.direction.any()
    assert not strict.regions.direction.any()
    np.testing.assert_array_equal(strict.cells.p_value, found.cells.p_value)


def test_a_minimum_effect_only_filters_calls(changed, found):
    filtered = run(*changed[:3], lfc_threshold=1.0)
    expected = np.where(np.abs(found.cells.lfc) > 1.0, found.cells.direction, 0)
    np.testing.assert_array_equal(filtered.cells.direction, expected)
    np.testing.assert_array_equal(filtered.cells.fdr, found.cells.fdr)


def test_neither_order_of_cells_nor_of_samples_matters(changed, found, rng):
    states, sample, condition, _ = changed
    order = rng.permutation(len(states))
    features = features_of(states)
    design = two_group_design(condition)
    shuffled = donor_abundance(features, states[order], sample[order], design)
    for name in ("lfc", "standard_error", "p_value", "fdr", "direction", "region"):
        expected = getattr(found.cells, name)[order]
        np.testing.assert_array_equal(getattr(shuffled.cells, name), expected)
    assert shuffled.rotation.p_gate == found.rotation.p_gate
    names = rng.permutation(8)  # sample s is now called names[s]
    renamed = donor_abundance(
        features, states, names[sample], two_group_design(condition[np.argsort(names)])
    )
    np.testing.assert_allclose(renamed.cells.p_value, found.cells.p_value, rtol=1e-8)
    np.testing.assert_array_equal(renamed.cells.direction, found.cells.direction)
    assert renamed.rotation.p_gate == found.rotation.p_gate


def test_exchanging_conditions_negates(changed, found):
    states, sample, condition, _ = changed
    other = run(states, sample, 1 - condition)
    np.testing.assert_allclose(other.cells.lfc, -found.cells.lfc, rtol=1e-9)
    np.testing.assert_allclose(other.cells.p_value, found.cells.p_value, rtol=1e-9)
    np.testing.assert_array_equal(other.cells.direction, -found.cells.direction)
    np.testing.assert_allclose(other.regions.contrast.t, -found.regions.contrast.t, rtol=1e-9)
    assert other.rotation.p_gate == found.rotation.p_gate


def test_regions_cover_the_cells_at_every_scale(changed, found):
    sample = changed[1]
    regions = found.regions
    assert regions.level == ("k4",) * 4 + ("k12",) * 12 + ("k30",) * 30
    for level in ("k4", "k12", "k30"):
        at = np.array(regions.level) == level
        np.testing.assert_array_equal(regions.counts[:, at].sum(axis=1), np.bincount(sample))
    finest = [name for name in regions.name if name.startswith("k30_")]
    assert found.cells.region_names == tuple(finest)
    sizes = np.bincount(found.cells.region, minlength=30)
    np.testing.assert_array_equal(sizes, regions.counts[:, -30:].sum(axis=0))
    np.testing.assert_array_equal(
        regions.direction != 0, (regions.fdr < 0.05) & (found.rotation.p_gate < 0.05)
    )


def test_groups_are_tested_among_themselves(changed):
    states, sample, condition, kind = changed
    groups = {f"type_{k}": kind == k for k in range(5)} | {"overlap": kind < 2}
    regions = run(states, sample, condition, groups).regions
    at = regions.is_group
    assert regions.name[-6:] == tuple(groups)
    assert at.sum() == 6
    assert regions.contrast.p_value[at].argmin() == 0
    assert regions.direction[at][0] == -1
    expected = [np.bincount(sample[mask], minlength=8) for mask in groups.values()]
    np.testing.assert_array_equal(regions.counts[:, at].T, expected)
    p = regions.contrast.p_value[at]
    ordered = np.sort(p) * 6 / np.arange(1, 7)
    assert regions.fdr_within[at].min() == pytest.approx(ordered.min())
    assert regions.contrast.weights[at].sum() == pytest.approx(0.25)


def test_a_group_of_all_cells_cannot_change(changed, found):
    states, sample, condition, _ = changed
    everything = run(states, sample, condition, {"all": np.ones(len(states), bool)})
    assert np.isnan(everything.regions.contrast.p_value[-1])
    np.testing.assert_allclose(
        everything.regions.contrast.p_value[:-1], found.regions.contrast.p_value
    )


def test_a_reference_takes_its_own_change_out():
    """Where one type grows sevenfold the others' shares fall, but not against one of them."""
    states, sample, condition, kind = simulate(8, change=2.0, concentration=2000.0)
    groups = {f"type_{k}": kind == k for k in range(5)}
    share = run(states, sample, condition, groups)
    stable = run(states, sample, condition, groups, reference="type_3")
    at = share.regions.is_group
    assert share.regions.contrast.estimate[at][1:].mean() == pytest.approx(-0.67, abs=0.15)
    assert stable.regions.contrast.estimate[at][1:].mean() == pytest.approx(0.0, abs=0.3)
    assert stable.regions.contrast.estimate[at][3] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(stable.regions.contrast.p_value[at][3])
    change = share.regions.contrast.estimate - share.regions.contrast.estimate[at][3]
    np.testing.assert_allclose(stable.regions.contrast.estimate, change, atol=1e-12)
    assert stable.reference_change == share.regions.contrast.estimate[at][3]
    others = kind != 0
    assert (share.cells.direction[others] < 0).mean() > 0.5
    assert (stable.cells.direction[others] < 0).mean() < 0.1
    assert (stable.cells.direction[kind == 0] > 0).mean() > 0.9
    median = run(states, sample, condition, reference="median")
    finest = np.array(median.regions.level) == "k30"
    weights = median.regions.fractions.mean[finest]
    below = weights[median.regions.contrast.estimate[finest] < 0].sum() / weights.sum()
    assert 0.4 < below < 0.6


def test_what_cannot_be_tested_is_refused(changed):
    states, sample, condition, kind = changed
    design = two_group_design([0, 1, 0, 1], covariates={"age": [1.0, 2.0, 4.0, 3.0]})
    with pytest.raises(ValueError, match=r"leave 1 degree\(s\) of freedom .* needs 2"):
        donor_abundance(features_of(states), states, sample % 4, design)
    few = np.concatenate([np.flatnonzero(sample == s)[:3] for s in range(8)])
    with pytest.raises(ValueError, match="24 cells of 8 samples are too few"):
        run(states[few], sample[few], condition)
    for reference in ("type_9", [], ["median"]):
        with pytest.raises(ValueError, match="`reference` must be None, 'median' or names"):
            run(states, sample, condition, {"type_0": kind == 0}, reference=reference)


def test_samples_too_small_for_neighborhoods_are_named(rng):
    sample = np.arange(28) % 4
    with pytest.raises(ValueError, match="No neighbourhood holds enough cells"):
        run(rng.normal(size=(28, 2)), sample, np.array([0, 1, 0, 1]))


def test_result_is_frozen_and_the_seed_decides(changed, found):
    with pytest.raises(AttributeError):
        found.design = None
    again = run(*changed[:3])
    np.testing.assert_array_equal(again.cells.p_value, found.cells.p_value)
    other = run(*changed[:3], random_state=1)
    assert (
        other.rotation.p_gate != found.rotation.p_gate
        or (other.cells.p_value != found.cells.p_value).any()
    )
    assert replace(found, neighborhood_size=1).neighborhood_size == 1


def test_what_donors_do_to_the_reference_is_in_the_errors():
    """Nothing changes; types vary between donors, and so does the one they are compared to."""
    p_values = []
    for seed in range(60):
        states, sample, condition, kind = simulate(seed, n_donors=5, cells=100, concentration=30.0)
        groups = {f"type_{k}": kind == k for k in range(5)}
        found = run(states, sample, condition, groups, reference="type_0", n_rotations=19)
        p_values.append(found.regions.contrast.p_value[found.regions.is_group][1:])
    assert np.mean(np.array(p_values) < 0.05) < 0.09


def test_several_reference_groups_count_together(changed):
    states, sample, condition, kind = changed
    groups = {f"type_{k}": kind == k for k in range(5)} | {"both": (kind == 1) | (kind == 3)}
    together = run(states, sample, condition, groups, reference=("type_1", "type_3"))
    union = run(states, sample, condition, groups, reference="both")
    np.testing.assert_array_equal(together.cells.p_value, union.cells.p_value)
    assert together.rotation.p_gate == union.rotation.p_gate


def test_reference_must_hold_cells_and_not_all(changed):
    states, sample, condition, kind = changed
    groups = {"no": np.zeros(len(kind), dtype=bool), "all": kind >= 0, "one": kind == 1}
    groups["others"] = kind != 1
    for name in ("no", "all"):
        with pytest.raises(ValueError, match="need 2 cells of each compared sample"):
            run(states, sample, condition, groups, reference=("one", name))
    with pytest.raises(ValueError, match=r"names \['one', 'others'\].* together as many outside"):
        run(states, sample, condition, groups, reference=("one", "others"))
    assert run(states, sample, condition, groups, reference="one").reference_change != 0


def test_cells_that_are_not_tested_have_no_estimate():
    """A state that only a left-out sample has."""
    states, sample, condition, _ = simulate(2, n_donors=3)
    far = np.full((200, 3), 60.0) + np.random.default_rng(0).normal(size=(200, 3))
    states = np.vstack([states, far])
    sample = np.append(sample, np.full(200, 6))
    matrix = np.column_stack([np.append(condition, 9) == k for k in (0, 1, 9)]).astype(float)
    design = Design(matrix, np.array([-1.0, 1.0, 0.0]), ("a", "b", "c"), tuple("0123456"))
    found = donor_abundance(features_of(states), states, sample, design).cells
    assert np.isnan(found.p_value[-200:]).all()
    np.testing.assert_array_equal(np.isnan(found.lfc), np.isnan(found.p_value))
