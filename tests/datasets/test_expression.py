import numpy as np
import pytest

from kompot.datasets import simulate, true_fold_change
from kompot.datasets.design import Design
from kompot.datasets.donors import DonorVariation
from kompot.datasets.expression import CELLS_PER_BLOCK, Counts, draw_counts, draw_genes
from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory

NO_DONORS = {
    "donor_sd": 0,
    "donor_composition": None,
    "donor_tilt": 0,
    "unequal_cells": False,
    "abundance_log_odds": 0,
}


@pytest.fixture(scope="module")
def clean():
    """Many cells and no variation between donors."""
    return simulate(
        n_cells=20_000,
        n_genes=120,
        fraction_global=0.2,
        fraction_branch=0.2,
        fraction_local=0.2,
        mean_count=3,
        mean_count_sd=0.5,
        state_sd=0.3,
        lfc_local=1.2,
        **NO_DONORS,
    )


def log_ratio(adata, gene, cells):
    """Log ratio of mean counts of condition 2 and 1 in some cells."""
    counts = adata.layers["counts"][:, gene].toarray().ravel()
    treated = (adata.obs["condition"] == "treated").to_numpy()
    return np.log(counts[cells & treated].mean() / counts[cells & ~treated].mean())


def test_global_effects_are_in_the_counts_and_null_genes_are_not(clean):
    every = np.ones(clean.n_obs, dtype=bool)
    estimate = np.array([log_ratio(clean, gene, every) for gene in range(clean.n_vars)])
    effect, truth = clean.var["effect"].to_numpy(str), clean.var["true_lfc"].to_numpy()
    for kind in ("global", "none"):
        error = (estimate - truth)[effect == kind]
        assert abs(error.mean()) < 0.02
        assert np.sqrt(np.mean(error**2)) < 0.03


@pytest.mark.parametrize("kind", ["branch", "local"])
def test_partial_effects_are_in_the_counts_where_they_were_planted(clean, kind):
    truth = true_fold_change(clean)
    inside, outside = [], []
    for gene in np.flatnonzero(clean.var["effect"] == kind):
        lfc = clean.var["true_lfc"].iloc[gene]
        near = np.abs(truth[:, gene]) > 0.9 * abs(lfc)
        inside.append((log_ratio(clean, gene, near) - truth[near, gene].mean()) / abs(lfc))
        outside.append(log_ratio(clean, gene, truth[:, gene] == 0))
    assert abs(np.mean(inside)) < 0.03
    assert np.std(inside) < 0.1
    assert np.sqrt(np.mean(np.square(outside))) < 0.03


def test_normalised_null_genes_do_not_move(clean):
    treated = (clean.obs["condition"] == "treated").to_numpy()
    null = (clean.var["effect"] == "none").to_numpy()
    shift = clean.X[treated].mean(0).A1 - clean.X[~treated].mean(0).A1
    assert abs(np.median(shift[null])) < 0.08  # 60 % of the genes differ here


def test_numbers_and_signs_of_effects():
    fractions = {"fraction_global": 0.1, "fraction_branch": 0.05, "fraction_local": 0.2}
    var = simulate(n_cells=10, n_genes=400, **fractions, random_state=3).var
    numbers = var["effect"].value_counts()
    assert numbers.to_dict() == {"none": 260, "local": 80, "global": 40, "branch": 20}
    for kind in ("global", "branch", "local"):
        assert (var.loc[var["effect"] == kind, "true_lfc"] > 0).mean() == 0.5
    np.testing.assert_array_equal(var["is_de"], var["true_lfc"] != 0)
    np.testing.assert_array_equal(var["is_de"], var["effect"] != "none")
    assert set(var.loc[var["effect"] == "global", "effect_branch"]) == {"all"}
    assert set(var.loc[var["effect"] == "local", "effect_branch"]) == {"branch_1", "branch_2"}


def test_effect_sizes_are_log_normal_around_the_median():
    var = simulate(
        n_cells=10, n_genes=4000, fraction_global=1, fraction_local=0, lfc_spread=0.4
    ).var
    size = np.log(var["true_lfc"].abs())
    assert size.mean() == pytest.approx(np.log(0.5), abs=0.03)
    assert size.std() == pytest.approx(0.4, rel=0.05)
    fixed = simulate(n_cells=10, n_genes=20, fraction_global=1, fraction_local=0, lfc_spread=0)
    np.testing.assert_allclose(fixed.var["true_lfc"].abs(), 0.5)


