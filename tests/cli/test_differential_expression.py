import sys

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import kompot
from kompot.anndata import compute_differential_expression
from kompot.cli import differential_expression as module
from kompot.cli.files import read_data, write_data
from kompot.records.layers import get_layer
from kompot.records.tables import get_table

MEAN_LFC = "kompot_de_control_to_treated_mean_lfc"


@pytest.fixture(scope="module")
def expected(cells):
    result = compute_differential_expression(
        cells.copy(),
        "condition",
        "control",
        "treated",
        null_genes=50,
        random_state=0,
        progress=False,
        return_full_results=True,
    )
    return result["table"]


@pytest.mark.parametrize("kinds", [(".h5ad", ".zarr"), (".zarr", ".h5ad")])
def test_data_from_file_to_file(de, cells, expected, tmp_path, kinds):
    source, target = tmp_path / f"in{kinds[0]}", tmp_path / f"out{kinds[1]}"
    write_data(cells.copy(), source, kinds[0])
    code, out, err = de(source, "-o", target)
    assert code == 0, err
    assert out.startswith(f"{expected['is_de'].sum()} of 30 genes from control to treated called")
    assert f"wrote {target}" in err
    found = read_data(target)
    np.testing.assert_allclose(found.var[MEAN_LFC], expected["mean_lfc"], rtol=1e-6)
    assert found.layers["kompot_de_control_to_treated_fold_change"].shape == cells.shape
    assert "run_history" in found.uns["kompot_de"]


@pytest.mark.parametrize(("kind", "separator"), [("csv", ","), ("tsv", "\t")])
def test_table_begins_with_the_largest_distance(
    de, cells_file, expected, tmp_path, kind, separator
):
    before = cells_file.read_bytes()
    path = tmp_path / f"genes.{kind}"
    code, out, err = de(cells_file, "-t", path, "--no-progress")
    assert code == 0
    assert err == f"kompot: wrote {path}\n"
    assert cells_file.read_bytes() == before
    table = pd.read_csv(path, sep=separator, index_col="gene")
    wanted = expected.sort_values("mahalanobis", ascending=False)
    pd.testing.assert_frame_equal(table, wanted, check_names=False)
    listed = [line.split()[0] for line in out.splitlines()[3:13]]
    assert listed == list(wanted.index[:10])


def test_group_table_lists_each_group(de, cells, cells_file, tmp_path):
    path, output = tmp_path / "groups.csv", tmp_path / "out.h5ad"
    options = ["--groups", "branch", "--group-table", path, "--store-additional-stats"]
    code, out, err = de(cells_file, "-o", output, "--no-progress", *options)
    assert code == 0, err
    assert f"wrote {path}" in err
    found = pd.read_csv(path)
    wanted = get_table(read_data(output), group=True)
    pd.testing.assert_frame_equal(
        found.set_index("gene"), wanted.astype({"group": str}), check_dtype=False
    )
    lines = out[out.index("leading genes") :].splitlines()[1:]
    assert [line.split()[0] for line in lines] == ["root", "branch_1", "branch_2"]
    for line, name in zip(lines, ("root", "branch_1", "branch_2"), strict=True):
        table = wanted[wanted["group"] == name]
        assert line.split()[1] == str(table["is_de"].sum())
        assert line.split()[2] == table.index[0]


def test_table_is_the_one_of_the_stored_run(de, cells_file, tmp_path):
    path, output = tmp_path / "genes.tsv", tmp_path / "out.h5ad"
    code, _, err = de(cells_file, "-o", output, "-t", path, "--store-additional-stats", "-q")
    assert code == 0, err
    table = pd.read_csv(path, sep="\t", index_col="gene")
    pd.testing.assert_frame_equal(table, get_table(read_data(output)))


def test_group_table_needs_groups(de, cells_file, tmp_path):
    code, _, err = de(cells_file, "--group-table", tmp_path / "groups.csv")
    assert code == 2
    assert "give --groups" in err


def test_two_tables_in_one_file_are_refused(de, cells_file, tmp_path):
    path = tmp_path / "t.csv"
    code, _, err = de(cells_file, "-t", path, "--group-table", path, "--groups", "branch")
    assert code == 2
    assert "would be the same file" in err
    assert not path.exists()


