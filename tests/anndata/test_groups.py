"""Every documented form of `groups` and `cell_filter`, with the cells written out."""

import logging

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad, read_zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from kompot.anndata.groups import cells_with, label_masks, parse_cell_filter, parse_groups

N = 10
TYPES = list("BBTTTNNNBT")
OBS = {
    "type": pd.Categorical(TYPES, categories=["T", "N", "unused", "B"]),
    "text": TYPES,
    "gap": ["x", None, "y", "y", np.nan, "x", "x", "y", "y", None],
    "flag": [True] * 3 + [False] * 7,
    "flag_gap": np.array([True, None, False, np.nan, True, *[False] * 5], dtype=object),
    "flag_na": pd.array([True, None, False, None, True, *[False] * 5], dtype="boolean"),
    "dose": [1, 1, 2, 2, 3, 3, 3, 3, 10, 10],
    "dose_na": pd.array([1, None, *[2] * 8], dtype="Int64"),
    "code": list("1122334455"),
    "score": np.linspace(0, 0.9, N),
    "string": pd.array([*"aab", None, *"bbabba"], dtype="string"),
    "day": pd.Categorical([1, 1, 2, 2, 10, 10, 10, 10, None, None]),
    "empty": pd.Categorical([None] * N, categories=["a"]),
    "when": pd.to_datetime(["2020-01-01"] * N),
}


@pytest.fixture
def adata() -> AnnData:
    obs = pd.DataFrame(OBS, index=[f"cell{i}" for i in range(N)])
    return AnnData(np.ones((N, 2), np.float32), obs=obs)


def mask(*cells: int) -> np.ndarray:
    return np.isin(np.arange(N), cells)


def cells_of(groups) -> dict[str, list[int]]:
    for cells in groups.values():
        assert cells.dtype == bool
        assert cells.shape == (N,)
    return {name: np.flatnonzero(cells).tolist() for name, cells in groups.items()}


