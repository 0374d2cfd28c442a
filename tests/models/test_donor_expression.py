import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats

from kompot.gp.cell_order import evenly_spaced, lexicographic_order
from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.models.donor_expression import DonorSettings, donor_expression, find_regions
from kompot.stats.design import Design, paired_design, two_group_design
from kompot.stats.donor_significance import rescale_bulk
from kompot.stats.region_evidence import RegionRules
from kompot.stats.sample_precision import weigh_samples

AS_REFERENCE = RegionRules(match_sampling=False, admixture=0.0, max_covered=1.0, standardise=False)
"""The reference takes the sampling noise of effects for that of residuals."""
ORACLE = Path(__file__).parents[3] / "shared" / "reference" / "donor_calibration.py"


@pytest.fixture(scope="module")
def oracle():
    if not ORACLE.exists():
        pytest.skip("the reference implementation is not here")
    spec = importlib.util.spec_from_file_location("donor_calibration", ORACLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def simulate(
    seed=0, *, condition=(0, 0, 0, 1, 1, 1), n_cells=900, n_genes=240, change=0.8, gap=0.0
):
    """Counts of samples with their own level of every gene; the first 24 genes change."""
    rng = np.random.default_rng(seed)
    condition = np.array(condition)
    share = rng.dirichlet(np.full(len(condition), 8.0))
    sample = rng.choice(len(condition), n_cells, p=share)
    sample[: len(condition)] = np.arange(len(condition))
    states = rng.normal(size=(n_cells, 2))
    states[:, 0] += gap * condition[sample]
    effect = np.zeros(n_genes)
    effect[:24] = change
    level = rng.normal(size=(len(condition), n_genes)) * rng.gamma(3, 0.06, n_genes)
    rate = np.log(rng.gamma(2, 0.6, n_genes)) + states @ rng.normal(0, 0.3, (2, n_genes))
    rate = rate + level[sample] + np.outer(condition[sample], effect)
    values = sparse.csr_matrix(np.log1p(rng.poisson(np.exp(rate))).astype(np.float32))
    features = fit_features(states, make_kernel("matern52", 3.0), tol=1e-6, rng=rng)
    return features, states, values, sample, condition


def reference(oracle, data, design, found, groups=None, **options):
    """P-values of the reference given the same features and clusters; ridges are chosen alike."""
    features, states, values, sample, _ = data
    clusters = {level.n_regions: level.labels for level in found.levels if level.name[0] == "k"}

    class SameClusters:
        def __init__(self, n_clusters, **_):
            self.n_clusters = n_clusters

        def fit_predict(self, _):
            return clusters[self.n_clusters]

    oracle.KMeans = SameClusters
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = oracle.DonorDE(
            states, values, sample, P=features(states), Ks=tuple(clusters), groups=groups
        )
        result = model.test(design.matrix, design.contrast, **options)
    return model, result


def assert_agrees(found, model, result):
    np.testing.assert_allclose(found.p, result["p_acat"], atol=1e-9, rtol=1e-6)
    assert (found.p < 1e-3).any()
    for level, theirs, evidence in zip(found.levels, model.levels, result["regions"], strict=True):
        rows = [k for k, r in enumerate(found.regions) if r.level == level.name]
        np.testing.assert_allclose(found.evidence.region_p[rows], evidence[0], rtol=1e-6)
        np.testing.assert_allclose(found.evidence.region_effect[rows], evidence[1], atol=1e-10)
        decided = [found.regions[k].status for k in rows]
        costs = [found.regions[k].overlap_cost for k in rows]
        for k, (adjusted, cost, skipped) in result["overlap"][found.levels.index(level)].items():
            assert costs[k] == pytest.approx(cost)
            assert decided[k] == (
                "adjusted" if adjusted else "dropped" if skipped else "unadjusted"
            )
        assert found.ridges[found.levels.index(level)] == pytest.approx(theirs.lam)


@pytest.mark.parametrize(
    ("condition", "gap", "seed"),
    [
        ((0, 0, 0, 1, 1, 1), 0.0, 0),
        ((0, 0, 1, 1), 0.3, 1),  # 2 degrees of freedom
        ((1, 0, 0, 1, 1, 0, 1, 1), 2.0, 2),  # some clusters do not overlap
        ((0, 0, 0, 1, 1, 1), 4.0, 3),  # none does
    ],
)
def test_two_groups_agree_with_the_reference(oracle, condition, gap, seed):
    data = simulate(seed, condition=condition, gap=gap)
    design = two_group_design(condition)
    found = donor_expression(
        *data[:4], design, settings=DonorSettings(n_null=2, counts=False, rules=AS_REFERENCE)
    )
    model, result = reference(oracle, data, design, found, B=2)
    assert_agrees(found, model, result)
    np.testing.assert_allclose(found.null, result["null"], rtol=1e-6, atol=1e-9)
    if gap == 4.0:
        assert found.confounded
        assert found.usable_share < 1


def test_pairs_covariates_and_groups_agree_with_the_reference(oracle):
    condition = (0, 1, 0, 1, 0, 1, 0, 1)
    data = simulate(4, condition=condition, n_cells=1200)
    states, sample = data[1], data[3]
    groups = {"low": states[:, 1] < 0, "high": states[:, 1] >= 0}
    settings = DonorSettings(n_regions=(1, 5), counts=False, rules=AS_REFERENCE)
    labels = groups["high"].astype(int)

    paired = paired_design(condition, list("aabbccdd"))
    found = donor_expression(*data[:4], paired, groups=groups, settings=settings)
    # The reference puts groups after the first level.
    reordered = sorted(range(3), key=[0, 2, 1].__getitem__)
    model, result = reference(oracle, data, paired, found, groups=labels, B=0)
    model.levels = [model.levels[i] for i in reordered]
    result = {**result, **{k: [result[k][i] for i in reordered] for k in ("regions", "overlap")}}
    assert_agrees(found, model, result)

    age = np.array([50, 30, 41, 77, 62, 35, 28, 55])
    adjusted = two_group_design(condition, covariates={"age": age})
    found = donor_expression(*data[:4], adjusted, settings=settings)
    assert_agrees(found, *reference(oracle, data, adjusted, found, B=0))
    assert sample.max() == 7


def test_samples_absent_from_regions_agree_with_the_reference(oracle):
    features, states, values, sample, condition = simulate(5, n_cells=1000)
    kept = ~((sample == 1) & (states[:, 0] > 0.2)) & ~((sample == 5) & (states[:, 1] < 0))
    data = features, states[kept], values[kept], sample[kept], condition
    design = two_group_design(condition)
    found = donor_expression(
        *data[:4], design, settings=DonorSettings(counts=False, rules=AS_REFERENCE)
    )
    assert any(not region.taking_part.all() for region in found.regions)
    assert_agrees(found, *reference(oracle, data, design, found, B=0))


def test_order_of_samples_and_cells_does_not_matter(rng):
    features, states, values, sample, condition = simulate(6)
    names = np.array(list("uvwxyz"))
    design = two_group_design(condition, samples=names)
    found = donor_expression(features, states, values, sample, design)
    order = rng.permutation(6)
    turned = two_group_design(condition[order], samples=names[order])
    cells = rng.permutation(len(sample))
    codes = np.argsort(order)[sample]
    again = donor_expression(features, states[cells], values[cells], codes[cells], turned)
    for name in ("p", "fdr", "local_fdr", "effect"):
        np.testing.assert_allclose(getattr(again, name), getattr(found, name), rtol=1e-6)
    np.testing.assert_array_equal(again.strongest_names, found.strongest_names)


def test_storage_does_not_matter_and_input_is_not_modified():
    features, states, values, sample, condition = simulate(7)
    design, before = two_group_design(condition), values.copy()
    found = donor_expression(features, states, values, sample, design)
    dense = donor_expression(features, states, values.toarray(), sample, design)
    np.testing.assert_allclose(dense.p, found.p, rtol=1e-8)
    assert (values != before).nnz == 0


def with_depth(data, depth, rng, target=1e3):
    """Log-normalised counts of cells of which each keeps a share of its counts."""
    features, states, values, sample, condition = data
    counts = rng.binomial(np.expm1(values.toarray()).round().astype(int), depth[:, None])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return features, states, sparse.csr_matrix(np.log1p(target * share)), sample, condition


def test_the_sum_to_which_counts_are_normalised_does_not_matter(rng):
    data, design = simulate(30), two_group_design([0, 0, 0, 1, 1, 1])
    one, other = (
        donor_expression(*with_depth(data, np.ones(900), rng, target)[:4], design)
        for target in (300.0, 1e6)
    )
    assert one.of_counts
    np.testing.assert_allclose(one.p, other.p, rtol=1e-5)
    np.testing.assert_allclose(one.effect, other.effect, rtol=1e-5)


def test_half_the_depth_in_one_condition_is_no_change(rng):
    tails, logs = [], []
    for seed in range(3):
        data = simulate(40 + seed, change=0.0, n_cells=1800)
        depth = np.where(data[4][data[3]] == 1, 0.5, 1.0)
        given = *with_depth(data, depth, rng)[:4], two_group_design(data[4])
        found = donor_expression(*given)
        assert not (found.fdr < 0.05).any()
        tails.append((found.p < 0.05).mean())
        logs.append(
            (donor_expression(*given, settings=DonorSettings(counts=False)).p < 0.05).mean()
        )
    assert np.mean(tails) < 0.1
    assert np.mean(logs) > 0.2


def test_shares_that_fall_because_others_rise_are_not_called(rng):
    data = simulate(60, change=0.0, n_genes=800, n_cells=1800)
    features, states, values, sample, condition = data
    counts = np.expm1(values.toarray())
    counts[:, :240] += rng.poisson(1.5 * (condition[sample] == 1)[:, None] * counts[:, :240])
    shares = counts / counts.sum(axis=1, keepdims=True)
    values, design = sparse.csr_matrix(np.log1p(1e3 * shares)), two_group_design(condition)
    found = donor_expression(features, states, values, sample, design)
    called = found.fdr < 0.05
    assert called[:240].mean() > 0.8
    assert called[240:].sum() < 0.08 * called.sum()
    as_it_is = donor_expression(
        *(features, states, values, sample, design), settings=DonorSettings(counts=False)
    )
    wrong = as_it_is.fdr < 0.05
    assert wrong[240:].sum() > 0.3 * wrong.sum()


def apart(seed, *, change, skew=3.0, all_cells=True):
    """Cells of two kinds; condition 2 has others than condition 1 and is apart in the embedding.

    Unless all cells are meant, only one kind is apart.
    """
    features, states, values, sample, condition = simulate(
        seed, change=0.0, n_genes=800, n_cells=2400
    )
    rng = np.random.default_rng(seed + 1)
    odds = np.exp(0.5 * skew * (2 * condition[sample] - 1))
    kind = rng.random(len(sample)) < odds / (1 + odds)
    rate = 0.5 + np.expm1(values.toarray())
    rate = rate * np.exp(np.outer(kind, rng.normal(0, 0.7, 800)))
    rate[:, :24] *= np.exp(change * condition[sample])[:, None]
    states = states + 3.0 * kind[:, None]
    states[:, 0] += 40.0 * condition[sample] * (1.0 if all_cells else kind)
    features = fit_features(states, make_kernel("matern52", 3.0), tol=1e-6, rng=rng)
    values = sparse.csr_matrix(np.log1p(rng.poisson(rate)).astype(np.float32))
    return features, states, values, sample, two_group_design(condition)


def test_other_mixtures_of_states_are_no_change_where_conditions_are_apart():
    settings = DonorSettings(rules=RegionRules(standardise=False))
    for seed in (90, 91):
        found = donor_expression(*apart(seed, change=0.0))
        assert [r.status for r in found.regions if r.name == "all"] == ["standardised"]
        assert found.confounded
        assert not (found.fdr < 0.05).any()
        assert (found.p < 0.05).mean() < 0.08
        as_it_is = donor_expression(*apart(seed, change=0.0), settings=settings)
        assert (as_it_is.fdr < 0.05).mean() > 0.1


def test_samples_that_are_apart_from_each_other_do_not_explain_themselves():
    features, states, values, sample, condition = simulate(
        96, condition=(0, 0, 0, 0, 1, 1, 1, 1), change=0.0, n_genes=400, n_cells=2400
    )
    rng = np.random.default_rng(97)
    own = states[:, 1] > 0.0
    moved = states + 60.0 * rng.normal(size=(8, 2))[sample] * own[:, None]
    features = fit_features(moved, make_kernel("matern52", 3.0), tol=1e-6, rng=rng)
    found = donor_expression(features, moved, values, sample, two_group_design(condition))
    assert (found.p < 0.05).mean() < 0.08


def test_states_that_genes_do_not_follow_are_not_adjusted_for(rng):
    features, states, values, sample, condition = simulate(
        94, change=0.0, n_genes=800, n_cells=2400
    )
    moved = states + 0.8 * np.outer(condition[sample], [1.0, 0.0])
    features = fit_features(moved, make_kernel("matern52", 3.0), tol=1e-6, rng=rng)
    given = features, moved, values, sample, two_group_design(condition)
    never = DonorSettings(rules=RegionRules(min_agreement=-np.inf))
    believed, found = donor_expression(*given, settings=never), donor_expression(*given)
    assert believed.adjusted_share == 1.0
    assert (believed.p < 0.05).mean() > 0.15
    assert found.adjusted_share == 0.0
    assert (found.p < 0.05).mean() < 0.08


def test_where_most_cells_are_apart_no_region_is_adjusted():
    """The kind that is not apart lies beside cells that only condition 1 has there."""
    given = apart(95, change=0.0, skew=0.0, all_cells=False)
    some, none = (
        donor_expression(*given, settings=DonorSettings(rules=rules))
        for rules in (
            RegionRules(min_overlapping=0.0, min_agreement=-np.inf),
            RegionRules(min_overlapping=0.9),
        )
    )
    adjusted = [r for r in some.regions if r.level == "k12" and r.status == "adjusted"]
    assert 0.2 < sum(r.n_cells for r in adjusted) / 2400 < 0.9
    assert "adjusted" not in {r.status for r in none.regions}
    assert "standardised" in {r.status for r in none.regions}
    assert (some.fdr < 0.05).sum() > 20
    assert not (none.fdr < 0.05).any()


def test_changes_are_found_where_conditions_are_apart():
    found = donor_expression(*apart(92, change=1.0))
    called = found.fdr < 0.05
    assert called[:24].mean() > 0.6
    assert called[24:].sum() <= 3
    np.testing.assert_allclose(np.median(found.effect[:24]), 1.0, atol=0.25)


def test_pairs_are_compared_by_counts_and_need_no_clusters(rng):
    condition, donor = np.array([0, 0, 0, 1, 1, 1]), list("abcabc")
    features, states, values, sample, _ = simulate(70, change=1.2, n_cells=1500)
    settings = DonorSettings(n_regions=(1,))
    found = donor_expression(
        *(features, states, values, sample, paired_design(condition, donor)), settings=settings
    )
    assert found.of_counts
    assert found.region_names == ("all",)
    assert (found.fdr[:24] < 0.05).mean() > 0.6
    assert (found.fdr[24:] < 0.05).mean() < 0.03


def test_odd_values_in_a_few_cells_do_little(rng):
    features, states, values, sample, condition = simulate(80)
    design = two_group_design(condition)
    found = donor_expression(features, states, values, sample, design)
    looked_at = set(lexicographic_order(states)[evenly_spaced(900, 64)].tolist())
    odd = sorted(set(range(900)) - looked_at)[:3]
    dense = values.toarray().astype(np.float64)
    dense[odd[0], 0], dense[odd[1], :3], dense[odd[2], 5] = -0.5, 1e-9, 400.0
    changed = donor_expression(features, states, dense, sample, design)
    assert changed.of_counts
    assert np.isfinite(changed.p).all()
    assert np.median(np.abs(np.log(changed.p / found.p))) < 0.2


def test_effects_are_log_ratios_of_counts(rng):
    data = simulate(50, change=0.0, n_cells=3000)
    features, states, values, sample, condition = data
    counts = np.expm1(values.toarray())
    counts[:, :24] += rng.poisson((condition[sample] == 1)[:, None] * counts[:, :24])
    values = sparse.csr_matrix(np.log1p(counts))
    found = donor_expression(features, states, values, sample, two_group_design(condition))
    known = [k for k, name in enumerate(found.region_names) if name == "all"]
    effect = found.evidence.region_effect[known[0]]
    before = donor_expression(*data[:4], two_group_design(condition)).evidence
    change = (effect - before.region_effect[known[0]])[:24]
    np.testing.assert_allclose(change, np.log(2), atol=0.15)


def test_exchanged_conditions_change_only_the_sign():
    features, states, values, sample, condition = simulate(8)
    there = donor_expression(features, states, values, sample, two_group_design(condition))
    back = donor_expression(features, states, values, sample, two_group_design(1 - condition))
    np.testing.assert_allclose(back.p, there.p, rtol=1e-8)
    np.testing.assert_allclose(back.effect, -there.effect, rtol=1e-8)


def test_changed_genes_are_called_and_unchanged_ones_are_not():
    features, states, values, sample, condition = simulate(9, change=1.2, n_cells=1500)
    found = donor_expression(features, states, values, sample, two_group_design(condition))
    called = found.fdr < 0.05
    assert called[:24].mean() > 0.7
    assert called[24:].mean() < 0.03
    assert (found.effect[:24][called[:24]] > 0).all()
    assert found.local_fdr[:24].mean() < found.local_fdr[24:].mean()
    assert not found.exploratory


def test_null_p_values_hold_at_their_level():
    tails = []
    for seed in range(4):
        features, states, values, sample, condition = simulate(20 + seed, change=0.0)
        found = donor_expression(features, states, values, sample, two_group_design(condition))
        tails.append((found.p < 0.05).mean())
        assert 0.5 < (found.null < 0.05).mean() / 0.05 < 1.6
    assert 0.03 < np.mean(tails) < 0.07


def test_a_change_in_one_group_is_found_there():
    features, states, values, sample, condition = simulate(10, change=0.0, n_cells=1500)
    values, group = values.toarray(), states[:, 0] > 0.7
    local = group & (condition[sample] == 1)
    values[np.ix_(local, np.arange(24))] += 1.0
    masks = {"there": group, "elsewhere": ~group, "few": states[:, 0] > 2.0}
    found = donor_expression(
        *(features, states, values, sample, two_group_design(condition)),
        groups=masks,
        settings=DonorSettings(counts=False),
    )
    there, elsewhere = found.region("there"), found.region("elsewhere")
    assert (there.fdr[:24] < 0.05).mean() > 0.8
    assert not (elsewhere.fdr[:24] < 0.05).any()
    np.testing.assert_allclose(there.effect[:24].mean(), 1.0, atol=0.15)
    assert [level.name for level in found.levels[3:]] == ["groups", "groups_2"]
    assert sum(level.weight for level in found.levels[3:]) == 1
    with pytest.raises(ValueError, match="no region 'nowhere'"):
        found.region("nowhere")


def test_genes_expressed_in_few_cells_are_not_tested():
    features, states, values, sample, condition = simulate(11)
    values = values.tolil()
    values[9:, 30] = 0
    values[:, 31] = 0
    found = donor_expression(features, states, values.tocsr(), sample, two_group_design(condition))
    for name in ("p", "fdr", "local_fdr", "effect"):
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(getattr(found, name))), [30, 31])
    assert found.n_tested == 238
    assert found.strongest[30] == -1
    assert found.strongest_names[31] == ""


