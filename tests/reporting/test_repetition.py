import json
import shlex

import numpy as np
import pytest
from anndata.io import read_h5ad

import kompot
from kompot.cli import main
from kompot.cli.application import LazyGroup
from kompot.datasets import simulate
from kompot.records.parameters import stored_parameters
from kompot.reporting.repetition import python_call, repeating_arguments, shell_call
from kompot.settings import (
    AbundanceSettings,
    Comparison,
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

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
        genes=list(adata.var_names[:15]),
        result_key="mine",
        **options,
    )
    kompot.compute_differential_abundance(
        adata,
        "condition",
        *conditions,
        log_fold_change_threshold=0.3,
        groups={"early": {"branch": ["root"]}},
        ls=20.0,
        kernel="matern32",
        **options,
    )
    return adata


def parameters(adata, kind):
    stored = json.loads(adata.uns[f"kompot_{kind}"]["last_run_info"])["params"]
    return {name: value for name, value in stored.items() if name != "output"}


def comparable(params):
    """Without the landmarks, which a repetition draws because it is told to."""
    return params | {"gp": {key: one for key, one in params["gp"].items() if key != "landmarks"}}


@pytest.mark.parametrize("kind", ["de", "da"])
def test_python_call_repeats_the_run(cells, kind):
    adata = cells.copy()
    call = python_call(adata, 0, kind)
    with pytest.warns(UserWarning, match="already exist"):
        exec(call, {"kompot": kompot, "adata": adata})
    assert len(json.loads(adata.uns[f"kompot_{kind}"]["run_history"])) == 2
    assert comparable(parameters(adata, kind)) == comparable(parameters(cells, kind))


@pytest.mark.parametrize("kind", ["de", "da"])
def test_shell_call_repeats_the_run(cells, kind, tmp_path, capsys):
    simulated().write_h5ad(tmp_path / "cells.h5ad")
    words = shlex.split(shell_call(cells, 0, kind).replace("\\\n", " "))
    assert words[:2] == ["kompot", kind]
    files = {"cells.h5ad", "result.h5ad"}
    words = [str(tmp_path / word) if word in files else word for word in words[1:]]
    with pytest.raises(SystemExit) as ended:
        main([*words, "-q"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == ""
    result = read_h5ad(tmp_path / "result.h5ad")
    assert comparable(parameters(result, kind)) == comparable(parameters(cells, kind))


def test_arguments_are_those_of_the_run(cells):
    arguments = repeating_arguments(cells, 0, "de")
    expected = {"groupby": "condition", "condition1": "don't", "condition2": "B/2 x"}
    expected |= {"sigma": 0.5, "n_landmarks": None, "random_state": 3, "null_genes": 30}
    expected |= {"fdr_threshold": 0.1, "result_key": "mine", "layers": "none"}
    assert expected.items() <= arguments.items()
    assert not {"progress", "copy", "inplace", "overwrite"} & set(arguments)


def test_arrays_are_named_and_left_to_the_record():
    adata = simulated()
    groups = np.arange(adata.n_obs) % 2 == 0
    options = {"random_state": 0, "progress": False, "groups": groups}
    kompot.compute_differential_abundance(adata, "condition", *CONDITIONS, **options)
    call = python_call(adata, 0, "da")
    compile(call, "call", "exec")
    assert "# groups: arrays" in call
    assert "kompot.RunInfo(adata, 0, 'da').call_args()" in call
    assert shell_call(adata, 0, "da").endswith("# Not in a shell, only in Python: groups.")


@pytest.mark.parametrize("kind", ["de", "da"])
def test_named_masks_are_arrays(kind):
    adata = simulated()
    groups = {"first": np.arange(adata.n_obs) % 2 == 0}
    options = {"random_state": 0, "progress": False, "groups": groups}
    run = {
        "de": kompot.compute_differential_expression,
        "da": kompot.compute_differential_abundance,
    }[kind]
    run(adata, "condition", *CONDITIONS, **options)
    assert "# groups: arrays" in python_call(adata, 0, kind)


COMPARED = Comparison("condition", *CONDITIONS, obsm_key="X_tree", sample_col="sample")
SAMPLES = SampleSettings("donor", paired=True, covariates=["sex", "batch"], significance="cell")
RUNS = {
    "de": ExpressionSettings(
        COMPARED,
        GPSettings(0.5, "evidence", 2.0, None, use_empirical_variance=True, eps=1e-6, tol=1e-5),
        FDRSettings([3, 1], 7, 0.2, null_mahalanobis=[1.0, 2.0], combine_with_internal=True),
        FilterSettings([{"branch": ["root"]}, {"branch": "leaf"}], {"a b": {"branch": "root"}}),
        StorageSettings(store_landmarks=True, store_additional_stats=True, layers="factored"),
        OutputSettings(compute_mahalanobis=False, attribution=True, return_null_data=True),
        SampleSettings("donor", paired=False, regions={"early": {"branch": ["root"]}}),
    ),
    "da": AbundanceSettings(
        COMPARED,
        DensitySettings(
            ratio="labels",
            param_scheme="pooled",
            estimator={
                **{"ls": 0.5, "d": 2.5, "d_method": "embedding", "mu": -3.0, "kernel": "matern32"},
                **{"tol": 1e-4, "optimizer": "L-BFGS-B", "n_iter": 7},
            },
        ),
        DAThresholdSettings(0.2, 0.1),
        FilterSettings("root", "branch"),
        StorageSettings(result_key="mine", overwrite=True),
        OutputSettings(allow_single_condition_variance=True),
        SAMPLES,
        DonorAbundanceOptions(0.1, 0.2, ["root", "leaf"]),
    ),
}


@pytest.mark.parametrize("kind", RUNS)
def test_every_option_of_a_run_is_one_of_the_command(adata, kind, tmp_path, monkeypatch):
    parameters, _ = stored_parameters(RUNS[kind])
    adata.uns[f"kompot_{kind}"] = {"run_history": json.dumps([{"params": parameters}])}
    call = shell_call(adata, 0, kind)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.h5ad").touch()
    name, *words = shlex.split(call.replace("\\\n", " "), comments=True)[1:]
    found = LazyGroup("kompot").get_command(None, name).make_context(name, words).params
    arguments = repeating_arguments(adata, 0, kind)
    del arguments["landmarks"]
    assert len(arguments) > 20
    if kind == "de":
        absent = [arguments.pop(one) for one in ("null_mahalanobis", "combine_with_internal")]
        assert absent == [[1.0, 2.0], True]
        assert "# Not in a shell, only in Python: null_mahalanobis, combine_with_internal." in call
    assert {one: found[one] for one in arguments} == arguments


def test_flat_parameters_of_the_original(adata):
    params = {
        "groupby": "c",
        "condition1": "a",
        "condition2": "b",
        "sigma": 0.3,
        "use_sample_variance": False,
    }
    adata.uns["kompot_de"] = {"run_history": json.dumps([{"params": params}])}
    found = repeating_arguments(adata, 0, "de")
    wanted = {name: params[name] for name in ("groupby", "condition1", "condition2", "sigma")}
    assert wanted.items() <= found.items()
