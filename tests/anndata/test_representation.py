"""Conditions with few cells in a group are found, told and can be left out."""

import warnings

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kompot.anndata.groups import parse_cell_filter
from kompot.anndata.representation import (
    UnderrepresentedWarning,
    check_underrepresentation,
    describe_underrepresented,
    underrepresented,
)

N = 12
KEY = "__underrepresentation_data"
# Cells of a, b, c in each type:      x: 3, 1, 0    y: 2, 2, 0    z: 0, 1, 2    none: 0, 1, 0
CONDITION = list("aaabaabbbccb")
TYPE = [*"xxxxyyyyzzz", None]


@pytest.fixture
def adata() -> AnnData:
    obs = pd.DataFrame(
        {
            "condition": CONDITION,
            "type": pd.Categorical(TYPE, categories=["y", "x", "z", "unused"]),
            "first": [True] * 4 + [False] * 8,
            "batch": [0, 1] * 6,
            "score": np.linspace(0, 1, N),
            "nothing": pd.Categorical([None] * N, categories=["a"]),
        },
        index=[f"cell{i}" for i in range(N)],
    )
    return AnnData(np.ones((N, 2), np.float32), obs=obs)


def check(adata, groups="type", **options):
    return check_underrepresentation(adata, "condition", groups, **({"warn": False} | options))


@pytest.mark.parametrize(
    ("min_cells", "min_percentage", "expected"),
    [
        (0, None, {}),
        (1, None, {"y": ["c"], "x": ["c"], "z": ["a"]}),
        (2, None, {"y": ["c"], "x": ["b", "c"], "z": ["a", "b"]}),
        (3, None, {"y": ["a", "b", "c"], "x": ["b", "c"], "z": ["a", "b", "c"]}),
        (0, 0, {}),
        (0, 25, {"y": ["c"], "x": ["c"], "z": ["a"]}),
        (0, 25.1, {"y": ["c"], "x": ["b", "c"], "z": ["a"]}),
        (0, 34, {"y": ["c"], "x": ["b", "c"], "z": ["a", "b"]}),
        (0, 50, {"y": ["c"], "x": ["b", "c"], "z": ["a", "b"]}),
        (2, 60, {"y": ["a", "b", "c"], "x": ["b", "c"], "z": ["a", "b"]}),
    ],
)
def test_conditions_below_either_minimum_are_found(adata, min_cells, min_percentage, expected):
    found = check(adata, min_cells=min_cells, min_percentage=min_percentage)
    assert found == {KEY: expected, "type": ["y", "x", "z"]}
    assert list(found[KEY]) == list(expected)


def test_share_is_of_all_cells_of_the_group(adata):
    """Two thirds of z are c, and one third b, also when only a and c are asked for."""
    found = check(adata, conditions=["c", "a"], min_cells=0, min_percentage=70)
    assert found[KEY] == {"y": ["c", "a"], "x": ["c"], "z": ["c", "a"]}


def test_default_is_thirty_cells_and_no_share():
    obs = pd.DataFrame({"condition": ["a"] * 30 + ["b"] * 29 + ["c"] * 3000})
    obs.index = obs.index.astype(str)
    adata = AnnData(np.ones((len(obs), 1), np.float32), obs=obs)
    found = check_underrepresentation(adata, "condition", np.ones(len(obs), bool), warn=False)
    assert found == {KEY: {"True": ["b"]}, "selection": ["True"]}


X = np.array([kind == "x" for kind in TYPE])


@pytest.mark.parametrize(
    ("groups", "found", "keys"),
    [
        ("type", {"x": ["b"], "z": ["a", "b"]}, {"type": ["y", "x", "z"]}),
        ("first", {"True": ["b"]}, {"first": ["True"]}),
        ({"g": X, "h": ~X}, {"g": ["b"]}, {"g": ["g", "h"]}),
        ({"g": np.flatnonzero(X)}, {"g": ["b"]}, {"g": ["g"]}),
        ({"type": "x"}, {"type=x": ["b"]}, {"type": ["type=x"]}),
        ({"g": {"type": "x"}, "h": {"type": "y"}}, {"g": ["b"]}, {"g": ["g", "h"]}),
        (X, {"True": ["b"]}, {"selection": ["True"]}),
        (X.tolist(), {"True": ["b"]}, {"selection": ["True"]}),
        (np.flatnonzero(X), {"True": ["b"]}, {"selection": ["True"]}),
        (np.flatnonzero(X).tolist(), {"True": ["b"]}, {"selection": ["True"]}),
        (np.array([X, ~X]), {"subset1": ["b"]}, {"selection": ["subset1", "subset2"]}),
        (TYPE, {"x": ["b"], "z": ["a", "b"]}, {"selection": ["x", "y", "z"]}),
        ([X, ~X], {"subset1": ["b"]}, {}),
        ([{"type": "x"}, {"type": "y"}], {"type=x": ["b"]}, {}),
    ],
)
def test_result_has_the_documented_keys(adata, groups, found, keys):
    result = check(adata, groups, conditions=["a", "b"], min_cells=2)
    assert result == {KEY: found, **keys}


