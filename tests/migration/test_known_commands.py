"""Command lines as users of the original wrote them."""

import pytest
from anndata import read_h5ad

from kompot.cli import main
from kompot.datasets import simulate

CONDITIONS = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]


@pytest.fixture
def shell(capsys):
    def run(*args):
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.fixture
def cells_file(tmp_path):
    path = tmp_path / "cells.h5ad"
    simulate(n_cells=150, n_genes=12, n_donors=2, random_state=0).write_h5ad(path)
    return path


def test_expression(shell, cells_file, tmp_path):
    pytest.importorskip("jax")
    code, _, err = shell(
        "de", cells_file, "-o", tmp_path / "out.h5ad", *CONDITIONS, "--obsm-key", "DM_EigenVectors",
        "--result-key", "kompot_de", "--n-landmarks", "100", "--batch-size", "0",
        "--fdr-threshold", "0.05", "--null-genes", "20", "--null-seed", "42", "--no-progress",
        "--store-landmarks", "--store-additional-stats", "--overwrite", "--use-gpu",
        "--threads", "1",
    )  # fmt: skip
    assert code == 0
    assert "products are computed by JAX" in err
    found = read_h5ad(tmp_path / "out.h5ad")
    assert "kompot_de_control_to_treated_mahalanobis_pvalue" in found.var
    assert "landmarks" in found.uns["kompot_de"]


def test_abundance(shell, cells_file, tmp_path):
    code, _, err = shell(
        "da", cells_file, "--table-output", tmp_path / "t.tsv", *CONDITIONS, "--n-landmarks", "100",
        "--log-fold-change-threshold", "0.5", "--ptp-threshold", "0.05", "--ls-factor", "10",
        "--random-state", "3", "--store-landmarks", "--overwrite", "--max-memory-ratio", "0.5",
        "--disk-storage-dir", tmp_path, "--store-arrays-on-disk", "--no-progress",
    )  # fmt: skip
    assert code == 0
    assert "--store-arrays-on-disk has no effect" in err
    assert (tmp_path / "t.tsv").read_text().startswith("cell\tlfc\t")


def test_diffusion_maps(shell, cells_file, tmp_path):
    adata = read_h5ad(cells_file)
    adata.obsm["X_pca"] = adata.obsm["X_tree"]
    adata.write_h5ad(cells_file)
    out = tmp_path / "dm.h5ad"
    code, _, _ = shell(
        "dm", cells_file, "-o", out, "--pca-key", "X_pca", "--n-components", "5", "--knn", "10",
        "--alpha", "0", "--seed", "0", "--kernel-key", "DM_Kernel", "--sim-key", "DM_Similarity",
        "--eigval-key", "DM_EigenValues", "--eigvec-key", "DM_EigenVectors", "--overwrite",
    )  # fmt: skip
    assert code == 0
    assert {"DM_Kernel", "DM_Similarity"} <= set(read_h5ad(out).obsp)
    code, _, err = shell("dm", cells_file, "-o", out, "--pca-key", "X_no")
    assert code == 1
    assert "PCA coordinates not found" in err


def test_missing_arguments(shell, cells_file, tmp_path):
    code, _, err = shell("de", cells_file, "-o", tmp_path / "o.h5ad", "--groupby", "condition")
    assert code != 0
    assert "Missing required parameters" in err
    assert "--condition1" in err
    assert shell()[0] == 0
