import numpy as np
import pytest
from anndata import AnnData

from kompot import diffusion_maps
from kompot.cli.files import read_data, write_data


@pytest.fixture
def pca_cells(rng):
    return AnnData(np.zeros((80, 1)), obsm={"X_pca": rng.normal(size=(80, 4))})


@pytest.mark.parametrize("kinds", [(".h5ad", ".zarr"), (".zarr", ".h5ad")])
def test_from_file_to_file(shell, pca_cells, tmp_path, kinds):
    source, target = tmp_path / f"in{kinds[0]}", tmp_path / f"out{kinds[1]}"
    write_data(pca_cells, source, kinds[0])
    code, out, err = shell("dm", source, "-o", target, "--knn", "12", "--n-components", "3")
    assert code == 0, err
    assert err == f"kompot: wrote {target}\n"
    assert out.startswith("obsm['DM_EigenVectors']: 80 x 3; eigenvalues 0.")
    diffusion_maps(pca_cells, knn=12, n_components=3)
    found = read_data(target)
    np.testing.assert_allclose(found.obsm["DM_EigenVectors"], pca_cells.obsm["DM_EigenVectors"])
    assert found.obsp["DM_Kernel"].shape == (80, 80)


def test_pipeline_from_principal_components(shell, cells, tmp_path):
    data = cells.copy()
    data.obsm["X_pca"] = data.obsm.pop("DM_EigenVectors")
    path = tmp_path / "cells.h5ad"
    data.write_h5ad(path)
    names = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated", "-q"]
    code, _, err = shell("de", path, "-o", path, *names)
    assert code == 1
    assert "`kompot dm` in a shell" in err
    assert shell("dm", path, "-o", path, "-q") == (0, "", "")
    assert shell("de", path, "-o", path, *names, "--null-genes", "50")[0] == 0
    assert shell("da", path, "-o", path, *names)[0] == 0
    assert {"kompot_dm", "kompot_de", "kompot_da"} <= set(read_data(path).uns)


def test_left_out_keys(shell, pca_cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    pca_cells.write_h5ad(path)
    code, _, err = shell("dm", path, "-o", path, "--kernel-key", "none", "--sim-key", "none")
    assert code == 0, err
    assert list(read_data(path).obsp) == []


def test_output_is_required(shell, cells_file):
    code, out, err = shell("dm", cells_file)
    assert (code, out) == (2, "")
    assert "Missing option '-o'" in err


def test_no_principal_components(shell, cells_file, tmp_path):
    code, _, err = shell("dm", cells_file, "-o", tmp_path / "out.h5ad")
    assert code == 1
    assert err.startswith("kompot: error: PCA coordinates not found")
    assert not (tmp_path / "out.h5ad").exists()


def test_ctrl_c_while_computing_leaves_the_output_as_it_was(tmp_path, pca_cells, interrupted):
    code = """
import signal, sys, time
import kompot.anndata.diffusion as module
from kompot.cli import main

def compute(*args, **kwargs):
    print("begun", flush=True)
    for _ in range(600):  # in pieces: a signal just before one sleep does not end it
        time.sleep(0.1)

module.diffusion_map = compute
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs in the background
main(sys.argv[1:])
"""
    path, output = tmp_path / "cells.h5ad", tmp_path / "out.h5ad"
    pca_cells.write_h5ad(path)
    interrupted(code, ["dm", str(path), "-o", str(output), "-q"], output)
