"""Samples with too few cells to be compared."""

import logging

import numpy as np
import pytest

import kompot
from kompot.datasets import simulate
from kompot.stats.design import paired_design, two_group_design

KEY = "kompot_da_control_to_treated"
OPTIONS = {"sample_col": "donor", "random_state": 0, "progress": False}


@pytest.fixture(scope="module")
def _cells():
    return simulate(n_cells=900, n_genes=80, n_donors=4, abundance_log_odds=3.0, random_state=4)


@pytest.fixture
def cells(_cells):
    return _cells.copy()


def moved(adata, *sizes):
    """The same with some control cells in samples of their own."""
    donor = adata.obs["donor"].astype(str).to_numpy()
    first = np.flatnonzero(adata.obs["condition"] == "control")
    for number, size in enumerate(sizes):
        donor[first[:size]], first = f"tiny{number}", first[size:]
    adata.obs["donor"] = donor
    return adata


def run(analysis, adata, **options):
    function = {
        "de": kompot.compute_differential_expression,
        "da": kompot.compute_differential_abundance,
    }[analysis]
    return function(
        adata, "condition", "control", "treated", return_full_results=True, **OPTIONS | options
    )


def test_tiny_samples_leave_abundance_nearly_as_it_was(cells, caplog):
    """A sample of one cell counted like the others; three of them took all calls away."""
    run("da", cells)
    expected = cells.obs[f"{KEY}_donor_direction"].value_counts()
    some = moved(cells.copy(), 1, 1, 9)
    with caplog.at_level(logging.INFO, "kompot"):
        full = run("da", some, overwrite=True)
    assert full["donor_test"].design.degrees_of_freedom == 6
    assert "fewer than 10 cells and are not compared: {'tiny0': 1, 'tiny1': 1, 'tiny2'" in (
        caplog.text
    )
    found = some.obs[f"{KEY}_donor_direction"].value_counts()
    assert expected["up"] > 300
    assert found["up"] > 0.9 * expected["up"]


def test_a_sample_of_one_cell_is_no_degree_of_freedom_of_expression(cells):
    test = run("de", moved(cells, 1))["donor_test"]
    assert test.degrees_of_freedom == 6
    assert test.design.columns[-1] == "covariate left out: tiny0"


@pytest.mark.parametrize("analysis", ["de", "da"])
def test_a_sample_of_one_cell_is_no_second_sample(cells, analysis):
    is_control = cells.obs["condition"] == "control"
    few = moved(cells[~is_control | (cells.obs["donor"] == "donor_1")].copy(), 1)
    with pytest.raises(ValueError, match=r"1 sample of (2|10) cells or more"):
        run(analysis, few)
    with pytest.warns(UserWarning, match=r"A condition has one sample \(1 and 4\)"):
        run(analysis, few, allow_single_condition_variance=True)
    for given in ({"covariates": ["branch"]}, {"paired": True}):
        with pytest.raises(ValueError, match="only has a meaning where samples are compared"):
            run(analysis, few, allow_single_condition_variance=True, overwrite=True, **given)


def test_pairs_of_which_one_sample_is_tiny_do_not_count():
    adata = simulate(n_cells=900, n_genes=60, n_donors=4, paired=True, random_state=1)
    lone = (adata.obs["donor"] == "donor_1") & (adata.obs["condition"] == "control")
    assert run("de", adata.copy())["donor_test"].degrees_of_freedom == 3
    some = adata[~lone | (lone.cumsum() <= 1)].copy()
    assert run("de", some)["donor_test"].degrees_of_freedom == 2


def test_null_check_leaves_them_out(cells):
    found = kompot.null_check(
        moved(cells, 1, 1), "condition", "control", "treated", sample_col="donor", n_splits=6,
        progress=False,
    )  # fmt: skip
    of_control = found.splits[found.splits["condition"] == "control"]
    assert len(of_control) == 3  # of four donors into two and two
    assert not of_control[["group1", "group2"]].duplicated().any()
    assert not of_control["group1"].str.contains("tiny").any()
    assert (of_control["degrees_of_freedom"] == 2).all()


