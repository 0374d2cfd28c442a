"""Commands on files whose expression is not read into memory."""

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad, read_zarr

import kompot
from kompot.anndata import stored_data
from kompot.cli import files

SUFFIXES = (".h5ad", ".zarr")


@pytest.fixture
def large(monkeypatch):
    """Take every file for one that is large for this machine."""
    monkeypatch.setattr(files, "_SHARE", 0.0)


@pytest.fixture
def refuse_whole_matrices(monkeypatch, cells):
    """Fail if anything asks for all rows of the expression at once."""
    from kompot.anndata import row_readers

    monkeypatch.setattr(row_readers, "_SPARSE_ROWS", 40)
    read = row_readers.StoredRows.read

    def few(self, start, stop):
        assert stop - start < cells.n_obs
        return read(self, start, stop)

    monkeypatch.setattr(row_readers.StoredRows, "read", few)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.usefixtures("refuse_whole_matrices")
def test_expression(de, cells, tmp_path, source, target, large, monkeypatch):
    path, plain, out = (tmp_path / name for name in (f"in{source}", "plain.h5ad", f"out{target}"))
    cells.copy().write_h5ad(path) if source == ".h5ad" else cells.copy().write_zarr(path)
    options = "--layers", "none", "--null-seed", "0"
    assert de(path, "-o", out, "-t", tmp_path / "large.csv", *options)[0] == 0
    monkeypatch.setattr(files, "_SHARE", 1.0)
    assert de(path, "-o", plain, "-t", tmp_path / "plain.csv", *options)[0] == 0
    assert (tmp_path / "large.csv").read_text() == (tmp_path / "plain.csv").read_text()
    found = read_h5ad(out) if target == ".h5ad" else read_zarr(out)
    expected = read_h5ad(plain)
    pd.testing.assert_frame_equal(found.obs, expected.obs, check_categorical=False)
    pd.testing.assert_frame_equal(found.var, expected.var, check_categorical=False)
    assert (found.X != expected.X).nnz == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("large")
def test_file_is_replaced_by_itself_with_results(shell, cells, tmp_path, suffix):
    path = tmp_path / f"cells{suffix}"
    cells.copy().write_h5ad(path) if suffix == ".h5ad" else cells.copy().write_zarr(path)
    conditions = "--groupby", "condition", "--condition1", "control", "--condition2", "treated"
    assert shell("da", path, "-o", path, *conditions)[0] == 0
    found = read_h5ad(path) if suffix == ".h5ad" else read_zarr(path)
    assert np.isfinite(found.obs["kompot_da_control_to_treated_lfc"]).all()
    np.testing.assert_array_equal(found.X.toarray(), cells.X.toarray())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.usefixtures("large")
def test_file_is_kept_after_an_error(de, cells_file, monkeypatch):
    before = cells_file.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored_data, "_copy", fail)
    code, _, err = de(cells_file, "-o", cells_file, "--layers", "none")
    assert code == 1
    assert "No space left on device" in err
    assert cells_file.read_bytes() == before
    assert [p.name for p in cells_file.parent.iterdir()] == [cells_file.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("large")
def test_results_are_listed_and_removed(shell, cells, tmp_path, suffix):
    path, small = tmp_path / f"cells{suffix}", tmp_path / f"small{suffix}"
    adata = cells.copy()
    kompot.compute_differential_expression(
        adata, "condition", "control", "treated", null_genes=None, progress=False
    )
    adata.write_h5ad(path) if suffix == ".h5ad" else adata.write_zarr(path)
    code, out, _ = shell("runs", path)
    assert code == 0
    assert "control" in out
    code, out, _ = shell("cleanup", path, "-o", small)
    assert code == 0
    assert "removed layers['kompot_de_control_imputed']" in out
    found = read_h5ad(small) if suffix == ".h5ad" else read_zarr(small)
    assert set(found.layers) == set(cells.layers)
    assert (found.X != cells.X).nnz == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("refuse_whole_matrices")
def test_smoothing(shell, cells, tmp_path, suffix, large, monkeypatch):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    cells.copy().write_h5ad(path) if suffix == ".h5ad" else cells.copy().write_zarr(path)
    options = "--layers", "factored", "--random-state", "0", "-q"
    assert shell("smooth", path, "-o", out, "-t", tmp_path / "large.csv", *options)[0] == 0
    monkeypatch.setattr(files, "_SHARE", 1.0)
    assert shell("smooth", path, "-t", tmp_path / "plain.csv", *options)[0] == 0
    assert (tmp_path / "large.csv").read_text() == (tmp_path / "plain.csv").read_text()
    found = read_h5ad(out) if suffix == ".h5ad" else read_zarr(out)
    assert np.isfinite(kompot.get_layer(found, "kompot_smooth_all_smoothed")).all()
    assert (found.X != cells.X).nnz == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_report_is_the_same(shell, cells, tmp_path, suffix, large, monkeypatch):
    path, adata = tmp_path / f"in{suffix}", cells.copy()
    kompot.compute_differential_expression(
        adata, "condition", "control", "treated", null_genes=None, progress=False
    )
    adata.write_h5ad(path) if suffix == ".h5ad" else adata.write_zarr(path)
    pages = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(files, "_SHARE", share)
        assert shell("report", path, "-o", tmp_path / "page.html", "--n-genes", "1")[0] == 0
        pages.append((tmp_path / "page.html").read_text())
    assert pages[0] == pages[1]


def test_what_is_large_is_judged_by_the_memory_that_this_process_may_take(cells_file, monkeypatch):
    assert files.open_data(cells_file).rest is None
    monkeypatch.setattr(files.memory, "available_bytes", lambda: 1000)
    assert files.open_data(cells_file).rest is not None