B, T, NK, FLAG = [0, 1, 8], [2, 3, 4, 9], [5, 6, 7], [0, 1, 2]
BY_TYPE = {"B": B, "N": NK, "T": T}
FORMS = {
    "categorical": ("type", {"T": T, "N": NK, "B": B}),
    "text": ("text", BY_TYPE),
    "missing labels": ("gap", {"x": [0, 5, 6], "y": [2, 3, 7, 8]}),
    "string dtype": ("string", {"a": [0, 1, 6, 9], "b": [2, 4, 5, 7, 8]}),
    "numbers as categories": ("day", {"1": [0, 1], "2": [2, 3], "10": [4, 5, 6, 7]}),
    "boolean": ("flag", {"True": FLAG}),
    "boolean with NaN": ("flag_gap", {"True": [0, 4]}),
    "nullable boolean": ("flag_na", {"True": [0, 4]}),
    "filter": ({"type": "B"}, {"type=B": B}),
    "filter of a boolean": ({"flag": True}, {"flag=True": FLAG}),
    "filter of a boolean as text": ({"flag": "True"}, {"flag=True": FLAG}),
    "filter of a nullable boolean": ({"flag_na": False}, {"flag_na=False": [2, 5, 6, 7, 8, 9]}),
    "filter of a number": ({"dose": 2}, {"dose=2": [2, 3]}),
    "filter of a number as text": ({"dose": "2"}, {"dose=2": [2, 3]}),
    "filter of a text by a number": ({"code": [1, 5]}, {"code=1,5": [0, 1, 8, 9]}),
    "filter of numbers": ({"dose": np.array([1, 10])}, {"dose=1,10": [0, 1, 8, 9]}),
    "filter of a nullable number": ({"dose_na": 1}, {"dose_na=1": [0]}),
    "filter of a float": ({"score": 0}, {"score=0": [0]}),
    "filter of a number's text": ({"day": 10}, {"day=10": [4, 5, 6, 7]}),
    "filter of values": ({"type": ["B", "N"]}, {"type=B,N": sorted(B + NK)}),
    "filter of a set": (
        {"code": {"5", "2", "4", "1", "3"}, "type": "B"},
        {"code=1,2,3,4,5_AND_type=B": B},
    ),
    "filter of a tuple": ({"type": ("N", "B")}, {"type=N,B": sorted(B + NK)}),
    "filter of columns": (
        {"type": ["B", "T"], "flag": True},
        {"type=B,T_AND_flag=True": FLAG},
    ),
    "filter that leaves nothing": ({"type": "N", "flag": True}, {"type=N_AND_flag=True": []}),
    "dict of filters": (
        {"early": {"type": "B", "dose": 1}, "late": {"dose": [3, 10]}, 7: {"flag": True}},
        {"early": [0, 1], "late": [4, 5, 6, 7, 8, 9], "7": FLAG},
    ),
    "list of filters": (
        [{"type": "B"}, {"type": ["T", "N"], "flag": False}],
        {"type=B": B, "type=T+N_AND_flag=False": [3, 4, 5, 6, 7, 9]},
    ),
    "boolean array": (mask(1, 2), {"True": [1, 2]}),
    "boolean list": (mask(1, 2).tolist(), {"True": [1, 2]}),
    "mask without cells": (mask(), {"True": []}),
    "text array": (np.array(TYPES), BY_TYPE),
    "text list": (TYPES, BY_TYPE),
    "text list with missing": (OBS["gap"], {"x": [0, 5, 6], "y": [2, 3, 7, 8]}),
    "Categorical": (OBS["type"], {"T": T, "N": NK, "B": B}),
    "positions": (np.array([7, 0]), {"True": [0, 7]}),
    "positions in a list": ([7, 0], {"True": [0, 7]}),
    "unsigned positions": (np.array([7, 0], np.uint8), {"True": [0, 7]}),
    "no positions": (np.flatnonzero(mask()), {"True": []}),
    "matrix": (
        np.array([mask(0, 1), mask(1, 2), mask()]),
        {"subset1": [0, 1], "subset2": [1, 2], "subset3": []},
    ),
    "list of masks": ([mask(0, 1), mask(1).tolist()], {"subset1": [0, 1], "subset2": [1]}),
    "tuple of vectors": (
        (np.array(TYPES), np.array([3, 4])),
        {"subset1_B": B, "subset1_N": NK, "subset1_T": T, "subset2": [3, 4]},
    ),
    "dict of masks": ({"a": mask(1, 2), "b": mask(2).tolist()}, {"a": [1, 2], "b": [2]}),
    "dict of a mask named like a column": ({"flag": mask(9)}, {"flag": [9]}),
    "dict of positions": (
        {"a": [5, 1], "b": np.array([2]), "c": []},
        {"a": [1, 5], "b": [2], "c": []},
    ),
    "dict of both": ({"a": mask(3), "b": [2, 5]}, {"a": [3], "b": [2, 5]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_groups_are_the_documented_cells_in_order(adata, form):
    groups, expected = FORMS[form]
    found = cells_of(parse_groups(adata, groups))
    assert found == expected
    assert list(found) == list(expected)


SERIES = {
    "boolean": (OBS["flag"], {"True": FLAG}),
    "boolean with NaN": (OBS["flag_gap"], {"True": [0, 4]}),
    "text": (OBS["text"], BY_TYPE),
    "categorical": (OBS["type"], {"T": T, "N": NK, "B": B}),
    "whole numbers": (OBS["dose"], {"1": [0, 1], "2": [2, 3], "3": [4, 5, 6, 7], "10": [8, 9]}),
    "nullable whole numbers": (OBS["dose_na"], {"1": [0], "2": list(range(2, 10))}),
}


@pytest.mark.parametrize("form", SERIES)
def test_series_is_aligned_by_its_index(adata, form):
    values, expected = SERIES[form]
    series = pd.Series(values, index=adata.obs_names)
    assert cells_of(parse_groups(adata, series)) == expected
    assert cells_of(parse_groups(adata, series[::-1])) == expected
    in_list = cells_of(parse_groups(adata, [series.sample(frac=1, random_state=0)]))
    names = {"True": "subset1"} if "boolean" in form else {n: f"subset1_{n}" for n in expected}
    assert in_list == {names[name]: cells for name, cells in expected.items()}


def test_series_masks_in_a_dict_are_aligned(adata):
    series = adata.obs["flag"][::-1]
    assert cells_of(parse_groups(adata, {"mine": series, "more": ~series})) == {
        "mine": FLAG,
        "more": list(range(3, 10)),
    }


def test_parsed_groups_can_be_parsed_again(adata):
    groups = parse_groups(adata, "type")
    assert cells_of(parse_groups(adata, groups)) == cells_of(groups)


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", "category", "object", "str"])
def test_text_of_any_type_gives_the_same_groups(adata, dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    adata.obs["text"] = adata.obs["text"].astype(dtype)
    assert cells_of(parse_groups(adata, "text")) == BY_TYPE
    assert cells_of(parse_groups(adata, {"text": ["N", "B"]})) == {"text=N,B": sorted(B + NK)}


def test_categories_without_cells_are_left_out_and_said(adata, caplog):
    with caplog.at_level(logging.INFO, "kompot"):
        parse_groups(adata, "type")
    assert "1 categories without cells are left out: ['unused']" in caplog.text
    with pytest.raises(ValueError, match="no cell has the value 'unused'"):
        parse_groups(adata, {"type": "unused"})


def test_a_series_is_read_by_names_or_else_by_its_default_index(adata):
    numbered = pd.Series(OBS["flag"])
    expected = parse_groups(adata, numbered.to_numpy())["True"]
    np.testing.assert_array_equal(parse_groups(adata, numbered)["True"], expected)
    np.testing.assert_array_equal(parse_groups(adata, {"a": numbered})["a"], expected)
    np.testing.assert_array_equal(parse_cell_filter(adata, numbered), expected)
    adata.obs_names = pd.Index(range(N))[::-1]
    by_name = parse_groups(adata, numbered)["True"]
    np.testing.assert_array_equal(by_name, expected[::-1])
    with pytest.raises(ValueError, match=r"index is not adata.obs_names \(9 of 9 in 10 cells\)"):
        parse_groups(adata, numbered[:9])


NAMES = ["T/NK", "..", ".", "_index", "a\0b", "ok name", "50%"]


@pytest.mark.parametrize(("write", "read"), [("write_h5ad", read_h5ad), ("write_zarr", read_zarr)])
@pytest.mark.parametrize("name", NAMES)
def test_names_can_be_stored(adata, tmp_path, name, write, read):
    (stored,) = parse_groups(adata, {name: mask(1)})
    assert (stored == name) == (name in NAMES[-2:])
    adata = adata[:, :].copy()
    adata.obs = adata.obs[[]]
    adata.varm["k"] = pd.DataFrame({stored: [1.0, 2.0]}, index=adata.var_names)
    getattr(adata, write)(tmp_path / "file")
    assert read(tmp_path / "file").varm["k"][stored].tolist() == [1.0, 2.0]


def test_empty_name_is_changed(adata):
    assert list(parse_groups(adata, {"": mask(1)})) == ["_"]


def test_changed_names_are_said(adata, caplog):
    adata.obs["text"] = adata.obs["text"].replace("N", "N/K")
    with caplog.at_level(logging.INFO, "kompot"):
        found = cells_of(parse_groups(adata, "text"))
    assert found == {"B": B, "N_K": NK, "T": T}
    assert "Group 'N/K' is stored as 'N_K'" in caplog.text


@pytest.mark.parametrize(
    ("groups", "first", "second"),
    [
        ({"a/b": mask(1), "a_b": mask(2)}, "a/b", "a_b"),
        ({1: mask(1), "1": mask(2)}, "1", "1"),
        ([{"type": "B"}, {"type": ["B"]}], "type=B", "type=B"),
    ],
)
def test_groups_of_the_same_name_are_refused(adata, groups, first, second):
    with pytest.raises(ValueError, match=f"groups '{first}' and '{second}' would be stored under"):
        parse_groups(adata, groups)


ELSEWHERE = pd.Series(OBS["flag"], index=range(1, N + 1))
MISTAKES = {
    "column": ("x", r"Column 'x' not found in adata.obs. Available columns: \['type', 'text'"),
    "whole numbers": (
        "dose",
        r"column 'dose' of adata.obs is numeric \(int64\).*astype\('category",
    ),
    "floats": ("score", "column 'score' of adata.obs is numeric"),
    "nullable numbers": ("dose_na", "is numeric"),
    "times": ("when", "'when' of adata.obs holds datetime64 values"),
    "no labels": ("empty", "'empty' of adata.obs holds no labels, all are missing"),
    "filter column": ({"x": "a"}, "`groups`: Column 'x' not found"),
    "filter value": (
        {"type": ["B", "Q"]},
        r"no cell has the value 'Q' in column 'type'. Available values: \['B', 'N', 'T'\]",
    ),
    "missing value": ({"gap": None}, "no cell has the value None.*by a mask"),
    "NaN": ({"gap": np.nan}, "no cell has the value nan"),
    "case": ({"type": "b"}, "no cell has the value 'b'"),
    "no filter": ({}, "`groups` is empty"),
    "no filter in a dict": ({"a": {}}, r"`groups\['a'\]` is empty"),
    "no filter in a list": ([{}], r"`groups\[0\]` is empty"),
    "no values": ({"type": []}, r"`groups\['type'\]` holds nothing"),
    "mask among values": ({"flag": mask(1), "type": "B"}, "mixes filters, masks and column values"),
    "filter among values": ({"flag": {"type": "B"}, "type": "B"}, "mixes filters, masks"),
    "no groups": ([], "`groups` is empty; give at least one group"),
    "short mask": (mask(1)[:9], "`groups` has 9 values for 10 cells"),
    "short mask in a dict": ({"a": mask(1)[:9]}, r"`groups\['a'\]` has 9 values for 10 cells"),
    "long mask in a list": ([mask(1), [True] * 11], r"`groups\[1\]` has 11 values for 10 cells"),
    "short labels": (["a", "b"], "`groups` has 2 values for 10 cells"),
    "columns in a list": (["type", "text"], "A column is given as text, not in a list; there are"),
    "float array": (np.zeros(N), "`groups` is numeric"),
    "mixed labels": ([1, "a", *[2.5] * 8], "holds mixed-integer values"),
    "outside": ([3, 10], "`groups` holds whole numbers.*but 1 outside 0 to 9 or missing"),
    "negative": ({"a": [-1]}, r"`groups\['a'\]` holds whole numbers.*1 outside"),
    "missing position": (pd.array([1, None], dtype="Int64"), "1 outside 0 to 9 or missing"),
    "labels as positions": (np.array(OBS["dose"]) // 10, "some repeated.*astype"),
    "transposed": (
        np.ones((N, 3), bool),
        r"matrix \(n_groups, 10\).*got shape \(10, 3\) of type bo",
    ),
    "no rows": (np.ones((0, N), bool), "must be a boolean matrix"),
    "matrix of numbers": (np.ones((3, N), int), "got shape .3, 10. of type int64.*astype.bool"),
    "other index": (ELSEWHERE, r"index is not adata.obs_names \(0 of 10 in 10 cells\)"),
    "shorter Series": (ELSEWHERE.set_axis([f"cell{i}" for i in range(N)])[:9], r"\(9 of 9 in 10 c"),
    "Series of labels in a dict": ({"a": pd.Series([1, 2])}, "`groups`: Column 'a' not found"),
    "Series in a dict": ({"a": ELSEWHERE}, r"`groups\['a'\]` is a Series"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(adata, mistake):
    groups, match = MISTAKES[mistake]
    with pytest.raises(ValueError, match=match):
        parse_groups(adata, groups)


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        (None, "`groups` cannot be NoneType; give a column name"),
        (3, "`groups` cannot be int"),
        (np.array(1), r"cannot be ndarray of shape \(\)"),
        (np.ones((2, 2, N), bool), r"cannot be ndarray of shape \(2, 2, 10\)"),
        (pd.DataFrame({"a": mask(1)}), "cannot be DataFrame of shape"),
        ([np.ones((2, N), bool)], r"`groups\[0\]` cannot be ndarray of shape \(2, 10\)"),
        ([mask(1), {"type": "B"}], "mixes filters, vectors and values"),
        ([mask(1), "type"], "mixes filters, vectors and values"),
        ({"type": lambda x: x}, r"`groups\['type'\]` must be a value or a list of values"),
        ({"type": [["B"]]}, "must be a value or a list of values"),
        ({"a": {"type": {"b": 1}}}, r"`groups\['a'\]\['type'\]` must be a value"),
    ],
)
def test_wrong_types_are_named(adata, groups, match):
    with pytest.raises(TypeError, match=match):
        parse_groups(adata, groups)


def test_duplicated_cell_names_are_fine_unless_they_must_be_looked_up(adata):
    adata.obs_names = ["same"] * N
    flags = adata.obs["flag"]
    assert cells_of(parse_groups(adata, flags)) == {"True": FLAG}
    adata.obs_names = [*"aabcdefghi"]
    with pytest.raises(ValueError, match="whose index is not"):
        parse_groups(adata, flags.set_axis(adata.obs_names)[::-1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_values_are_not_taken_for_their_text(missing):
    labels = pd.Series(["None", "nan", "<NA>", "NaT", missing], dtype=object)
    assert cells_with(labels, [str(missing)], "x").sum() == 1
    with pytest.raises(ValueError, match=f"no cell has the value {missing}"):
        cells_with(labels, [missing], "x")


def test_mixed_labels_are_told_apart_by_their_text():
    labels = pd.Series([1, "1", "a", None], dtype=object)
    assert cells_with(labels, ["1"], "x").tolist() == [True, True, False, False]
    assert [name for name, _ in label_masks(labels.astype(str).where(labels.notna()))] == ["1", "a"]


EXCLUDED = {
    "none": (None, []),
    "dict": ({"type": "B"}, B),
    "dict of values": ({"type": ["B", "T"], "flag": True}, FLAG),
    "list of dicts": ([{"type": "N"}, {"flag": True}, {"dose": 10}], [0, 1, 2, 5, 6, 7, 8, 9]),
    "dict of dicts": ({"a": {"type": "N"}, "b": {"dose": 10}}, [5, 6, 7, 8, 9]),
    "mask": (mask(4, 2), [2, 4]),
    "list of bool": (mask(4, 2).tolist(), [2, 4]),
    "positions": ([9, 0], [0, 9]),
    "matrix": (np.array([mask(0, 1), mask(1, 2)]), [0, 1, 2]),
    "list of vectors": ([mask(0, 1), [5, 6]], [0, 1, 5, 6]),
    "list of kinds": ([mask(0), {"type": "N"}], [0, 5, 6, 7]),
    "checked": ({"__underrepresentation_data": {"B": ["x"]}, "type": ["T", "N", "B"]}, B),
    "checked, all well": ({"__underrepresentation_data": {}, "selection": ["True"]}, []),
}


@pytest.mark.parametrize("form", EXCLUDED)
def test_cells_left_out_are_the_documented_ones(adata, form):
    cell_filter, expected = EXCLUDED[form]
    for groups in (None, "type"):
        excluded = parse_cell_filter(adata, cell_filter, groups)
        assert cells_of({"": excluded}) == {"": expected}


def test_mask_to_leave_out_is_aligned_by_its_index(adata):
    excluded = parse_cell_filter(adata, adata.obs["flag"][::-1])
    assert np.flatnonzero(excluded).tolist() == FLAG


@pytest.mark.parametrize(
    ("cell_filter", "groups", "expected"),
    [
        ("B", "type", B),
        (["B", "N"], "type", sorted(B + NK)),
        (np.array(["B", "N"]), "type", sorted(B + NK)),
        (pd.Index(["B", "N"]), "text", sorted(B + NK)),
        ("True", "flag", FLAG),
        ("type=B", [{"type": "B"}], B),
        ("mine", {"mine": {"dose": 10}, "other": {"type": "B"}}, [8, 9]),
        (["B", {"dose": 10}], "type", [0, 1, 8, 9]),
        ("a/b", {"a/b": mask(3), "c": mask(4)}, [3]),
        ("a_b", {"a/b": mask(3), "c": mask(4)}, [3]),
        ({"__underrepresentation_data": {"c": ["x"]}}, {"a": mask(3), "c": mask(4)}, [4]),
        (
            {"__underrepresentation_data": {"c": ["x"]}, "type": ["type", "c"]},
            {"type": mask(3), "c": mask(4)},
            [4],
        ),
    ],
)
def test_groups_are_left_out_by_name(adata, cell_filter, groups, expected):
    excluded = parse_cell_filter(adata, cell_filter, groups)
    assert np.flatnonzero(excluded).tolist() == expected
    parsed = parse_cell_filter(adata, cell_filter, parse_groups(adata, groups))
    np.testing.assert_array_equal(parsed, excluded)


@pytest.mark.parametrize(
    ("cell_filter", "groups", "match"),
    [
        ("B", None, r"`cell_filter` names the group 'B', but no `groups`.*\{column: 'B'\}"),
        (["B"], None, r"`cell_filter\[0\]` names the group 'B', but no `groups`"),
        ("Q", "type", r"'Q' is none of the groups. Available groups: \['T', 'N', 'B'\]"),
        (["B", "Q"], "type", r"`cell_filter\[1\]`: 'Q' is none of the groups"),
        ("False", "flag", r"Available groups: \['True'\]"),
        ({"x": "B"}, None, "`cell_filter`: Column 'x' not found in adata.obs"),
        ({"x": [1, 2]}, None, "`cell_filter`: Column 'x' not found in adata.obs"),
        ([{"type": "B"}, {"type": "Q"}], None, r"`cell_filter\[1\]`: no cell has the value 'Q'"),
        ({}, None, "`cell_filter` is empty"),
        ([], None, "`cell_filter` is empty"),
        ([{}], None, r"`cell_filter\[0\]` is empty"),
        (mask(1)[1:], None, "`cell_filter` has 9 values for 10 cells"),
        ({"flag": mask(1)}, None, r"`cell_filter\['flag'\]` holds a mask of 10 cells"),
        (np.ones((N, 2), bool), None, "must be a boolean matrix"),
        (np.ones((2, N), int), None, "must be a boolean matrix"),
        (OBS["score"], None, "`cell_filter` is numeric"),
        ([1, 1], None, "some repeated"),
        (pd.Series(TYPES, [f"cell{i}" for i in range(N)]), None, "holds labels; give a boolean"),
        (np.array(TYPES, dtype=object), None, "`cell_filter` holds labels; give a boolean"),
        (
            {"__underrepresentation_data": {"z": ["a"]}},
            None,
            "names the group 'z', but no `groups`",
        ),
    ],
)
def test_mistakes_in_the_filter_are_named(adata, cell_filter, groups, match):
    with pytest.raises(ValueError, match=match):
        parse_cell_filter(adata, cell_filter, groups)


@pytest.mark.parametrize("cell_filter", [3, True, 0.5, ["B", 3], np.array(3)])
def test_wrong_types_of_filter_are_named(adata, cell_filter):
    with pytest.raises(TypeError, match=r"`cell_filter(\[1\])?` cannot be"):
        parse_cell_filter(adata, cell_filter, "type")


def test_results_share_no_memory_with_the_input(adata):
    given, before = mask(1, 2), adata.obs.copy()
    results = [
        *parse_groups(adata, given).values(),
        *parse_groups(adata, {"a": given}).values(),
        *parse_groups(adata, "flag").values(),
        parse_cell_filter(adata, given),
        parse_cell_filter(adata, "a", {"a": given}),
    ]
    for result in results:
        result[:] = True
    np.testing.assert_array_equal(given, mask(1, 2))
    pd.testing.assert_frame_equal(adata.obs, before)


# Properties: data and forms drawn at random.

LABELS = st.sampled_from(["a", "b", "c/d", "é", None])


@st.composite
def data(draw):
    n = draw(st.integers(3, 12))
    obs = pd.DataFrame(
        {
            "label": pd.Series(draw(st.lists(LABELS, min_size=n, max_size=n)), dtype=object),
            "flag": pd.array(
                draw(st.lists(st.sampled_from([True, False, None]), min_size=n, max_size=n)),
                dtype="boolean",
            ),
        }
    ).set_index(pd.Index([f"c{i}" for i in range(n)]))
    if draw(st.booleans()):
        obs["label"] = pd.Categorical(obs["label"], categories=["c/d", "z", "b", "a", "é"])
    return AnnData(np.zeros((n, 1), np.float32), obs=obs)


def columns_and_filters(adata, draw):
    """A form that speaks of columns and names of cells only, not of their order."""
    present = adata.obs["label"].dropna().unique().tolist()
    series = adata.obs["flag"].sample(frac=1, random_state=draw(st.integers(0, 99)))
    forms = ["flag", series, [series, ~series], {"one": series}]
    if present:
        values = draw(st.lists(st.sampled_from(present), min_size=1, max_size=3))
        one = {"label": values}
        forms += ["label", one, {"label": values[0]}, {"n": one}, [one], adata.obs["label"]]
    return draw(st.sampled_from(forms))


def vectors(adata, draw):
    """A form that depends on the order of the cells."""
    n = adata.n_obs
    masks = st.lists(st.booleans(), min_size=n, max_size=n)
    rows = [np.array(row) for row in draw(st.lists(masks, min_size=1, max_size=3))]
    forms = [rows[0], rows[0].tolist(), rows, np.array(rows), np.flatnonzero(rows[0])]
    return draw(st.sampled_from([*forms, {f"m{i}": row for i, row in enumerate(rows)}]))


@settings(max_examples=80, deadline=None)
@given(data(), st.data())
def test_masks_have_one_value_per_cell_and_excluded_and_kept_are_all(adata, source):
    kind = source.draw(st.sampled_from([columns_and_filters, vectors]))
    groups = kind(adata, source.draw)
    masks = parse_groups(adata, groups)
    assert masks
    for cells in masks.values():
        assert cells.shape == (adata.n_obs,)
        assert cells.dtype == bool
    names = source.draw(st.lists(st.sampled_from(list(masks)), min_size=1))
    excluded = parse_cell_filter(adata, names, groups)
    kept = adata[~excluded]
    assert int(excluded.sum()) + kept.n_obs == adata.n_obs
    for name, cells in masks.items():
        assert (excluded[cells].all()) or name not in names
        np.testing.assert_array_equal(parse_cell_filter(adata, name, groups), cells)
    others = [cells for name, cells in masks.items() if name in names]
    np.testing.assert_array_equal(excluded, np.any(others, axis=0))


@settings(max_examples=80, deadline=None)
@given(data(), st.data())
def test_order_of_cells_does_not_matter(adata, source):
    groups = columns_and_filters(adata, source.draw)
    order = np.array(source.draw(st.permutations(range(adata.n_obs))))
    masks, permuted = parse_groups(adata, groups), parse_groups(adata[order], groups)
    assert list(permuted) == list(masks)
    for name, cells in masks.items():
        np.testing.assert_array_equal(permuted[name], cells[order])
        excluded = parse_cell_filter(adata[order], name, groups)
        np.testing.assert_array_equal(excluded, cells[order])


@settings(max_examples=60, deadline=None)
@given(data(), st.data())
def test_groups_of_a_subset_are_subsets_of_the_groups(adata, source):
    rows = np.array(source.draw(st.permutations(range(adata.n_obs))))[:-1]
    part = adata[rows].copy()
    if not part.obs["label"].notna().any():
        return
    masks, fewer = parse_groups(adata, "label"), parse_groups(part, "label")
    assert list(fewer) == [name for name, cells in masks.items() if cells[rows].any()]
    for name, cells in fewer.items():
        np.testing.assert_array_equal(cells, masks[name][rows])


@settings(max_examples=60, deadline=None)
@given(data())
def test_groups_of_a_column_are_disjoint_and_cover_the_labelled_cells(adata):
    if not adata.obs["label"].notna().any():
        return
    count = np.sum(list(parse_groups(adata, "label").values()), axis=0)
    np.testing.assert_array_equal(count, adata.obs["label"].notna().astype(int))
