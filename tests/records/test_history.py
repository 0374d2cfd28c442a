import json

import numpy as np
import pytest

from kompot.records.expression_fields import ExpressionFields
from kompot.records.history import appended_history, environment, read_history

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