def test_few_genes_are_judged_by_their_own_variance():
    """Of one region the answer is the t test of the samples' adjusted means."""
    features, states, values, sample, condition = simulate(12, n_genes=30)
    found = donor_expression(
        features,
        states,
        values,
        sample,
        two_group_design(condition),
        settings=DonorSettings(n_regions=(1,), rules=RegionRules(match_sampling=False)),
    )
    means = found.regions[0].values
    assert found.regions[0].basis is None
    expected = stats.ttest_ind(means[condition == 1], means[condition == 0]).pvalue
    np.testing.assert_allclose(found.p, expected)


def test_one_pair_too_few_for_the_null_gives_rates_without_it():
    condition = (0, 1, 0, 1)
    data = simulate(13, condition=condition)
    found = donor_expression(*data[:4], paired_design(condition, list("aabb")))
    assert found.degrees_of_freedom == 1
    assert found.exploratory
    assert found.null.shape == (0, 240)
    assert np.isfinite(found.local_fdr).all()


def test_no_effect_is_surer_than_the_sampling_of_its_cells_allows():
    """Cells of two donors divided at random: pairs that hardly differ, with 1 degree of freedom."""
    features, states, values, donor, _ = simulate(14, condition=(0, 1), change=0.0)
    half = np.random.default_rng(15).integers(2, size=len(donor))
    design = paired_design([0, 1, 0, 1], list("aabb"))
    found = donor_expression(features, states, values, 2 * donor + half, design)
    for number, region in enumerate(found.regions):
        contrast = design.contrast_of(region.taking_part)
        if len(region.genes):
            weighed = weigh_samples(
                contrast, region.values, region.within, region.noise, region.sizes
            )
            noise = np.sqrt(weighed.least * region.within)
            error = found.evidence.region_error[number, region.genes]
            assert (error >= noise * (1 - 1e-12)).all()
            z = found.evidence.region_effect[number, region.genes] / error
            assert np.abs(z).max() < 6
    assert not (found.fdr < 0.05).any()