def test_many_tiny_samples_leave_regions_testable(cells):
    some = moved(cells.copy(), *[3] * 30)
    full = run("da", some)
    kept = some[~some.obs["donor"].str.startswith("tiny")].copy()
    without = run("da", kept, overwrite=True)
    n_testable = [
        int(found["donor_test"].regions.fractions.testable.sum()) for found in (full, without)
    ]
    assert n_testable[0] >= n_testable[1] - 2
    sizes = [found["donor_test"].neighborhood_size for found in (full, without)]
    assert sizes[0] == max(30, int(0.05 * cells.n_obs))
    assert sizes[1] == max(30, int(0.05 * kept.n_obs))


def with_single_cells(adata, n_samples):
    """The same with samples of one cell each in both conditions, and which cells these are."""
    sample, chosen = adata.obs["sample"].astype(str).to_numpy(), []
    for label in ("control", "treated"):
        cells = np.flatnonzero(adata.obs["condition"] == label)
        some = np.random.default_rng(0).choice(cells, n_samples, replace=False)
        sample[some] = [f"{label}_one{number}" for number in range(n_samples)]
        chosen.extend(some)
    adata.obs["sample"] = sample
    return adata, np.isin(np.arange(adata.n_obs), chosen)


def test_many_single_cells_leave_changes_of_expression_as_they_were():
    """They had lowered the size of a typical sample to one cell, and changes to 0.29 from 0.75."""
    adata = simulate(n_cells=1200, n_genes=200, n_donors=4, random_state=3, fraction_global=0.1)
    some, _ = with_single_cells(adata.copy(), 6)
    changed = adata.var["effect"] == "global"
    options = {"sample_col": "sample", "layers": "none", "null_genes": 0, "inplace": False}
    found = [run("de", one, **options)["table"]["donor_lfc"][changed] for one in (adata, some)]
    assert found[1].abs().mean() == pytest.approx(found[0].abs().mean(), rel=0.1)


def test_single_cells_do_not_keep_expression_from_being_standardised():
    """A third of all samples, these included, had to be in a cluster; 6 of 18 calls were false."""
    adata = simulate(
        n_cells=1600, n_genes=400, n_donors=5, embedding_shift=1.5, abundance_log_odds=1.5,
        random_state=3,
    )  # fmt: skip
    some, _ = with_single_cells(adata, 12)
    options = {"sample_col": "sample", "layers": "none", "null_genes": 0, "inplace": False}
    full = run("de", some, **options)
    statuses = [region.status for region in full["donor_test"].regions]
    assert statuses.count("standardised") >= 3
    assert not (full["table"]["is_de"] & ~some.var["is_de"]).any()


def test_a_sample_of_few_cells_hardly_changes_scores_with_samples(cells):
    """A flat density of 5 cells had made them five times smaller."""
    run("da", cells)
    expected = cells.obs[f"{KEY}_lfc_zscore_sample_var"].abs().median()
    some = moved(cells.copy(), 5)
    run("da", some, overwrite=True)
    assert some.obs[f"{KEY}_lfc_zscore_sample_var"].abs().median() > 0.85 * expected


def test_ages_that_were_once_missing_are_numbers(cells):
    donors = sorted(cells.obs["donor"].unique())
    ages = dict(zip(donors, (30, 41, 30, 52, 41, 30, 60, 52), strict=False))
    cells.obs["age"] = cells.obs["donor"].astype(str).map(ages).astype(object)
    assert run("de", cells, covariates=["age"])["donor_test"].degrees_of_freedom == 5


def test_samples_that_contribute():
    design = two_group_design([0, 0, 0, 1, 1, 1], covariates={"own": [0, 1.0, 0, 0, 0, 0]})
    assert design.contributing.tolist() == [True, False, True, True, True, True]
    pairs = paired_design([0, 1, 0, 1, 0], list("aabbc"))
    assert pairs.contributing.tolist() == [True, True, True, True, False]
