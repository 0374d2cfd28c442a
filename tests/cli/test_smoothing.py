import inspect
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from click.testing import CliRunner

import kompot.cli
from kompot.anndata import compute_smoothed_expression
from kompot.cli.analysis import LEFT_OUT
from kompot.cli.smoothing import command

FITTED = ("--groupby", "condition", "--condition", "treated", "--random-state", "0")


def invoke(*args):
    return CliRunner().invoke(command, [str(arg) for arg in args])


def test_every_parameter_is_an_option_or_left_out_on_purpose():
    own = {"input", "output", "table_output", "config", "threads", "quiet", "verbose"}
    options = {option.name for option in command.params} - own
    parameters = inspect.signature(compute_smoothed_expression).parameters
    assert options | {*LEFT_OUT, "model"} == set(parameters) - {"function_kwargs"}


def test_data_and_table_from_file_to_file(cells, cells_file, tmp_path):
    data, table = tmp_path / "out.h5ad", tmp_path / "genes.csv"
    chosen = ",".join(cells.var_names[:3])
    run = invoke(
        cells_file, "-o", data, "-t", table, *FITTED, "--genes", chosen, "--use-empirical-variance"
    )
    assert run.exit_code == 0, run.output
    assert "3 genes smoothed over treated" in run.output
    back, genes = ad.read_h5ad(data), pd.read_csv(table, index_col=0)
    assert list(genes.index) == list(cells.var_names[:3])
    layer = back.layers["kompot_smooth_treated_smoothed"]
    np.testing.assert_allclose(layer[:, :3].mean(axis=0), genes["mean_smoothed"], rtol=1e-5)
    assert "kompot_smooth_treated_obs_variance" in back.layers


def test_a_table_alone_stores_no_layers(cells_file, tmp_path):
    table = tmp_path / "genes.csv"
    run = invoke(cells_file, "-t", table, *FITTED, "-q")
    assert (run.exit_code, run.output) == (0, "")
    assert len(pd.read_csv(table)) == 30


def test_bad_input_is_said_and_nothing_is_written(shell, cells_file, tmp_path):
    out = tmp_path / "out.h5ad"
    code, _, err = shell("smooth", cells_file, "-o", out, "--condition", "treated")
    assert code == 1
    assert "`groupby` is None" in err
    assert not out.exists()


def test_template_lists_every_option_with_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.h5ad").touch()
    template = Path(kompot.cli.__file__).parent / "templates" / "smooth_config_template.yaml"
    values = yaml.safe_load(template.read_text())
    context = command.make_context("smooth", ["-c", str(template)])
    parameters = inspect.signature(compute_smoothed_expression).parameters
    for name, value in values.items():
        if name not in ("input", "output"):
            assert context.params[name] == value, name
        if name not in ("input", "output", "groupby", "condition"):
            assert value == parameters[name].default, name
    text = template.read_text()
    shown = [one.name for one in command.params if not getattr(one, "hidden", False)]
    missing = [n for n in shown if n in parameters and f"\n{n}:" not in text]
    assert not [n for n in missing if f"\n# {n}:\n" not in text]
