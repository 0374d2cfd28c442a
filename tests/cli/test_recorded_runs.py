import warnings

import h5py
import pandas as pd
import pytest

from kompot import compute_differential_abundance, compute_differential_expression
from kompot.cli.files import read_data, write_data

CONDITIONS = {"groupby": "condition", "condition1": "control", "condition2": "treated"}


@pytest.fixture(scope="module")
def analysed(cells):
    adata = cells.copy()
    for key in ("first", "second"):
        compute_differential_expression(
            adata, **CONDITIONS, result_key=key, null_genes=0, progress=False, groups="branch"
        )
    compute_differential_abundance(adata, **CONDITIONS, progress=False)
    return adata


@pytest.fixture
def results(analysed, tmp_path):
    path = tmp_path / "result.h5ad"
    write_data(analysed.copy(), path, ".h5ad")
    return path


def test_runs_are_listed(shell, results):
    code, out, err = shell("runs", results)
    assert (code, err) == (0, "")
    first, first_details, _, _, abundance, _ = out.splitlines()
    assert first.startswith("de 0  2")
    assert first.endswith("condition: control to treated")
    assert "key first, groups " in first_details
    assert "present" in first_details
    assert "missing" not in first_details
    assert abundance.startswith("da 0  ")


def test_one_kind_and_a_table(shell, results, tmp_path):
    table = tmp_path / "runs.csv"
    code, out, err = shell("runs", results, "--analysis-type", "de", "-t", table)
    assert code == 0
    assert err == f"kompot: wrote {table}\n"
    assert "da 0" not in out
    found = pd.read_csv(table, index_col="run_id")
    assert list(found["result_key"]) == ["first", "second"]


def test_no_runs(shell, cells_file):
    assert shell("runs", cells_file) == (0, "No run is recorded.\n", "")


def test_unknown_kind_is_an_error(shell, results):
    code, _, err = shell("runs", results, "--analysis-type", "DE")
    assert code == 1
    assert err.startswith("kompot: error: ")


def test_run_of_a_newer_version_is_listed(analysed):
    from kompot.cli.recorded_runs import runs_in_words

    row = {"analysis_type": "de", "run_id": 3, "timestamp": "2030-01-02T03:04:05"}
    columns = ["conditions", "groupby", "groups", "sample_col", "result_key"]
    table = pd.DataFrame([row], columns=[*row, *columns])
    words = runs_in_words(table)
    assert words == "de 3  2030-01-02 03:04  recorded by a newer version of kompot"


def test_layers_are_removed(shell, results, tmp_path, analysed):
    output = tmp_path / "small.h5ad"
    code, out, err = shell("cleanup", results, "-o", output)
    assert code == 0
    assert err == f"kompot: wrote {output}\n"
    assert "removed layers['first_control_imputed']\n" in out
    assert "removed varm['first_control_to_treated_mean_lfc_groups']\n" in out
    assert out.splitlines()[-1].endswith("now")
    found = read_data(output)
    assert set(found.layers) == {"counts"}
    assert set(found.var) == set(analysed.var)
    assert set(found.obs) == set(analysed.obs)
    assert "missing" in shell("runs", output)[1]
    assert set(read_data(results).layers) == set(analysed.layers)


def test_zarr_stores(shell, analysed, tmp_path):
    source, target = tmp_path / "result.zarr", tmp_path / "small.zarr"
    write_data(analysed.copy(), source, ".zarr")
    code, out, err = shell("cleanup", source, "-o", target)
    assert code == 0, err
    before, now = (text.split()[:2] for text in out.splitlines()[-1].split(", "))
    assert before != now
    assert set(read_data(target).layers) == {"counts"}


def test_what_stays_can_be_chosen(shell, results, tmp_path):
    output = tmp_path / "small.h5ad"
    args = ["--keep-layers", "fold_change", "--keep-varm-fields", "yes", "--keep-obs-fields", "no"]
    code, out, err = shell("cleanup", results, "-o", output, "--run-ids", "0", *args)
    assert code == 0, err
    found = read_data(output)
    assert "first_control_to_treated_fold_change" in found.layers
    assert "first_control_imputed" not in found.layers
    assert "second_control_imputed" in found.layers
    assert "first_control_to_treated_mean_lfc_groups" in found.varm
    assert "first_control_std" not in found.obs
    assert "removed obs['first_control_std']" in out


def test_cleanup_leaves_matrices_compressed(shell, analysed, tmp_path):
    source, target = tmp_path / "compressed.h5ad", tmp_path / "cleaned.h5ad"
    analysed.copy().write_h5ad(source, compression="gzip")
    assert shell("cleanup", source, "-o", target)[0] == 0
    with h5py.File(target) as file:
        assert file["X/data"].compression == "gzip"


def test_cleanup_with_a_configuration(shell, results, tmp_path):
    config = tmp_path / "keep.yaml"
    config.write_text("run_ids: [0]\nkeep_layers: [imputed]\nkeep_varm_fields: true\n")
    code, out, err = shell("cleanup", results, "-o", results, "-c", config)
    assert code == 0, err
    assert "removed layers['first_control_to_treated_fold_change']" in out
    assert "imputed" not in out


def test_nothing_to_remove(shell, cells_file, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, out, err = shell("cleanup", cells_file, "-o", tmp_path / "out.h5ad")
    assert code == 0
    assert "kompot: warning: " in err
    assert out.startswith("Nothing was removed.\n")


def test_unknown_type_is_an_error_and_writes_nothing(shell, results, tmp_path):
    output = tmp_path / "small.h5ad"
    code, _, err = shell("cleanup", results, "-o", output, "--keep-layers", "foldchange")
    assert code == 1
    assert "foldchange" in err
    assert not output.exists()


def test_quiet(shell, results, tmp_path):
    assert shell("cleanup", results, "-o", tmp_path / "s.h5ad", "-q") == (0, "", "")
