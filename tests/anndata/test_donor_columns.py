import numpy as np
import pandas as pd
import pytest

import kompot
from kompot.anndata.donor_columns import CellLevelWarning, looks_like_donors


@pytest.fixture
def cells(rng):
    """600 cells of 6 donors (3 a condition) and 4 types, which lie apart."""
    donor = rng.integers(6, size=600)
    kind = rng.integers(4, size=600)
    states = 5 * rng.normal(size=(4, 3))[kind] + rng.normal(size=(600, 3))
    obs = pd.DataFrame({"condition": np.where(donor < 3, "old", "young")})
    return obs, donor, kind, states


def found(obs, states=None):
    return looks_like_donors(obs, "condition", ("old", "young"), states=states)


@pytest.mark.parametrize("name", ["donor", "patient_id", "orig.ident", "x7"])
def test_levels_of_one_condition_each_are_found_whatever_their_name(cells, name):
    obs, donor, kind, states = cells
    obs[name] = pd.Categorical([f"d{d}" for d in donor])
    obs["cell_type"] = kind.astype(str)
    assert found(obs) == (name,)
    assert found(obs, states) == (name,)


def test_donors_in_both_conditions_are_found_by_name_or_by_where_their_cells_lie(cells, rng):
    obs, _, kind, states = cells
    pairs = rng.integers(4, size=600).astype(str)
    obs["subject"] = pairs
    obs["code"] = pairs
    obs["annotation"] = obs["group"] = kind.astype(str)
    assert found(obs) == ("subject",)
    assert found(obs, states) == ("subject", "code")


@pytest.mark.parametrize("name", ["cell_line", "Stage"])
def test_names_that_only_contain_age_or_cell_do_not_hide_donors(cells, name):
    obs, donor, *_ = cells
    obs[name] = [f"x{d}" for d in donor]
    assert found(obs) == (name,)


def test_numbers_of_donors_may_be_floats_of_which_some_are_missing(cells):
    obs, donor, *_ = cells
    obs["donor"] = donor.astype(float)
    obs.loc[:20, "donor"] = np.nan
    assert found(obs) == ("donor",)


def test_nested_samples_come_before_donors_of_both(cells):
    obs, donor, *_ = cells
    obs["mouse"] = (donor % 3).astype(str)
    obs["sample"] = donor.astype(str)
    assert found(obs) == ("sample", "mouse")


def test_other_columns_are_not_donors(cells, rng):
    obs, donor, kind, states = cells
    obs["treatment"] = obs["condition"].map({"old": "none", "young": "drug"})  # the condition again
    obs["phase"] = rng.choice(["G1", "S", "G2M"], 600)
    obs["sex"] = np.where(donor % 2, "f", "m")
    obs["age"] = donor * 10 + 20
    obs["sample_score"] = donor + 0.5
    obs["lineage"] = np.where(kind < 2, "a", "b")
    obs["score"] = np.round(rng.normal(size=600), 1)
    obs["doublet"] = rng.random(600) < 0.1
    obs["barcode"] = [f"cell{i}" for i in range(600)]
    obs["leiden"] = pd.Categorical(kind)
    obs["n_counts"] = rng.poisson(1000, 600)
    obs["donor_age"] = donor.astype(float)
    obs["single"] = "x"
    obs["sample"] = np.where(donor == 0, "a", None)  # mostly missing
    assert found(obs, states) == ()


@pytest.mark.parametrize("ending", ["lfc_direction_sample_var", "donor_direction", "donor_region"])
def test_results_of_earlier_runs_are_not_donors(cells, rng, ending):
    obs, *_ = cells
    obs[f"kompot_da_old_to_young_{ending}"] = rng.choice(["up", "neutral", "down"], 600)
    assert found(obs) == ()


def test_only_cells_of_the_two_conditions_count(cells):
    obs, donor, *_ = cells
    obs["donor"] = donor.astype(str)
    other = pd.DataFrame({"condition": ["middle"] * 50, "donor": ["0"] * 50})
    assert found(pd.concat([obs, other], ignore_index=True)) == ("donor",)
    missing = pd.DataFrame({"condition": [None] * 50, "donor": ["1"] * 50})
    assert found(pd.concat([obs, missing], ignore_index=True)) == ("donor",)


def test_real_columns(kang):
    states = np.asarray(kang.obsm["DM_EigenVectors"])
    assert looks_like_donors(kang.obs, "condition", ("ctrl", "stim"), states=states) == (
        "sample",
        "donor",
    )


def test_columns_of_unhashable_values_are_no_donors() -> None:
    obs = pd.DataFrame({"condition": ["a", "b"] * 20})
    obs["samples"] = [[i % 4] for i in range(40)]
    assert looks_like_donors(obs, "condition", ("a", "b")) == ()


def test_columns_whose_names_are_no_text_count_as_well(adata):
    """A KeyError ended every run without samples."""
    obs = pd.DataFrame({"condition": np.repeat(["a", "b"], 30), 3: np.arange(60) % 3})
    obs[7] = np.repeat(list("uvwxyz"), 10)
    assert looks_like_donors(obs, "condition", ("a", "b")) == (7,)
    adata.obs[7], adata.uns[7] = 0.5, 1
    conditions = ("condition", "control", "treated")
    with pytest.warns(CellLevelWarning):
        kompot.compute_differential_abundance(adata, *conditions, progress=False)


def advice(adata):
    """What an analysis without samples says."""
    with pytest.warns(CellLevelWarning) as caught:
        kompot.compute_differential_abundance(
            adata, "condition", "control", "treated", progress=False
        )
    return str(caught[0].message)


def test_advice_names_the_donors_of_samples(adata):
    donor = adata.obs["donor"].astype(str)
    adata.obs["donor"] = donor.map({name: f"d{k % 2}" for k, name in enumerate(sorted(set(donor)))})
    adata.obs["sample"] = adata.obs["donor"] + adata.obs["condition"].astype(str)
    text = advice(adata)
    assert "(so does 'donor')" in text
    assert "sample_col='sample' and donor_col='donor'" in text


def test_one_sample_for_each_condition_is_pointed_out(adata):
    adata.obs = adata.obs[["condition"]].assign(sample=adata.obs["condition"].astype(str) + "_1")
    assert "'sample' of adata.obs names one sample for each condition" in advice(adata)