def test_series_is_one_selection(adata):
    found = check(adata, adata.obs["type"][::-1], min_cells=1)
    expected = {"y": ["c"], "x": ["c"], "z": ["a"]}
    assert found == {KEY: expected, "selection": ["y", "x", "z"]}


def test_conditions_follow_the_order_of_categories_or_of_the_list(adata):
    adata.obs["condition"] = pd.Categorical(CONDITION, categories=["c", "unused", "b", "a"])
    assert check(adata)[KEY]["x"] == ["c", "b", "a"]
    assert check(adata, conditions=["a", "c"])[KEY]["x"] == ["a", "c"]


@pytest.mark.parametrize(
    ("column", "values"), [("first", ["False", "True"]), ("batch", ["0", "1"])]
)
def test_conditions_can_be_truth_values_or_whole_numbers(adata, column, values):
    found = check_underrepresentation(adata, column, "type", warn=False)
    assert found[KEY]["x"] == values
    chosen = check_underrepresentation(adata, column, "type", conditions=values[1:], warn=False)
    assert chosen[KEY]["x"] == values[1:]


def test_unlabelled_cells_count_for_no_condition(adata):
    adata.obs["condition"] = [None, *CONDITION[1:]]
    assert check(adata, {"type": "x"}, min_cells=3)[KEY] == {"type=x": ["a", "b", "c"]}
    assert check(adata, {"type": "x"}, min_cells=0, min_percentage=60)[KEY]["type=x"] == [
        "a",
        "b",
        "c",
    ]


def test_groups_without_cells_have_few_of_every_condition(adata):
    assert check(adata, {"g": []}, min_cells=1)[KEY] == {"g": ["a", "b", "c"]}
    assert check(adata, {"g": []}, min_cells=0)[KEY] == {}


def test_warning_has_numbers_and_a_remedy(adata):
    with pytest.warns(UnderrepresentedWarning) as caught:
        found = check_underrepresentation(adata, "condition", "type", min_cells=2)
    assert found == check(adata, min_cells=2)
    (warning,) = caught
    text = str(warning.message)
    assert text.startswith(
        "3 of 3 groups have fewer than 2 cells of a condition: 'y' (0 of 'c', 4 "
    )
    assert "'x' (1 of 'b', 0 of 'c', 4 in all), 'z' (0 of 'a', 1 of 'b', 3 in all)." in text
    assert "`check_representation=True`" in text
    assert warning.filename == __file__


def test_no_warning_when_all_is_well_or_not_wanted(adata):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_underrepresentation(adata, "condition", "type", min_cells=0)
        check_underrepresentation(adata, "condition", "type", warn=False)


def test_long_messages_are_cut():
    masks = {f"g{i}": np.arange(3) < 1 for i in range(7)}
    found = underrepresented(masks, {"a": np.arange(3) > 0}, 2)
    text = describe_underrepresented(found, masks, {"a": np.arange(3) > 0}, 2, 12.5)
    assert text.startswith("7 of 7 groups have fewer than 2 cells or 12.5 % of a condition: 'g0' (")
    assert "'g4' (0 of 'a', 1 in all) and 2 more. Leave" in text
    assert "'g5'" not in text


def test_summary_is_a_table_of_all_groups(adata, capsys):
    check(adata, min_cells=2, conditions=["a", "b"])
    assert capsys.readouterr().out == ""
    check(adata, min_cells=2, conditions=["a", "b"], print_summary=True)
    lines = capsys.readouterr().out.splitlines()
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "a b all cells",
        "y 2 (50.0 %) 2 (50.0 %) 4",
        "x 3 (75.0 %) 1 (25.0 %)* 4",
        "z 0 (0.0 %)* 1 (33.3 %)* 3",
    ]
    assert lines[4] == "* few cells: 2 of 3 groups"