def test_cells_can_be_left_out(de, cells, cells_file, tmp_path):
    output = tmp_path / "out.h5ad"
    options = ["--cell-filter", '{"branch": "root"}', "--groups", "branch", "-q"]
    code, _, err = de(cells_file, "-o", output, *options)
    assert code == 0, err
    found = read_data(output)
    layer = found.layers["kompot_de_control_to_treated_fold_change"]
    np.testing.assert_array_equal(np.isnan(layer).all(axis=1), cells.obs["branch"] == "root")


def test_progress_is_on_stderr_and_quiet_means_quiet(de, cells_file, tmp_path):
    _, out, err = de(cells_file, "-t", tmp_path / "genes.csv")
    assert "predicting" not in out
    assert "fitting" in err
    assert de(cells_file, "-q", "-t", tmp_path / "genes.csv") == (0, "", "")


def test_verbose_shows_log_lines(de, cells_file, tmp_path):
    code, _, err = de(cells_file, "-v", "--no-progress", "-t", tmp_path / "genes.csv")
    assert code == 0
    assert f"kompot: reading {cells_file}" in err
    assert "length scale" in err


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_output_may_be_the_input(de, cells, tmp_path, kind):
    path = tmp_path / f"cells{kind}"
    write_data(cells.copy(), path, kind)
    assert de(path, "-o", path, "-q")[0] == 0
    assert MEAN_LFC in read_data(path).var
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_without_distances_genes_are_listed_by_fold_change(de, cells_file, expected, tmp_path):
    path = tmp_path / "genes.csv"
    code, out, _ = de(cells_file, "--table", path, "--no-compute-mahalanobis", "--no-progress")
    assert code == 0
    assert "none is called" in out
    first = expected["mean_lfc"].abs().idxmax()
    assert pd.read_csv(path)["gene"][0] == first


def test_selected_genes(de, cells_file, tmp_path):
    path = tmp_path / "genes.csv"
    code, _, err = de(cells_file, "-t", path, "--genes", "gene_0003,gene_0001", "-q")
    assert code == 0, err
    assert set(pd.read_csv(path)["gene"]) == {"gene_0003", "gene_0001"}


def test_missing_column_is_an_error_with_the_message(shell, cells_file, tmp_path):
    output = tmp_path / "out.h5ad"
    args = ["--groupby", "nothing", "--condition1", "control", "--condition2", "treated"]
    code, out, err = shell("de", cells_file, "-o", output, *args)
    assert (code, out) == (1, "")
    assert err.startswith("kompot: error: ")
    assert "nothing" in err
    assert "Traceback" not in err
    assert not output.exists()


def test_samples_are_compared(de, cells_file, tmp_path):
    code, _, err = de(cells_file, "-t", tmp_path / "t.csv", "--sample-col", "donor")
    assert code == 0, err
    assert "donor_region" in (tmp_path / "t.csv").read_text().splitlines()[0]


def test_gpu_is_asked_for_and_the_device_is_named(de, cells_file, tmp_path):
    jax = pytest.importorskip("jax")
    code, _, err = de(cells_file, "-o", tmp_path / "o.h5ad", "--use-gpu")
    assert code == 0, err
    assert f"products are computed by JAX {jax.__version__} on the" in err
    run = kompot.RunInfo(read_data(tmp_path / "o.h5ad"), analysis_type="de")
    assert run.call_args()["jit_compile"] is True


def test_missing_jax_is_one_line(de, cells_file, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    code, _, err = de(cells_file, "-t", tmp_path / "t.csv", "--jit-compile")
    assert code == 1
    assert "pip install 'kompot[jax]'" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "-t/--table-output"),
        (["-o", "{}/out.txt"], "must end in .h5ad or .zarr"),
        (["-t", "{}/out.xlsx"], "must end in .csv or .tsv"),
        (["-o", "{}/absent/out.h5ad"], "does not exist"),
        (["-o", "{}/folder.h5ad"], "is a directory"),
        (["-t", "{}/t.csv", "--threads", "0"], "--threads"),
    ],
)
def test_useless_command_is_refused_before_any_work(
    de, cells_file, tmp_path, monkeypatch, args, text
):
    (tmp_path / "folder.h5ad").mkdir()
    monkeypatch.setattr(module, "open_data", lambda _path: pytest.fail("the data were read"))
    code, out, err = de(cells_file, *[arg.format(tmp_path) for arg in args])
    assert (code, out) == (2, "")
    assert text in err