def test_copies_of_one_cell_and_genes_without_spread_give_no_error():
    states = np.repeat([[0.0, 0.0]], 60, axis=0)
    features = fit_features(states, make_kernel("matern52", 1.0), rng=np.random.default_rng(0))
    values = np.ones((60, 60))
    values[:, :50] = np.random.default_rng(0).poisson(2.0, (60, 50))
    found = donor_expression(
        features, states, values, np.arange(60) % 4, two_group_design([0, 0, 1, 1])
    )
    assert np.isfinite(found.p).all()
    assert (found.p[50:] > 0.9).all()


def test_rescaled_p_values_are_uniform_in_the_bulk_and_unchanged_in_the_tail(rng):
    null = rng.uniform(size=20_000) ** 0.7
    p = rng.uniform(size=5000) ** 0.7
    mapped = rescale_bulk(p, null)
    np.testing.assert_array_equal(mapped[p <= 0.05], p[p <= 0.05])
    conditional = (mapped[p > 0.05] - 0.05) / 0.95
    assert stats.kstest(conditional, "uniform").pvalue > 0.01
    assert (np.diff(mapped[np.argsort(p)]) >= 0).all()
    np.testing.assert_array_equal(rescale_bulk(p, null[:500]), p)
    assert np.isnan(rescale_bulk(np.array([np.nan, 0.5]), null)[0])


