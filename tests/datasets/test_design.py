import numpy as np
import pandas as pd
import pytest

from kompot.datasets import simulate
from kompot.datasets.design import apportion


def table(adata):
    return pd.crosstab(adata.obs["donor"], adata.obs["condition"])


def test_unpaired_donors_are_in_one_condition():
    adata = simulate(n_cells=500, n_genes=2, n_donors=(2, 3), conditions=("young", "old/er"))
    cells = table(adata)
    assert list(cells.columns) == ["young", "old/er"]
    assert ((cells > 0).sum(axis=0) == [2, 3]).all()
    assert ((cells > 0).sum(axis=1) == 1).all()
    assert adata.obs["sample"].nunique() == 5


def test_paired_donors_are_in_both_conditions():
    adata = simulate(n_cells=500, n_genes=2, n_donors=3, paired=True)
    cells = table(adata)
    assert cells.shape == (3, 2)
    assert (cells > 0).all(axis=None)
    assert adata.obs["sample"].nunique() == 6
    for column in ("donor", "condition"):
        assert (adata.obs.groupby("sample", observed=True)[column].nunique() == 1).all()


def test_numbers_of_cells_follow_the_ratio():
    adata = simulate(n_cells=1000, n_genes=2, cells_ratio=0.25, unequal_cells=False)
    np.testing.assert_array_equal(table(adata).max(axis=1), [200] * 4 + [50] * 4)


def test_unequal_cells_is_the_sd_of_log_cells():
    adata = simulate(n_cells=100_000, n_genes=1, n_donors=100, unequal_cells=0.4)
    logs = np.log(adata.obs["sample"].value_counts())
    assert logs.std() == pytest.approx(0.4, rel=0.2)
    assert simulate(n_cells=10, n_genes=1, unequal_cells=True).uns["simulation"][
        "unequal_cells"
    ] == pytest.approx(0.5)


@pytest.mark.parametrize("total", [7, 8, 100, 12_345])
def test_apportion_keeps_the_total_and_leaves_none_empty(total):
    weights = np.array([1e-9, 1.0, 2.0, 3.0, 5.5, 0.1, 10.0])
    numbers = apportion(total, weights)
    assert numbers.sum() == total
    assert numbers.min() >= 1
    if total > 100:
        np.testing.assert_allclose(numbers, total * weights / weights.sum(), atol=2)


def correlation_of_pairs(adata):
    counts, sample = adata.layers["counts"], adata.obs["sample"]
    bulk = np.array([counts[(sample == s).to_numpy()].sum(0).A1 for s in sample.cat.categories])
    logs = np.log(bulk / bulk.sum(1, keepdims=True))
    first, second = np.split(logs, 2)
    first, second = first - first.mean(0), second - second.mean(0)
    return np.sum(first * second) / np.sqrt(np.sum(first**2) * np.sum(second**2))


@pytest.mark.parametrize(("paired", "expected"), [(True, 0.7), (False, 0.0)])
def test_paired_samples_share_donor_variance(paired, expected):
    adata = simulate(
        n_cells=3000,
        n_genes=120,
        n_donors=15,
        paired=paired,
        unequal_cells=False,
        donor_composition=None,
        donor_tilt=0,
        donor_sd=0.5,
        donor_sd_dispersion=0,
        donor_state_fraction=0,
        abundance_log_odds=0,
        fraction_global=0,
        fraction_local=0,
        mean_count=5,
        mean_count_sd=0.2,
        state_sd=0.1,
    )
    assert correlation_of_pairs(adata) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n_cells": 0}, ValueError, "'n_cells' must be .*at least 1, got 0"),
        ({"n_cells": 7}, ValueError, "at least the number of samples, 8; found 7"),
        ({"n_cells": 10.0}, TypeError, "'n_cells' must be a whole number"),
        ({"n_genes": True}, TypeError, "'n_genes' must be a whole number"),
        ({"random_state": -1}, ValueError, "'random_state' must be .*at least 0, got -1"),
        ({"random_state": None}, TypeError, "'random_state' must be a whole number"),
        ({"conditions": ("a", "a")}, ValueError, "two different, non-empty names"),
        ({"conditions": ("a", "b", "c")}, ValueError, "`conditions` must have 2 elements; found 3"),
        ({"conditions": "ab"}, TypeError, "`conditions` must be a pair; found 'ab'"),
        ({"conditions": (1, 2)}, TypeError, "`conditions` must be two strings"),
        ({"n_donors": 0}, ValueError, "'n_donors' must be .* at least 1, got 0"),
        ({"n_donors": (2, 3), "paired": True}, ValueError, "the same in both conditions"),
        ({"n_donors": "4"}, TypeError, "'n_donors' must be a whole number"),
        ({"paired": 1}, TypeError, "`paired` must be True or False; found 1"),
        ({"cells_ratio": 0}, ValueError, "'cells_ratio' must be .*greater than 0, got 0"),
        ({"unequal_cells": -1}, ValueError, "'unequal_cells' must be .*at least 0, got -1"),
        ({"n_branches": 0}, ValueError, "'n_branches' must be .*at least 1 and at most 20, got 0"),
        (
            {"branch_point": 1.0},
            ValueError,
            "'branch_point' must be .*at least 0.05 and at most 0.95",
        ),
        ({"donor_programs": 1.5}, TypeError, "'donor_programs' must be a whole number"),
        ({"donor_programs": -1}, ValueError, "'donor_programs' must be .*at least 0, got -1"),
        ({"donor_program_share": 2}, ValueError, "'donor_program_share' must be .*at most 1"),
        ({"state_sd_spread": -1}, ValueError, "'state_sd_spread' must be .*at least 0"),
        ({"n_dims": 51}, ValueError, "'n_dims' must be .*at least 1 and at most 50, got 51"),
        ({"fraction_local": 1.2}, ValueError, "'fraction_local' must be .*at most 1, got 1.2"),
        ({"fraction_global": 0.6, "fraction_local": 0.6}, ValueError, "at most 1; found 1.2"),
        ({"lfc_global": -1.0}, ValueError, "'lfc_global'"),
        (
            {"local_width": 0},
            ValueError,
            "'local_width' must be .*greater than 0 and at most 0.5, got 0",
        ),
        ({"donor_sd": float("nan")}, ValueError, "'donor_sd' must be finite .*, got nan"),
        ({"donor_sd": "1"}, TypeError, "'donor_sd' must be a number"),
        ({"donor_state_fraction": 2}, ValueError, "'donor_state_fraction'"),
        ({"donor_composition": 0}, ValueError, "'donor_composition'"),
        ({"abundance_branch": "branch_3"}, ValueError, "one of .*, got 'branch_3'"),
        ({"abundance_branch": 1}, ValueError, "'abundance_branch' must be one of"),
        ({"abundance_segment": (0.1, 0.5)}, ValueError, r"in 'branch_1', that is in \[0.35, 1\]"),
        ({"abundance_segment": (0.8, 0.6)}, ValueError, "two increasing pseudotimes"),
        ({"abundance_segment": 0.5}, TypeError, "`abundance_segment` must be a pair"),
        ({"mean_count": 0}, ValueError, "'mean_count'"),
        ({"dtype": "int32"}, ValueError, r"'dtype' must be one of \['float32', 'float64'\]"),
    ],
)
def test_errors_name_the_argument_and_what_is_allowed(arguments, error, text):
    with pytest.raises(error, match=text):
        simulate(**arguments)