def test_missing_input_is_a_usage_error(de, tmp_path):
    code, _, err = de(tmp_path / "no.h5ad", "-o", tmp_path / "out.h5ad")
    assert code == 2
    assert "does not exist" in err


def test_unreadable_input_is_an_error(de, tmp_path):
    path = tmp_path / "cells.h5ad"
    path.write_text("not HDF5")
    code, _, err = de(path, "-o", tmp_path / "out.h5ad")
    assert code == 1
    assert err.startswith("kompot: error: ")


def test_failing_writer_leaves_both_outputs(de, cells_file, tmp_path, monkeypatch):
    output, table = tmp_path / "out.h5ad", tmp_path / "genes.csv"
    output.write_text("old")
    table.write_text("old")

    def fail(_table, path, *_args):
        path.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kompot.cli.analysis.write_table", fail)
    code, out, err = de(cells_file, "-o", output, "-t", table, "--no-progress")
    assert (code, out) == (1, "")
    assert "No space left on device" in err
    assert output.read_text() == table.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 3


def test_threads_limit_the_linear_algebra(de, cells_file, tmp_path, monkeypatch):
    seen = []

    def compute(*args, **kwargs):
        seen.extend(library["num_threads"] for library in threadpool_info())
        return compute_differential_expression(*args, **kwargs)

    monkeypatch.setattr(module, "compute_differential_expression", compute)
    with threadpool_limits(2):
        code, _, err = de(cells_file, "-t", tmp_path / "t.csv", "--threads", "1", "-q")
    assert code == 0, err
    assert set(seen) == {1}


def test_samples_are_summarised_as_samples(shell, cells_file, tmp_path):
    path = tmp_path / "genes.csv"
    args = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]
    code, out, _ = shell(
        "de", cells_file, "-t", path, *args, "--sample-col", "sample", "--random-state", "0"
    )
    assert code == 0
    table = pd.read_csv(path, index_col="gene")
    number = int(table["is_de"].sum())
    assert out.startswith(
        f"{number} of 30 genes from control to treated called: FDR over new donors"
    )
    assert "about these cells" not in out
    heading, first = out.splitlines()[2:4]
    assert heading.split()[-3:] == ["donor", "FDR", "where"]
    assert first.split()[0] == table.index[0]
    assert first.split()[-1] == table["donor_region"].iloc[0]
    assert max(map(len, out.splitlines())) <= 80


def test_factored_layers_from_file_to_file(de, cells, cells_file, tmp_path):
    sizes = {}
    for layers in ("dense", "factored"):
        target = tmp_path / f"{layers}.h5ad"
        code, _, err = de(cells_file, "-o", target, "--layers", layers)
        assert code == 0, err
        found = read_data(target)
        layer = get_layer(found, "kompot_de_control_to_treated_fold_change")
        assert layer.shape == cells.shape
        sizes[layers] = set(found.layers)
    assert sizes["factored"] == set(cells.layers) < sizes["dense"]


def test_layers_in_files_are_written(de, cells, cells_file, tmp_path):
    target, folder = tmp_path / "out.h5ad", tmp_path / "scratch"
    code, _, err = de(cells_file, "-o", target, "--disk-storage-dir", folder)
    assert code == 0, err
    assert not list(folder.iterdir())
    layer = read_data(target).layers["kompot_de_control_to_treated_fold_change"]
    assert layer.shape == cells.shape
    assert np.isfinite(layer).all()


def test_layers_that_do_not_fit_are_refused(de, cells_file, tmp_path):
    small = ["--max-memory-ratio", "1e-9", "--no-store-arrays-on-disk"]
    code, _, err = de(cells_file, "-o", tmp_path / "out.h5ad", *small)
    assert code != 0
    assert "Insufficient memory: the arrays of this run" in err
    assert "Traceback" not in err
    assert not (tmp_path / "out.h5ad").exists()
