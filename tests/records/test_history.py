import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import kompot
from kompot.records.expression_fields import ExpressionFields
from kompot.records.history import SCHEMA_VERSION, appended_history, environment, read_history

FIELDS = ExpressionFields("R", "A", "B")
RUN = {"result_key": "R", "n": np.int64(3), "x": np.float32(0.5), "list": np.arange(2)}


def test_runs_are_appended_and_fields_know_their_last_run():
    first = appended_history(None, RUN, [FIELDS.mean_lfc, FIELDS.std1])
    second = appended_history(first, RUN | {"n": 4}, [FIELDS.mean_lfc])
    assert [run["n"] for run in read_history(second)] == [3, 4]
    assert json.loads(second["last_run_info"])["n"] == 4
    assert json.loads(second["anndata_fields"]) == {
        "var": {"R_A_to_B_mean_lfc": 1},
        "obs": {"R_A_std": 0},
        "uns": {"R": 1},
    }
    assert len(read_history(first)) == 1


def test_other_entries_are_kept():
    stored = appended_history({"landmarks": np.eye(2), "note": "mine"}, RUN, [])
    assert stored["note"] == "mine"
    assert stored["landmarks"].shape == (2, 2)


@pytest.mark.parametrize("text", ["", "{", "3", '["a"]', None, 7])
def test_unreadable_history_is_refused_and_kept(text):
    with pytest.raises(ValueError, match="history"):
        read_history({"run_history": text})
    with pytest.warns(UserWarning, match="A new history was begun"):
        stored = appended_history({"run_history": text}, RUN, [])
    assert stored["unreadable_history"] == str(text)
    assert len(read_history(stored)) == 1


def test_what_json_cannot_hold_is_an_error():
    with pytest.raises(TypeError, match="cannot hold a complex"):
        appended_history(None, RUN | {"z": 1j}, [])


def test_environment_names_versions_but_nobody():
    made = environment()
    assert made["package_versions"]["numpy"] == np.__version__
    assert set(made) == {"timestamp", "platform", "python_version", "package_versions"}


# What is no history, or a damaged or newer one

