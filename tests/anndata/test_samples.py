import logging

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from kompot.anndata.inputs import read_cells
from kompot.anndata.sample_design import read_design
from kompot.anndata.samples import SampleColumns, read_samples
from kompot.settings import Comparison

COMPARISON = Comparison("condition", "ctrl", "stim", obsm_key="X")


@pytest.fixture
def data(rng):
    """Two conditions of three donors each, 20 cells a donor, and cells of another condition."""
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(["ctrl"] * 60 + ["stim"] * 60 + ["other"] * 10),
            "sample": np.repeat(["a1", "b1", "c1", "d2", "e2", "f2", "g3"], [20] * 6 + [10]),
            "donor": np.repeat(list("ABCABCA"), [20] * 6 + [10]),
            "age": np.repeat([50.0, 40, 30, 65, 42, 33, 20], [20] * 6 + [10]),
            "batch": pd.Categorical(np.repeat(list("xyxyxyz"), [20] * 6 + [10])),
        },
        index=[f"cell{i}" for i in range(130)],
    )
    order = rng.permutation(130)
    return AnnData(obs=obs.iloc[order], obsm={"X": rng.normal(size=(130, 2))})


def read(data, *covariates, **columns):
    columns = SampleColumns(**{"sample": "sample", "covariates": covariates} | columns)
    cells = read_cells(data, COMPARISON)
    samples = read_samples(data.obs, cells, COMPARISON, columns)
    return samples, lambda: read_design(data.obs, cells, samples, COMPARISON, columns)


def test_samples_of_one_condition_each_are_two_groups(data):
    samples, design = read(data, paired=False)
    assert samples.names == ("a1", "b1", "c1", "d2", "e2", "f2")
    assert samples.condition.tolist() == [0, 0, 0, 1, 1, 1]
    assert samples.n_cells.tolist() == [20] * 6
    cells = data.obs.iloc[read_cells(data, COMPARISON).rows]
    assert (np.array(samples.names)[samples.codes] == cells["sample"].to_numpy()).all()
    assert design().columns == ("condition1", "condition2")
    assert design().samples == samples.names
    assert design().degrees_of_freedom == 4


def test_samples_of_donors_in_both_conditions_are_pointed_out(data):
    with pytest.warns(UserWarning, match=r"'sample' are of donors \(column 'donor'\).*donor_col="):
        read(data)[1]()
    data.obs["donor"] = data.obs["sample"].replace({"d2": "a1"})  # who is one of five
    read(data)[1]()
    data.obs["plate"] = np.where(data.obs["sample"].isin(["a1", "b1", "d2"]), "p", "q")
    read(data.copy())[1]()


@pytest.mark.parametrize("columns", [{"donor": "donor"}, {"sample": "donor"}])
def test_donors_in_both_conditions_are_pairs(data, columns):
    samples, design = read(data, **columns)
    assert samples.names[0] == "A (ctrl)"
    assert samples.names[5] == "C (stim)"
    assert samples.in_both == ("A", "B", "C")
    assert design().columns == ("donor A", "donor B", "donor C", "condition2")
    assert design().degrees_of_freedom == 2


def test_cell_types_given_as_samples_are_pointed_out(data):
    data.obsm["X"] += 5.0 * pd.factorize(data.obs["donor"])[0][:, None]
    with pytest.warns(UserWarning, match=r"'donor' looks like cell types: 9\d% of .* paired=True"):
        read(data, sample="donor")[1]()
    read(data, sample="donor", paired=True)[1]()  # no warning
    data.obsm["X"] = np.array(data.obs["condition"] == "stim", float)[:, None] + 0 * data.obsm["X"]
    read(data, sample="donor")[1]()  # the conditions are apart, the donors are not


def test_pairs_can_be_declined(data, caplog):
    _, design = read(data, sample="donor", paired=False)
    with caplog.at_level(logging.WARNING, "kompot"):
        assert design().columns == ("condition1", "condition2")
    assert "compared as if they were others: " in caplog.text


def test_few_pairs_among_many_donors_are_no_pairs_unless_asked_for(data, caplog):
    data.obs["donor"] = data.obs["sample"].replace({"d2": "a1"})  # one of five
    samples, design = read(data, donor="donor")
    assert not samples.mostly_paired
    with caplog.at_level(logging.WARNING, "kompot"):
        assert design().columns == ("condition1", "condition2")
    assert "`paired=True` compares each with itself" in caplog.text
    with pytest.raises(ValueError, match="1 of 5 donors"):
        read(data, donor="donor", paired=True)[1]()


def test_samples_of_a_donor_under_one_condition_are_put_together(data):
    data.obs["lane"] = data.obs["sample"].str.cat(np.tile(["_1", "_2"], 65))
    samples, _ = read(data, sample="lane", donor="donor")
    assert len(samples.names) == 6
    assert samples.n_cells.tolist() == [20] * 6


def test_covariates_are_read_per_sample(data):
    samples, design = read(data, "age", "batch", paired=False)
    found = design()
    assert found.columns[2:] == ("covariate age", "covariate batch=y")
    ages = data.obs.groupby("sample", observed=True)["age"].first()[list(samples.names)]
    assert np.corrcoef(found.matrix[:, 2], ages)[0, 1] == pytest.approx(1)
    np.testing.assert_array_equal(found.matrix[:, 3], [0, 1, 0, 1, 0, 1])