def test_true_fold_change_has_the_documented_shape(clean):
    truth = true_fold_change(clean)
    var, branch = clean.var, clean.obs["branch"].to_numpy(str)
    position = (clean.obs["pseudotime"].to_numpy() - 0.35) / 0.65
    for gene in range(clean.n_vars):
        row, found = var.iloc[gene], truth[:, gene]
        here = branch == row["effect_branch"]
        match row["effect"]:
            case "none":
                expected = np.zeros(clean.n_obs)
            case "global":
                expected = np.full(clean.n_obs, row["true_lfc"])
            case "branch":
                x = np.clip(position / 0.2, 0, 1)
                expected = row["true_lfc"] * here * (3 * x**2 - 2 * x**3)
            case _:
                offset = (position - row["effect_center"]) / row["effect_width"]
                bump = np.where(np.abs(offset) < 1, (1 + np.cos(np.pi * offset)) / 2, 0)
                expected = row["true_lfc"] * here * bump
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_true_fold_change_of_a_subset_is_the_subset(clean):
    truth = true_fold_change(clean)
    part = clean[clean.obs["branch"] == "branch_2", 10:40].copy()
    rows = (clean.obs["branch"] == "branch_2").to_numpy()
    np.testing.assert_array_equal(true_fold_change(part), truth[rows, 10:40])
    names = ["gene_0030", "gene_0012"]
    np.testing.assert_array_equal(true_fold_change(part, names), truth[rows][:, [29, 11]])


def test_true_fold_change_refuses_what_it_does_not_know(clean):
    with pytest.raises(ValueError, match="1 of 2 are not, the first is 'Gata1'"):
        true_fold_change(clean, ["gene_0001", "Gata1"])
    part = clean[:10].copy()
    del part.uns["simulation"], part.var["true_lfc"]
    with pytest.raises(ValueError, match=r"no var\['true_lfc'\], uns\['simulation'\]"):
        true_fold_change(part)
    part = clean[:10].copy()
    part.obs["branch"] = "stem"
    with pytest.raises(ValueError, match="found 'stem'"):
        true_fold_change(part)


def test_counts_are_sparse_whole_numbers_of_the_stated_mean():
    adata = simulate(random_state=5)
    counts = adata.layers["counts"]
    assert 0.6 < 1 - counts.nnz / np.prod(counts.shape) < 0.8
    np.testing.assert_array_equal(counts.data, np.round(counts.data))
    assert counts.data.min() >= 1
    assert counts.mean() == pytest.approx(0.7, rel=0.1)
    total = counts.sum(1).A1
    assert np.log(total).std() == pytest.approx(0.3, rel=0.15)
    expected = np.log1p(1e4 * counts[:50].toarray() / total[:50, np.newaxis])
    np.testing.assert_allclose(adata.X[:50].toarray(), expected, rtol=1e-5)


def test_cells_without_counts_stay_zero():
    adata = simulate(n_cells=500, n_genes=3, mean_count=0.05)
    assert np.any(adata.layers["counts"].sum(1) == 0)
    assert np.isfinite(adata.X.data).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_counts_have_negative_binomial_moments(alpha):
    mean = np.array([0.3, 2.0, 20.0])
    counts = draw_counts(
        30_000,
        lambda rows: np.tile(np.log(mean), (rows.stop - rows.start, 1)),
        np.full(3, alpha),
        "float64",
        np.random.default_rng(0),
    ).toarray()
    np.testing.assert_allclose(counts.mean(0), mean, rtol=0.03)
    np.testing.assert_allclose(counts.var(0), mean + alpha * mean**2, rtol=0.06)


def test_blocks_cover_every_cell_and_are_independent():
    rows = []

    def log_rate(block):
        rows.extend(range(block.start, block.stop))
        return np.zeros((block.stop - block.start, 4))

    n_cells = 2 * CELLS_PER_BLOCK + 5
    counts = draw_counts(n_cells, log_rate, np.zeros(4), "float32", np.random.default_rng(1))
    assert rows == list(range(n_cells))
    assert counts.shape == (n_cells, 4)
    first, second = counts[:CELLS_PER_BLOCK], counts[CELLS_PER_BLOCK : 2 * CELLS_PER_BLOCK]
    assert abs(np.corrcoef(first.toarray().ravel(), second.toarray().ravel())[0, 1]) < 0.06