DEEP = "[" * 100_000
BROKEN = {
    "a text": "kompot was here",
    "a list": ["a", "b"],
    "a table": pd.DataFrame({"a": [1, 2]}),
    "an array": np.arange(3),
    "a number": 5,
    "truncated": {"run_history": '[{"result_key": "kompot_de", "par'},
    "empty": {"run_history": ""},
    "a newer layout": {"run_history": '{"schema_version": 99, "runs": [1, 2]}'},
    "texts": {"run_history": '["a"]', "anndata_fields": "{}"},
    "not a text": {"run_history": np.arange(4)},
    "too deep": {"run_history": DEEP},
}
READERS = {
    "RunInfo": lambda adata: kompot.RunInfo(adata, 0, "de"),
    "RunInfo of any kind": lambda adata: kompot.RunInfo(adata),
    "RunComparison": lambda adata: kompot.RunComparison(adata, 0, 0, "de"),
    "runs": kompot.runs,
    "cleanup": kompot.cleanup,
    "get_field_status": kompot.get_field_status,
    "get_table": kompot.get_table,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", BROKEN)
def test_broken_history_is_a_clear_error(small, what, reader):
    small.uns["kompot_de"] = BROKEN[what]
    with pytest.raises(ValueError, match=r"adata\.uns\['kompot_de'\] cannot be read: ") as error:
        READERS[reader](small)
    assert len(str(error.value)) < 500
    if what == "a newer layout":
        assert "of a newer version" in str(error.value)
    assert kompot.runs(small, "da").empty


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_data_is_refused(reader):
    with pytest.raises(TypeError, match="`adata` must be an AnnData object, got dict"):
        READERS[reader]({"uns": {}})


def flat_text(entry):
    """All that an entry holds, as text."""
    if isinstance(entry, dict):
        return "|".join(flat_text(value) for value in entry.values())
    return repr(entry.tolist() if isinstance(entry, np.ndarray) else entry)


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.filterwarnings("ignore:The run history:UserWarning")
def test_broken_history_stops_no_run_and_is_not_lost(small, what, de, tmp_path):
    old = BROKEN[what]
    small.uns["kompot_de"] = old
    de(small)
    run = kompot.RunInfo(small)
    assert (run.adjusted_run_id, run.missing_fields) == (0, [])
    assert len(kompot.runs(small)) == 1
    de(small, overwrite=True)
    assert kompot.runs(small)["run_id"].tolist() == [0, 1]
    small.write_h5ad(tmp_path / "mended.h5ad")
    back = ad.read_h5ad(tmp_path / "mended.h5ad").uns["kompot_de"]
    expected = old.get("run_history") if isinstance(old, dict) else old
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(
            back["previous"].reset_index(drop=True), expected, check_index_type=False
        )
    elif isinstance(old, dict):
        assert flat_text(expected) == flat_text(back["unreadable_history"])
    else:
        np.testing.assert_array_equal(back["previous"], expected)


def test_every_broken_text_is_kept(small, de):
    de(small)
    for text in ("first [", "second [", "third ["):
        small.uns["kompot_de"]["run_history"] = text
        with pytest.warns(UserWarning, match="A new history was begun; the old one is kept"):
            de(small, overwrite=True)
    kept = {k: v for k, v in small.uns["kompot_de"].items() if k.startswith("unreadable")}
    assert kept == {
        "unreadable_history": "first [",
        "unreadable_history_2": "second [",
        "unreadable_history_3": "third [",
    }


@pytest.mark.parametrize("text", ["{", "[1]", '{"var": 3}', '{"var": {"a": "b"}}', 7])
def test_broken_owners_are_made_anew_from_the_runs(small, de, text):
    de(small)
    expected = json.loads(small.uns["kompot_de"]["anndata_fields"])
    small.uns["kompot_de"]["anndata_fields"] = text
    with pytest.warns(UserWarning, match="which run wrote each field was not readable"):
        de(small, result_key="other")
    stored = small.uns["kompot_de"]
    assert stored["unreadable_anndata_fields"] == str(text)
    owners = json.loads(stored["anndata_fields"])
    assert expected["layers"].items() <= owners["layers"].items()
    assert owners["var"]["other_control_to_treated_mean_lfc"] == 1
    assert kompot.runs(small)["present"].tolist() == [9, 9]


def test_owners_that_are_no_runs_are_forgotten():
    stored = {"anndata_fields": json.dumps({"var": {"a": 5, "b": 0}})}
    owners = json.loads(appended_history(stored, RUN, [FIELDS.mean_lfc])["anndata_fields"])
    assert owners["var"] == {"R_A_to_B_mean_lfc": 0}


@pytest.fixture
def newer(small, de):
    """Three runs, the second recorded by a version of the future."""
    for key in ("a", "b", "c"):
        de(small, result_key=key)
    runs = json.loads(small.uns["kompot_de"]["run_history"])
    runs[1]["schema_version"] = SCHEMA_VERSION + 1
    runs[1]["kompot_version"] = "9.0"
    small.uns["kompot_de"]["run_history"] = json.dumps(runs)
    return small


def test_a_newer_run_among_others_is_refused_alone(newer):
    match = "Run (1|-2) (of de )?was recorded by kompot 9.0 in layout 2; this version reads up to 1"
    for read in (
        lambda: kompot.RunInfo(newer, 1),
        lambda: kompot.RunInfo(newer, 0).compare_with(1),
        lambda: kompot.cleanup(newer),
        lambda: kompot.cleanup(newer, run_ids=-2),
        lambda: kompot.get_field_status(newer, 1),
        lambda: kompot.get_table(newer, 1),
    ):
        with pytest.raises(ValueError, match=match):
            read()
    assert kompot.RunInfo(newer, 2).missing_fields == []
    table = kompot.runs(newer)
    assert table["run_id"].tolist() == [0, 1, 2]
    assert table["conditions"].isna().tolist() == [False, True, False]
    kompot.cleanup(newer, run_ids=[0, 2])
    assert "b_control_imputed" in newer.layers
    assert "a_control_imputed" not in newer.layers


def test_a_newer_run_is_kept_by_the_next(newer, de):
    before = json.loads(newer.uns["kompot_de"]["run_history"])
    de(newer, result_key="d")
    after = json.loads(newer.uns["kompot_de"]["run_history"])
    assert after[:3] == before
    assert kompot.RunInfo(newer).adjusted_run_id == 3


@pytest.mark.parametrize("run", [{}, {"params": 3, "field_mapping": ["a"], "environment": "x"}])
def test_records_of_strangers_are_read_as_far_as_they_go(small, run):
    small.uns["kompot_de"] = {"run_history": json.dumps([run])}
    info = kompot.RunInfo(small)
    assert info.get_summary()["field_count"] == 0
    assert info.get_data()["field_data"] == {}
    assert "Run 0 (DE Analysis)" in info._repr_html_()
    assert len(kompot.runs(small)) == 1
    assert kompot.get_field_status(small) == {}
    kompot.cleanup(small)