def test_numbers_and_unused_categories_name_samples(data):
    data.obs["sample"] = data.obs["sample"].map(
        {"a1": 7, "b1": 2, "c1": 3, "d2": 4, "e2": 5, "f2": 6}
    )
    data.obs["sample"] = data.obs["sample"].astype("category").cat.add_categories([99])
    samples, _ = read(data)
    assert len(samples.names) == 6


def test_few_samples_are_exploratory_and_small_ones_are_named(data, caplog):
    two = data[data.obs["sample"].isin(["a1", "b1", "d2", "e2"])].copy()
    with caplog.at_level(logging.INFO, "kompot"):
        assert read(two, paired=False)[1]().exploratory
    assert "p-values are exploratory" in caplog.text
    caplog.clear()
    some = data[(data.obs["sample"] != "a1") | (np.arange(130) < 40)].copy()
    n_left = int((some.obs["sample"] == "a1").sum())
    assert 0 < n_left < 10
    with caplog.at_level(logging.INFO, "kompot"):
        read(some)
    assert f"1 sample has fewer than 10 cells: {{'a1': {n_left}}}" in caplog.text


def test_advice_to_an_exploratory_design(data, caplog):
    """Three pairs were told to take three donors, which they had."""
    with caplog.at_level(logging.INFO, "kompot"):
        assert read(data, donor="donor", paired=True)[1]().exploratory
        assert read(data, "age", "batch", paired=False)[1]().exploratory
    pairs, covariates = [line for line in caplog.messages if "exploratory" in line]
    assert pairs.endswith("exploratory; 4 or more pairs of donors are recommended.")
    assert covariates.endswith("exploratory; every covariate takes one or more.")


def one_sample(data):
    data.obs["sample"] = data.obs["sample"].replace({"d2": "e2", "f2": "e2"})
    return {}


def missing_label(data):
    data.obs["sample"] = data.obs["sample"].where(data.obs["sample"] != "b1")
    return {}


def several_donors(data):
    data.obs["donor"] = np.where(data.obs_names == "cell3", "Z", data.obs["donor"])
    return {"donor": "donor"}


def varying_covariate(data):
    data.obs["age"] = np.arange(130.0)
    return {"covariates": ("age",)}


def missing_covariate(data):
    data.obs["age"] = data.obs["age"].where(data.obs["sample"] != "a1")
    return {"covariates": ("age",)}


def confounded_covariate(data):
    data.obs["batch"] = data.obs["condition"].astype(str) + "_batch"
    return {"covariates": ("batch",)}


def cell_names(data):
    data.obs["barcode"] = data.obs_names
    return {"sample": "barcode"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            one_sample,
            r"'stim' has 1 sample \('e2'\), but donor-level .* at least 2 .*cannot be known",
        ),
        (missing_label, "`sample_col`: 20 of 120 cells .* have no value"),
        (several_donors, r"1 samples of column 'sample' .*several donors .* 'a1' has \['A', 'Z'\]"),
        (varying_covariate, "'age' has several values within 6 samples .*'a1'"),
        (missing_covariate, "'age' is missing in 20 cells"),
        (confounded_covariate, "effect cannot be told from the other columns"),
        (cell_names, "120 levels for 120 cells"),
        (lambda _: {"sample": "no"}, "`sample_col`: Column 'no' not found in adata.obs. Available"),
        (lambda _: {"donor": "no"}, "`donor_col`: Column 'no' not found"),
        (lambda _: {"covariates": ("no",)}, "`covariates`: Column 'no' not found"),
        (lambda _: {"sample": "condition"}, "column of the conditions"),
        (lambda _: {"covariates": ("condition",)}, "already says"),
        (lambda _: {"covariates": ("sample",)}, "already says"),
    ],
)
def test_what_cannot_be_compared_is_refused(data, change, message):
    columns = change(data)
    with pytest.raises(ValueError, match=message):
        read(data, *columns.pop("covariates", ()), **columns)[1]()


def test_a_confounded_covariate_is_named_beside_the_error(data):
    columns = confounded_covariate(data)
    with pytest.raises(ValueError, match="cannot be told") as caught:
        read(data, *columns["covariates"])[1]()
    assert "3 samples of 'ctrl' and 3 of 'stim'" in caught.value.__notes__[0]


def test_wrong_types_are_refused():
    with pytest.raises(TypeError, match=r"write \['age'\]"):
        SampleColumns("sample", covariates="age")
    with pytest.raises(TypeError, match="`paired` must be"):
        SampleColumns("sample", paired="yes")


def test_real_donors_in_both_conditions_are_pairs(kang):
    comparison = Comparison("condition", "ctrl", "stim")
    cells = read_cells(kang, comparison)
    for columns in (SampleColumns("donor"), SampleColumns("sample", donor="donor")):
        samples = read_samples(kang.obs, cells, comparison, columns)
        design = read_design(kang.obs, cells, samples, comparison, columns)
        assert samples.in_both == ("101", "107")
        assert design.columns == ("donor 101", "donor 107", "condition2")
        assert design.degrees_of_freedom == 1