TREE = Trajectory(2, 0.35)


def donor_variation(**options):
    """Normal donor effects of equal variance, but for what is given."""
    simple = {
        "donor_sd": 0.3,
        "donor_sd_dispersion": 0.0,
        "donor_state_fraction": 0.5,
        "donor_frequency": 1.0,
        "donor_trend": 0.0,
        "donor_correlation": 0.0,
        "donor_programs": 0,
        "donor_program_share": 0.8,
    }
    return DonorVariation(**(simple | options))


def samples(*, paired):
    """200 samples of each condition."""
    return Design(
        n_cells=1000,
        conditions=("a", "b"),
        n_donors=(200, 200),
        paired=paired,
        cells_ratio=1.0,
        unequal_cells=0.0,
    )


def donor_effects(donors, cells):
    """Donor effects at cells of 400 donors x 20 genes, ``(n_cells, 8000)``."""
    design = samples(paired=False)
    rng = np.random.default_rng(0)
    weights = donors.draw_weights(design, donors.draw_sd(20, rng), TREE.n_basis, rng)
    return np.einsum("cb,sbg->csg", donors.features(TREE, cells), weights).reshape(
        len(cells.segment), -1
    )


@pytest.mark.parametrize("frequency", [0.4, 1.0, 4.0])
@pytest.mark.parametrize("state_fraction", [0.0, 0.5, 1.0])
def test_donor_variance_is_the_same_at_every_state(state_fraction, frequency):
    donors = donor_variation(donor_state_fraction=state_fraction, donor_frequency=frequency)
    cells = CellStates(np.array([0, 0, 1, 1, 2]), np.array([0.0, 0.3, 0.4, 1.0, 0.7]))
    effect = donor_effects(donors, cells)
    np.testing.assert_allclose(effect.var(axis=1), 0.09, rtol=0.08)
    if frequency == 1:
        # What states far apart share is mostly the constant part.
        assert np.cov(effect)[0, 3] < (1 - state_fraction) * 0.09 + 0.01


def test_donor_effects_of_higher_frequency_change_faster_along_the_tree():
    cells = CellStates(np.array([1, 1]), np.array([0.7, 0.8]))
    correlation = [
        np.corrcoef(donor_effects(donor_variation(donor_frequency=frequency), cells))[0, 1]
        for frequency in (0.4, 1.0, 3.0)
    ]
    assert correlation == sorted(correlation, reverse=True)
    assert correlation[0] > 0.97
    assert correlation[2] < 0.9


def test_donor_trend_raises_the_standard_deviation_along_pseudotime():
    cells = CellStates(np.array([0, 1, 2]), np.array([0.0, 0.5, 1.0]))
    found = donor_effects(donor_variation(donor_trend=1.2), cells).std(axis=1)
    np.testing.assert_allclose(found, 0.3 * np.exp([-0.6, 0.0, 0.6]), rtol=0.05)


def test_donor_trend_leaves_the_mean_over_donors():
    options = dict(NO_DONORS, donor_sd=0.5, n_cells=40_000, n_genes=40, n_donors=300)
    options |= {"fraction_global": 0, "fraction_local": 0, "mean_count": 5, "state_sd": 0}
    flat, rising = (simulate(**options, donor_trend=trend) for trend in (0.0, 2.0))
    late = (flat.obs["pseudotime"] > 0.7).to_numpy()
    ratio = np.log(rising.layers["counts"][late].mean() / flat.layers["counts"][late].mean())
    assert abs(ratio) < 0.03


CELLS = CellStates(np.array([0, 2]), np.array([0.1, 0.9]))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_genes_of_a_programme_are_correlated_and_vary_as_much_as_without(share):
    donors = donor_variation(donor_programs=2, donor_program_share=share)
    effect = donor_effects(donors, CELLS).reshape(2, 400, 20)
    np.testing.assert_allclose(effect.var(axis=1).mean(axis=1), 0.09, rtol=0.1)
    for at_state in effect:
        correlation = np.corrcoef(at_state.T)
        first = np.abs(correlation[0, 1:])
        if share == 0:
            assert first.max() < 0.2
            continue
        together = first > share / 2
        assert 3 < together.sum() < 16  # of 19 other genes about half follow the same
        assert first[together].mean() == pytest.approx(share, abs=0.06)
        assert first[~together].max() < 0.2
        assert (correlation[0, 1:] < -0.5 * share).any()


