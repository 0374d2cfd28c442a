import numpy as np
import pytest

from kompot.datasets import simulate

EQUAL = {"n_genes": 1, "donor_composition": None, "donor_tilt": 0, "unequal_cells": False}


def fractions(adata, inside):
    treated = (adata.obs["condition"] == "treated").to_numpy()
    return inside[~treated].mean(), inside[treated].mean()


@pytest.mark.parametrize("branch", ["root", "branch_1", "branch_2"])
@pytest.mark.parametrize("log_odds", [-1.5, 1.0])
def test_true_ratio_matches_branch_fractions(branch, log_odds):
    adata = simulate(n_cells=40_000, abundance_branch=branch, abundance_log_odds=log_odds, **EQUAL)
    truth = adata.obs["true_log_abundance_ratio"]
    for name in ("root", "branch_1", "branch_2"):
        inside = (adata.obs["branch"] == name).to_numpy()
        before, after = fractions(adata, inside)
        error = np.sqrt((1 / before + 1 / after) / 20_000)
        assert truth[inside].nunique() == 1
        assert abs(np.log(after / before) - truth[inside].iloc[0]) < 4 * error


@pytest.mark.parametrize("segment", [(0.5, 0.7), (0.35, 0.45), (0.9, 1.0)])
def test_part_of_a_branch_changes_by_the_log_odds(segment):
    adata = simulate(n_cells=60_000, abundance_log_odds=-1.2, abundance_segment=segment, **EQUAL)
    inside = (adata.obs["branch"] == "branch_1") & adata.obs["pseudotime"].between(*segment)
    before, after = fractions(adata, inside.to_numpy())
    share = (segment[1] - segment[0]) / 0.65 / 3
    assert before == pytest.approx(share, rel=0.1)
    log_odds = np.log(after / (1 - after)) - np.log(before / (1 - before))
    assert log_odds == pytest.approx(-1.2, abs=0.15)
    truth = adata.obs["true_log_abundance_ratio"].to_numpy()
    assert set(np.unique(inside[truth < 0])) == {True}
    assert np.ptp(truth[inside.to_numpy()]) == np.ptp(truth[~inside.to_numpy()]) == 0


@pytest.mark.parametrize("segment", [None, (0.4, 0.8)])
def test_true_ratio_is_normalised(segment):
    adata = simulate(n_cells=40_000, abundance_segment=segment, **EQUAL)
    treated = (adata.obs["condition"] == "treated").to_numpy()
    ratio = np.exp(adata.obs["true_log_abundance_ratio"].to_numpy())
    # Both densities integrate to one: E_1[q2/q1] = 1 and E_2[q1/q2] = 1.
    assert ratio[~treated].mean() == pytest.approx(1, abs=0.02)
    assert (1 / ratio[treated]).mean() == pytest.approx(1, abs=0.02)


def test_no_change_is_ratio_zero():
    adata = simulate(n_cells=100, n_genes=1, abundance_log_odds=0)
    assert (adata.obs["true_log_abundance_ratio"] == 0).all()


def shares(adata):
    counts = adata.obs.groupby(["sample", "branch"], observed=False).size().unstack()
    return (counts.T / counts.sum(axis=1)).T.to_numpy()


def test_composition_of_donors_is_dirichlet():
    adata = simulate(
        n_cells=100_000,
        n_genes=1,
        n_donors=100,
        donor_composition=8,
        abundance_log_odds=0,
        unequal_cells=False,
    )
    share = shares(adata)
    # Dirichlet(8, 8, 8) plus multinomial noise of 500 cells.
    variance = (1 / 3) * (2 / 3) / 25
    variance += ((1 / 3) * (2 / 3) - variance) / 500
    np.testing.assert_allclose(share.mean(axis=0), 1 / 3, atol=0.015)
    np.testing.assert_allclose(share.var(axis=0), variance, rtol=0.25)


def test_paired_samples_have_similar_composition():
    arguments = {
        "n_cells": 30_000,
        "n_genes": 1,
        "n_donors": 100,
        "abundance_log_odds": 0,
        "unequal_cells": False,
        "donor_composition": 4,
    }
    for paired, expected in ((True, 0.7), (False, 0.0)):
        share = shares(simulate(paired=paired, **arguments))
        first, second = share[:100, 0], share[100:, 0]
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(expected, abs=0.2)


def test_density_along_segments_is_uniform_without_tilt_and_varies_with_it():
    position = {}
    for tilt in (0, 3):
        arguments = {**EQUAL, "donor_tilt": tilt}
        adata = simulate(n_cells=20_000, n_donors=10, abundance_log_odds=0, **arguments)
        root = adata.obs[adata.obs["branch"] == "root"]
        position[tilt] = root.groupby("sample", observed=True)["pseudotime"].mean() / 0.35
    np.testing.assert_allclose(position[0], 0.5, atol=4 * np.sqrt(1 / 12 / 330))
    assert position[3].std() > 0.1
