import inspect

import anndata as ad
import pandas as pd
from click.testing import CliRunner

from kompot.anndata import compute_differential_abundance
from kompot.cli.analysis import LEFT_OUT
from kompot.cli.differential_abundance import DENSITY_OPTIONS, command
from kompot.models import DensityEstimator
from kompot.models.differential_abundance import TOLERANCE
from kompot.records import RunInfo

COMPARED = ("--groupby", "condition", "--condition1", "control", "--condition2", "treated")
DENSITY = {"ls", "d", "d_method", "mu", "kernel", "tol", "optimizer", "n_iter"}


def invoke(*args):
    return CliRunner().invoke(command, [str(arg) for arg in args], catch_exceptions=False)


def test_every_parameter_is_an_option_or_left_out_on_purpose():
    own = {"input", "output", "table_output", "config", "threads", "quiet", "verbose"}
    own |= {"dry_run", "as_json"}
    own |= {"use_gpu", "store_arrays_on_disk", "disk_storage_dir", "max_memory_ratio"}
    options = {option.name for option in command.params} - own
    parameters = inspect.signature(compute_differential_abundance).parameters
    assert options | set(LEFT_OUT) == set(parameters) - {"density_kwargs"} | DENSITY


def test_options_of_the_densities_are_recorded_if_they_are_chosen(cells_file, tmp_path):
    data = tmp_path / "out.h5ad"
    chosen = ("--ls", "20", "--kernel", "matern32", "--tol", "1e-6")
    assert invoke(cells_file, "-o", data, *COMPARED, *chosen, "-q").exit_code == 0
    recorded = RunInfo(ad.read_h5ad(data)).params["gp"]["estimator"]
    assert recorded == {"ls": 20.0, "kernel": "matern32"}
    defaults = DensityEstimator().get_params() | {"tol": TOLERANCE}
    assert all(option.default == defaults[option.name] for option in DENSITY_OPTIONS)
    wrong = CliRunner().invoke(command, [str(cells_file), "-o", str(data), *COMPARED, "--mu", "x"])
    assert wrong.exit_code == 2


def test_data_and_table_from_file_to_file(cells_file, tmp_path):
    data, table = tmp_path / "out.h5ad", tmp_path / "cells.csv"
    run = invoke(cells_file, "-o", data, "-t", table, *COMPARED, "--groups", "branch", "-q")
    assert run.exit_code == 0
    assert run.output == ""
    back, cells = ad.read_h5ad(data), pd.read_csv(table, index_col=0)
    assert list(cells.index) == list(back.obs_names)
    stored = back.obs["kompot_da_control_to_treated_lfc"]
    assert abs(cells["lfc"].to_numpy() - stored.to_numpy()).max() < 1e-9
    assert "groups" in back.uns["kompot_da"]


def test_summary_counts_cells_and_lists_groups(cells_file, tmp_path):
    run = invoke(cells_file, "-t", tmp_path / "t.csv", *COMPARED, "--groups", "branch")
    table = pd.read_csv(tmp_path / "t.csv")
    n_up = (table["direction"] == "up").sum()
    assert f"Of {len(table)} cells, {n_up} are in states" in " ".join(run.stdout.split())
    assert "branch_1" in run.stdout
    assert "P(changed)" in run.stdout


def test_nothing_left_is_refused(cells_file):
    run = CliRunner().invoke(command, [str(cells_file), *COMPARED])
    assert run.exit_code == 2
    assert "Nothing would be left" in run.output


def test_samples_add_what_holds_for_new_donors(cells_file, tmp_path):
    table = tmp_path / "t.csv"
    samples = ("--sample-col", "sample", "--groups", "branch")
    run = invoke(cells_file, "-t", table, *COMPARED, *samples)
    cells = pd.read_csv(table)
    n_up = (cells["donor_direction"] == "up").sum()
    assert f"For new donors, {n_up} are called" in " ".join(run.stdout.split())
    assert "donor FDR" in run.stdout
    assert {"donor_lfc", "donor_lfc_se", "donor_pvalue", "donor_fdr", "donor_region"} <= set(cells)


def test_lists_and_choices_of_samples_are_read(cells_file, tmp_path):
    table = tmp_path / "t.csv"
    own = ("--sample-col", "sample", "--covariates", "pseudotime,branch", "--no-paired")
    run = CliRunner().invoke(command, [str(cells_file), "-t", str(table), *COMPARED, *own])
    assert run.exit_code != 0
    assert "'pseudotime' has several values within" in str(run.exception)
    describe = ("--sample-col", "sample", "--significance", "cell")
    assert invoke(cells_file, "-t", table, *COMPARED, *describe, "-q").exit_code == 0
    assert "donor_fdr" not in pd.read_csv(table)