def test_pairs_share_the_programmes():
    design = samples(paired=True)
    donors = donor_variation(donor_correlation=0.7, donor_programs=1, donor_program_share=1.0)
    weights = donors.draw_weights(design, np.ones(3), TREE.n_basis, np.random.default_rng(0))
    first, second = weights[:200, 0, 0], weights[200:, 0, 0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.7, abs=0.1)


def test_variation_over_states_differs_between_genes():
    counts = Counts(
        mean_count=1.0,
        mean_count_sd=0.0,
        state_sd=0.8,
        state_sd_spread=0.5,
        dispersion=0.2,
        depth_sd=0.0,
        dtype="float32",
    )
    genes = draw_genes(counts, 50_000, 30, np.random.default_rng(0))
    assert np.sqrt(np.mean(genes.state_sd**2)) == pytest.approx(0.8, rel=0.02)
    assert np.log(genes.state_sd).std() == pytest.approx(0.5, rel=0.02)
    np.testing.assert_allclose(
        np.sqrt(np.mean(genes.weights**2, axis=0)) / genes.state_sd, 1.0, atol=0.65
    )


def test_programmes_and_unlike_states_reach_the_counts():
    options = {
        "n_cells": 4000,
        "n_genes": 1500,
        "n_donors": 10,
        "fraction_global": 0,
        "fraction_local": 0,
        "mean_count": 3,
        "mean_count_sd": 0,
        "dispersion": 0,
        "depth_sd": 0,
        **NO_DONORS,
    }
    options |= {"donor_sd": 0.3, "donor_state_fraction": 0, "state_sd": 0.0}
    adata = simulate(**options, donor_programs=1, donor_program_share=1.0)
    counts, sample = adata.layers["counts"], adata.obs["sample"]
    bulk = np.array([counts[(sample == s).to_numpy()].mean(0).A1 for s in sample.cat.categories])
    correlation = np.corrcoef(np.log(bulk[:, :40]).T)
    assert np.median(np.abs(correlation)) > 0.8
    assert (correlation < -0.5).any()

    options |= {"donor_sd": 0.0, "state_sd": 0.7}
    means = []
    for spread in (0.0, 0.6):
        counts = simulate(**options, state_sd_spread=spread).layers["counts"]
        assert counts.mean() == pytest.approx(3, rel=0.05)  # of every gene, over states
        variance = counts.power(2).mean(0).A1 - counts.mean(0).A1 ** 2
        means.append(np.std(np.log(variance / counts.mean(0).A1)))
    assert means[1] > 1.2 * means[0]


def test_gene_specific_donor_variances_are_scaled_inverse_chi_square():
    donors = donor_variation(donor_sd=0.2, donor_sd_dispersion=0.5)
    variance = donors.draw_sd(200_000, np.random.default_rng(0)) ** 2
    assert variance.mean() == pytest.approx(0.04, rel=0.01)
    assert variance.std() / variance.mean() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("dispersion", [0.0, 1.0])
def test_donor_sd_is_found_in_pseudobulk(dispersion):
    adata = simulate(
        n_cells=6000,
        n_genes=150,
        n_donors=20,
        fraction_global=0,
        fraction_local=0,
        mean_count=5,
        mean_count_sd=0.3,
        state_sd=0.2,
        donor_state_fraction=0,
        donor_sd_dispersion=dispersion,
        **{**NO_DONORS, "donor_sd": 0.3},
    )
    counts, sample = adata.layers["counts"], adata.obs["sample"]
    bulk = np.array([counts[(sample == s).to_numpy()].mean(0).A1 for s in sample.cat.categories])
    variance = np.log(bulk).var(axis=0, ddof=1)
    sampling = (1 / 5 + 0.2 * np.exp(0.125) + 0.2**2 + 0.3**2) / 150
    assert np.mean(variance) - sampling == pytest.approx(0.09, rel=0.15)
