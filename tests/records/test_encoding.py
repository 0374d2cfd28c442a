import json
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kompot.records.encoding import LIMIT, decoded, described, digest, encoded, is_plain, simplified

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def again(value):
    return decoded(json.loads(json.dumps(encoded(value))))


@given(
    hnp.arrays(
        st.one_of(
            hnp.boolean_dtypes(),
            hnp.integer_dtypes(endianness="<"),
            hnp.floating_dtypes(endianness="<"),
        ),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_arrays_of_numbers_come_back_bit_for_bit(array):
    back = again(array)
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable
    assert digest(back) == digest(array)


@given(st.lists(TEXT, min_size=1))
def test_texts_come_back_in_every_container(texts):
    index = pd.Index([f"c{i}" for i in range(len(texts))])
    for value in (
        np.array(texts),
        np.array(texts, dtype=object),
        pd.Index(texts),
        pd.Series(texts, index=index, name="label"),
        pd.Series(pd.Categorical(texts), index=index),
        pd.Categorical(texts, ordered=True, categories=sorted(set(texts), reverse=True)),
    ):
        back = again(value)
        assert type(back) is type(value)
        assert back.dtype == value.dtype
        assert list(back) == list(value)
        if isinstance(value, pd.Series):
            pd.testing.assert_series_equal(back, value)


@pytest.mark.parametrize(
    "value",
    [
        pd.Series([True, None, False], dtype="boolean", index=list("abc")),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series([1, 2, 3], index=[3, 1, 2], name=7),
        pd.array([1, None], dtype="Int64"),
    ],
)
def test_missing_values_come_back(value):
    back = again(value)
    assert type(back) is type(value)
    assert back.dtype == value.dtype
    assert pd.Series(back).equals(pd.Series(value))


def test_containers_of_arrays_come_back():
    mask = np.array([True, False])
    back = again({"a": mask, 3: [mask, None, 0.5], True: {"x": "y"}})
    assert list(back) == ["a", 3, True]
    np.testing.assert_array_equal(back["a"], mask)
    np.testing.assert_array_equal(back[3][0], mask)
    assert back[3][1:] == [None, 0.5]
    assert back[True] == {"x": "y"}
    assert again({"b", "a"}) == ["a", "b"]


def test_objects_of_any_kind_among_texts_are_not_pretended():
    form = encoded(pd.Series([datetime(2020, 1, 1)]))
    assert form["kind"] == "unkept"
    assert "Timestamp" in form["reason"]
    assert encoded(object())["reason"] == "a object cannot be kept"
    assert encoded(np.array([{1, 2}, [np.zeros(2)]], dtype=object))["kind"] == "unkept"


def test_only_the_digest_of_a_large_array_is_kept(rng):
    large = rng.random(LIMIT // 8)
    form = encoded(large)
    assert form["kind"] == "unkept"
    assert form["digest"] == digest(large)
    assert len(json.dumps(form)) < 300
    assert encoded(np.zeros(LIMIT))["kind"] == "numbers"


def test_digest_tells_values_shapes_and_types_apart():
    values = [
        np.zeros(4),
        np.zeros((2, 2)),
        np.zeros(4, "f4"),
        np.ones(4),
        np.array(["a", "b"]),
        np.array(["a", "c"], dtype=object),
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest(np.zeros((4, 2))[:, ::2].T) == digest(np.zeros((1, 4)))


def test_plain_values_are_simple_and_described_ones_readable(tmp_path):
    value = {"a": (np.int64(1), np.str_("x")), "b": np.float32(0.5), "c": range(2), "d": tmp_path}
    simple = simplified(value)
    assert simple == {"a": [1, "x"], "b": 0.5, "c": [0, 1], "d": str(tmp_path)}
    assert is_plain(simple)
    assert not is_plain(value)
    assert not is_plain({1: "a"})
    assert described([1, {"a": np.zeros((2, 3))}]) == [
        1,
        {"a": f"<ndarray (2, 3) of float64, {digest(np.zeros((2, 3)))[:8]}>"},
    ]
    assert described({1, 2}) == "<set>"
