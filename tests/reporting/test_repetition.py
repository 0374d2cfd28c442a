import json
import shlex

import numpy as np
import pytest

import kompot
from kompot.cli import main
from kompot.datasets import simulate
from kompot.plot.run_records import Record, find_record
from kompot.reporting.repetition import call_arguments, python_call, shell_call

CONDITIONS = ("don't", "B/2 x")


def simulated():
    return simulate(n_cells=150, n_genes=20, n_donors=2, conditions=CONDITIONS)


@pytest.fixture(scope="module")
def cells():
    adata, conditions = simulated(), CONDITIONS
    options = {"random_state": 3, "progress": False}
    kompot.compute_differential_expression(
        adata,
        "condition",
        *conditions,
        sigma=0.5,
        n_landmarks=None,
        null_genes=30,
        fdr_threshold=0.1,
        layers="none",
        result_key="mine",
        **options,
    )
    kompot.compute_differential_abundance(
        adata, "condition", *conditions, log_fold_change_threshold=0.3, groups="branch", **options
    )
    return adata


def parameters(adata, kind):
    stored = find_record(adata, kind).entries["params"]
    return {name: value for name, value in stored.items() if name != "output"}


@pytest.mark.parametrize("kind", ["de", "da"])
def test_python_call_repeats_the_run(cells, kind):
    adata = cells.copy()
    call = python_call(find_record(adata, kind), kind)
    with pytest.warns(UserWarning, match="already exist"):
        exec(call, {"kompot": kompot, "adata": adata})
    assert len(json.loads(adata.uns[f"kompot_{kind}"]["run_history"])) == 2
    assert parameters(adata, kind) == parameters(cells, kind)


@pytest.mark.parametrize("kind", ["de", "da"])
def test_shell_call_repeats_the_run(cells, kind, tmp_path, capsys):
    simulated().write_h5ad(tmp_path / "cells.h5ad")
    call = shell_call(find_record(cells, kind), kind)
    words = shlex.split(call.replace("\\\n", " "))
    assert words[:2] == ["kompot", kind]
    files = {"cells.h5ad", "result.h5ad"}
    words = [str(tmp_path / word) if word in files else word for word in words[1:]]
    with pytest.raises(SystemExit) as ended:
        main([*words, "-q"])
    assert (ended.value.code, capsys.readouterr().out) == (0, "")
    from anndata.io import read_h5ad

    assert parameters(read_h5ad(tmp_path / "result.h5ad"), kind) == parameters(cells, kind)


def test_only_what_is_no_default_is_listed(cells):
    arguments = call_arguments(find_record(cells, "de"), "de")
    assert arguments == {
        "groupby": "condition",
        "condition1": "don't",
        "condition2": "B/2 x",
        "sigma": 0.5,
        "n_landmarks": None,
        "random_state": 3,
        "null_genes": 30,
        "fdr_threshold": 0.1,
        "result_key": "mine",
        "layers": "none",
    }


def test_what_the_record_does_not_hold_is_said():
    params = {"groupby": "c", "condition1": "a", "condition2": "b", "gp": {"landmarks": True}}
    record = Record(0, {"params": params | {"filter": {"groups": "<ndarray>"}}})
    call = python_call(record, "de")
    assert "# landmarks: an array" in call
    assert "# groups: <ndarray>" in call
    compile(call, "call", "exec")


def test_flat_parameters_of_the_original():
    params = {
        "groupby": "c",
        "condition1": "a",
        "condition2": "b",
        "sigma": 0.3,
        "landmarks": False,
    }
    record = Record(0, {"params": params | {"use_sample_variance": False, "layer": None}})
    assert call_arguments(record, "de") == {
        "groupby": "c",
        "condition1": "a",
        "condition2": "b",
        "sigma": 0.3,
    }
    np.testing.assert_equal(python_call(record, "da").count("\n"), 6)