def test_regions_do_not_depend_on_the_order_of_cells(rng):
    features, states, *_ = simulate(14)
    order = rng.permutation(len(states))
    first, second = find_regions(features, states), find_regions(features, states[order])
    for one, other in zip(first.levels, second.levels, strict=True):
        np.testing.assert_array_equal(one.labels[order], other.labels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d | {"sample": d["sample"][:-1]}, "whole number for each of 900"),
        (lambda d: d | {"sample": d["sample"] * 1.0}, "whole number"),
        (lambda d: d | {"sample": np.minimum(d["sample"], 4)}, "each with cells"),
        (lambda d: d | {"sample": d["sample"] - 1}, "from 0"),
        (lambda d: d | {"expression": d["expression"][:-1]}, "899 rows but there are 900"),
        (lambda d: d | {"states": d["states"][:, :1]}, "1 dimensions"),
        (lambda d: d | {"groups": {"all": np.ones(900, bool)}}, "names of clusters"),
    ],
)
def test_bad_input_is_refused(change, message):
    features, states, values, sample, condition = simulate(15)
    given = change(
        {
            "features": features,
            "states": states,
            "expression": values,
            "sample": sample,
            "design": two_group_design(condition),
        }
    )
    with pytest.raises(ValueError, match=message):
        donor_expression(**given)


def test_a_contrast_of_ones_own_is_answered():
    """A trend over three doses instead of two groups."""
    features, states, values, sample, _ = simulate(16)
    dose = np.array([0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    matrix = np.column_stack([np.ones(6), dose])
    design = Design(matrix, np.array([0.0, 1.0]), ("level", "dose"), tuple("abcdef"))
    settings = DonorSettings(rules=RegionRules(match_sampling=False))
    found = donor_expression(features, states, values, sample, design, settings=settings)
    assert found.degrees_of_freedom == 4
    means = found.regions[0].values
    slope = np.polyfit(dose, means, 1)[0]
    most = slope - found.evidence.region_effect[0]  # what most genes do
    np.testing.assert_allclose(most, most[0], atol=1e-10)
    assert abs(most[0] - np.median(slope)) < 0.05
