import numpy as np
import pandas as pd
import pytest

from kompot.plot.cells import cell_mask, cells_per_group, group_labels
from kompot.plot.colors import category_colors, distinct_colors


def test_cells_by_columns_by_values_and_by_truth(adata):
    branch = adata.obs["branch"].astype(str)
    both = cell_mask(adata, {"branch": ["root", "branch_1"], "condition": "treated"})
    expected = branch.isin(["root", "branch_1"]) & (adata.obs["condition"] == "treated")
    np.testing.assert_array_equal(both, expected)
    np.testing.assert_array_equal(cell_mask(adata, "root", "branch"), branch == "root")
    np.testing.assert_array_equal(cell_mask(adata, both), both)
    assert cell_mask(adata, None).all()
    either = cell_mask(adata, [{"branch": "root"}, {"branch": "branch_1", "condition": "treated"}])
    np.testing.assert_array_equal(either, expected | (branch == "root"))


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        ({"stage": 1}, "no column"),
        ([{"branch": "root"}, {"stage": 1}], "no column"),
        ({"branch": ["root", "leaf"]}, r"\['leaf'\]"),
        ("root", "names no column"),
        (np.ones(3, dtype=bool), "600 cells"),
    ],
)
def test_unknown_cells_are_refused(adata, choice, text):
    with pytest.raises(ValueError, match=text):
        cell_mask(adata, choice)


def test_labels_keep_the_order_of_categories_and_drop_unused_ones(adata):
    adata.obs["stage"] = pd.Categorical(adata.obs["branch"], ["none", "root", "branch_2"])
    labels = group_labels(adata, "stage")
    assert list(labels.cat.categories) == ["root", "branch_2"]
    assert labels.isna().sum() == (adata.obs["branch"] == "branch_1").sum()
    counts = cells_per_group(labels, np.ones(adata.n_obs, dtype=bool))
    np.testing.assert_array_equal(counts, labels.value_counts().loc[["root", "branch_2"]])


def test_numbers_are_groups_only_if_there_are_few(adata):
    adata.obs["day"] = np.arange(adata.n_obs) % 3
    assert list(group_labels(adata, "day").cat.categories) == ["0", "1", "2"]
    adata.obs["flag"] = np.arange(adata.n_obs) % 2 == 0
    assert list(group_labels(adata, "flag").cat.categories) == ["False", "True"]
    with pytest.raises(ValueError, match="numeric"):
        group_labels(adata, "pseudotime")


def test_fifty_colours_are_fifty_colours():
    assert len(set(distinct_colors(50))) == 50


def test_colours_of_the_data_are_used_if_they_fit(adata):
    names = list(adata.obs["branch"].cat.categories)
    adata.uns["branch_colors"] = ["#111111", "#222222", "#333333"]
    assert category_colors(adata, "branch", names[1:]) == ["#222222", "#333333"]
    adata.uns["branch_colors"] = ["#111111"]
    assert category_colors(adata, "branch", names) == distinct_colors(3)
    given = category_colors(adata, "branch", names, {names[0]: "black"})
    assert given == ["black", *distinct_colors(3)[1:]]
