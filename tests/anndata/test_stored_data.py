"""Files are written with what was not in memory, and without it ever being there."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import kompot
from kompot.anndata import stored_data
from kompot.anndata.stored_data import StoredData, matrix_bytes, open_stored, write_stored

CONDITIONS = "condition", "control", "treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 30, "null_seed": 1, "layers": "none"}
KEPT = {"store_landmarks": True, "result_key": "de"}
SUFFIXES = (".h5ad", ".zarr")


@pytest.fixture(scope="module")
def cells():
    adata = kompot.datasets.simulate(n_cells=200, n_genes=20, n_donors=2)
    adata.layers["csc"] = sparse.csc_matrix(adata.X)
    adata.layers["dense"] = adata.X.toarray()
    adata.obsp["near"] = sparse.random(200, 200, 0.05, format="csr", random_state=0)
    adata.obsm["table"] = pd.DataFrame({"a": np.arange(200.0)}, index=adata.obs_names)
    adata.obs["note"] = [f"cell {number}" for number in range(200)]
    adata.raw = adata[:, :5].copy()
    return adata


def written(adata, folder, suffix):
    path = folder / f"cells{suffix}"
    adata = adata.copy()
    adata.write_h5ad(path) if suffix == ".h5ad" else adata.write_zarr(path)
    return path


def read(path):
    return ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)


def assert_same(found, expected):
    """All that the data hold, with its kinds of matrices."""
    pairs = [(found.X, expected.X), (found.raw.X, expected.raw.X)]
    for place in ("layers", "obsm", "varm", "obsp", "varp"):
        held = getattr(expected, place)
        assert set(getattr(found, place)) == set(held)
        pairs += [(getattr(found, place)[name], held[name]) for name in held]
    for one, other in pairs:
        assert type(one) is type(other)
        if isinstance(other, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
            continue
        assert one.dtype == other.dtype
        one, other = (m.toarray() if sparse.issparse(m) else m for m in (one, other))
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    pd.testing.assert_frame_equal(found.var, expected.var)
    pd.testing.assert_frame_equal(found.raw.var, expected.raw.var)
    np.testing.assert_equal(found.uns, expected.uns)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_matrices_stay_on_disk(cells, tmp_path, suffix):
    data = open_stored(written(cells, tmp_path, suffix))
    assert isinstance(data.adata, AnnData)
    for matrix in (data.adata.X, *data.adata.layers.values(), data.adata.obsp["near"]):
        assert not isinstance(matrix, np.ndarray)
        assert not sparse.issparse(matrix)
    assert set(data.rest) == {"raw"}
    pd.testing.assert_frame_equal(data.adata.obs, read(tmp_path / f"cells{suffix}").obs)


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("source", SUFFIXES)
def test_what_was_opened_is_written_whole(cells, tmp_path, source, target, monkeypatch):
    monkeypatch.setattr(stored_data, "_COPIED_BYTES", 100)
    path = written(cells, tmp_path, source)
    copy = tmp_path / f"copy{target}"
    write_stored(open_stored(path), copy, target)
    assert_same(read(copy), read(path))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_expression_is_as_large_as_it_would_be_in_memory(cells, tmp_path, suffix):
    kept = [cells.X, *cells.layers.values()]
    parts = "data", "indices", "indptr"
    sizes = [getattr(m, name).nbytes for m in kept if sparse.issparse(m) for name in parts]
    assert matrix_bytes(written(cells, tmp_path, suffix)) == sum(
        sizes, cells.layers["dense"].nbytes
    )


def with_results(adata):
    kompot.compute_differential_expression(adata, *CONDITIONS, **QUIET | KEPT)
    kompot.compute_differential_abundance(adata, *CONDITIONS, progress=False)
    return adata


def backed(path):
    return ad.read_h5ad(path, backed="r")


def lazy(path):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    return ad.experimental.read_lazy(path)


@pytest.mark.parametrize("is_in_place", [False, True])
@pytest.mark.parametrize("opener", [backed, lazy])
def test_results_are_written_beside_what_is_on_disk(cells, tmp_path, opener, is_in_place):
    path = written(cells, tmp_path, ".h5ad")
    target = path if is_in_place else tmp_path / "out.h5ad"
    kompot.write_results(with_results(opener(path)), target)
    expected, found = with_results(cells.copy()), read(target)
    np.testing.assert_array_equal(found.X.toarray(), cells.X.toarray())
    np.testing.assert_array_equal(found.raw.X.toarray(), cells.raw.X.toarray())
    np.testing.assert_array_equal(found.layers["dense"], cells.layers["dense"])
    for name in ("obs", "var"):
        frame = getattr(expected, name)
        expected.strings_to_categoricals(frame)
        pd.testing.assert_frame_equal(
            getattr(found, name)[frame.columns], frame, check_names=False, check_categorical=False
        )
    assert kompot.runs(found, "de")["run_id"].tolist() == [0]
    landmarks = expected.uns["de"]["landmarks"]
    np.testing.assert_array_equal(np.asarray(found.uns["de"]["landmarks"]), landmarks)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted({"cells.h5ad", target.name})


def test_a_part_of_backed_data_is_written_with_its_part_of_raw(cells, tmp_path):
    part = backed(written(cells, tmp_path, ".h5ad"))[10:60]
    kompot.write_results(part, tmp_path / "part.h5ad")
    assert_same(read(tmp_path / "part.h5ad"), read(tmp_path / "cells.h5ad")[10:60].copy())


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_error_leaves_the_file(cells, tmp_path, suffix, error, monkeypatch):
    path = written(cells, tmp_path, suffix)
    adata, expected = open_stored(path).adata, read(path)
    adata.uns["new"] = 1

    def fail(*_):
        raise error

    monkeypatch.setattr(stored_data, "_copy", fail)
    with pytest.raises(type(error)):
        kompot.write_results(adata, path)
    assert_same(read(path), expected)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_expression_is_never_in_memory(cells, tmp_path, monkeypatch):
    path = written(cells, tmp_path, ".h5ad")
    adata = with_results(open_stored(path).adata)

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(h5py.Dataset, "__getitem__", refuse)
    write_stored(StoredData(adata, {}), tmp_path / "out.h5ad", ".h5ad")
    monkeypatch.undo()
    np.testing.assert_array_equal(read(tmp_path / "out.h5ad").X.toarray(), cells.X.toarray())


def test_other_files_are_refused(cells, tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.h5ad or \.zarr, got .*out\.csv"):
        kompot.write_results(cells, tmp_path / "out.csv")