@pytest.mark.parametrize("groups", ["type", {"g": X, "h": ~X}, [{"type": "x"}, {"type": "y"}]])
def test_result_as_cell_filter_leaves_out_the_groups_found(adata, groups):
    found = check(adata, groups, conditions=["a", "b"], min_cells=2)
    expected = adata.obs["type"].isin(["x", "z"]) if groups == "type" else X
    np.testing.assert_array_equal(parse_cell_filter(adata, found, groups), expected)
    if groups == "type":
        np.testing.assert_array_equal(parse_cell_filter(adata, found), expected)


def test_input_is_not_modified(adata):
    before = adata.copy()
    check(adata)
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert not adata.uns


@pytest.mark.parametrize(
    ("error", "options", "match"),
    [
        (ValueError, {"groupby": "x"}, "`groupby`: Column 'x' not found in adata.obs. Available"),
        (
            ValueError,
            {"groupby": "score"},
            r"Column 'score' of adata.obs \(float64\) has no labels",
        ),
        (ValueError, {"groupby": "nothing"}, "Column 'nothing' of adata.obs .* has no labels"),
        (ValueError, {"groups": "x"}, "`groups`: Column 'x' not found"),
        (
            ValueError,
            {"conditions": ["a", "q"]},
            r"'q' in column 'condition'. Available .*'a', 'b'",
        ),
        (TypeError, {"conditions": "a"}, "`conditions` must be a list of values of 'condition'"),
        (TypeError, {"conditions": []}, "`conditions` must be a list"),
        (TypeError, {"min_cells": None}, "'min_cells' must be a number, got None"),
        (TypeError, {"min_cells": True}, "'min_cells' must be a number, got True"),
        (TypeError, {"min_percentage": "5"}, "'min_percentage' must be a number or None, got '5'"),
        (ValueError, {"min_cells": -1}, "'min_cells' must be finite and at least 0, got -1"),
        (ValueError, {"min_cells": np.nan}, "'min_cells' must be finite and at least 0"),
        (
            ValueError,
            {"min_percentage": 101},
            "'min_percentage' must be finite and at least 0 and at most 100",
        ),
    ],
)
def test_mistakes_are_named(adata, error, options, match):
    arguments = {"groupby": "condition", "groups": "type"} | options
    with pytest.raises(error, match=match):
        check_underrepresentation(adata, **arguments)


def test_anything_but_data_is_refused(adata):
    with pytest.raises(TypeError, match="`adata` must be an AnnData object, got DataFrame"):
        check_underrepresentation(adata.obs, "condition", "type")


FLAGS = arrays(bool, 15)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(FLAGS, min_size=1, max_size=4),
    st.lists(FLAGS, min_size=1, max_size=3),
    st.integers(0, 6),
    st.none() | st.integers(0, 100),
    st.permutations(range(15)),
)
def test_every_count_and_share_is_tested(groups, conditions, min_cells, min_percentage, order):
    masks = {f"g{i}": m for i, m in enumerate(groups)}
    condition_masks = {f"c{i}": m for i, m in enumerate(conditions)}
    found = underrepresented(masks, condition_masks, min_cells, min_percentage)
    for name, mask in masks.items():
        for condition, cells in condition_masks.items():
            count = sum(bool(m and c) for m, c in zip(mask, cells, strict=True))
            is_few = count < min_cells
            if min_percentage is not None and mask.any():
                is_few |= 100 * count < min_percentage * mask.sum()
            assert (condition in found.get(name, [])) == is_few
    assert all(found.values())
    permuted = underrepresented(
        {name: m[order] for name, m in masks.items()},
        {name: m[order] for name, m in condition_masks.items()},
        *(min_cells, min_percentage),
    )
    assert permuted == found


def test_groups_are_told_by_the_labels_that_users_gave(adata):
    adata.obs["type"] = adata.obs["type"].cat.rename_categories({"x": "T/x"})
    found = check(adata, min_cells=3)
    assert set(found["type"]) == {"T/x", "y", "z"}
    assert "T/x" in found[KEY]
    assert adata.obs["type"].isin(found["type"]).sum() == N - 1
    np.testing.assert_array_equal(parse_cell_filter(adata, found), adata.obs["type"].notna())
