import os
import shutil

import pandas as pd
import pytest

from kompot.cli import files
from kompot.cli.files import open_data, read_data, replaced, write_data, write_table


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_round_trip(cells, tmp_path, kind):
    path = tmp_path / f"cells{kind}"
    with replaced(path) as written:
        write_data(cells.copy(), written, kind)
    found = read_data(path)
    assert names(tmp_path) == [path.name]
    assert (found.X != cells.X).nnz == 0
    pd.testing.assert_frame_equal(found.obs, cells.obs, check_categorical=False)
    assert found.uns["simulation"]["n_genes"] == cells.uns["simulation"]["n_genes"]


@pytest.mark.parametrize(("kind", "first"), [(".csv", "gene,mean_lfc"), (".tsv", "gene\tmean_lfc")])
def test_table(tmp_path, kind, first):
    path = tmp_path / "genes"
    write_table(pd.DataFrame({"mean_lfc": [0.5]}, index=["ISG15"]), path, kind)
    assert path.read_text().splitlines()[0] == first


def test_full_disk_is_noticed_before_writing(cells, tmp_path, monkeypatch):
    adata = cells.copy()
    dense = adata.X.toarray()
    n_bytes = sum(getattr(adata.X, part).nbytes for part in ("data", "indices", "indptr"))
    adata.layers["dense"] = dense
    n_bytes = 2 * n_bytes + dense.nbytes + sum(adata.obsm[name].nbytes for name in adata.obsm)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=n_bytes - 1))
    with pytest.raises(OSError, match="free on the disk"):
        write_data(adata, tmp_path / "out.h5ad", ".h5ad")
    assert names(tmp_path) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=n_bytes))
    write_data(adata, tmp_path / "out.h5ad", ".h5ad")


def fill(path, text, *, is_folder):
    if is_folder:
        path.mkdir()
        path = path / "part"
    path.write_text(text)


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("exists", [False, True])
def test_target_is_replaced_in_the_end(tmp_path, is_folder, exists):
    target = tmp_path / "out"
    if exists:
        fill(target, "old", is_folder=is_folder)
    with replaced(target) as written:
        fill(written, "new", is_folder=is_folder)
        assert target.exists() == exists
    assert (target / "part" if is_folder else target).read_text() == "new"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()])
def test_error_while_writing_leaves_the_target(tmp_path, is_folder, error):
    target = tmp_path / "out"
    fill(target, "old", is_folder=is_folder)

    def write_half():
        with replaced(target) as written:
            fill(written, "half", is_folder=is_folder)
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert (target / "part" if is_folder else target).read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_store_comes_back_if_its_replacement_fails(tmp_path, monkeypatch):
    target = tmp_path / "out"
    fill(target, "old", is_folder=True)
    rename = os.rename

    def fail_once(source, destination, **kwargs):
        if os.fspath(source).endswith("written"):
            raise OSError("no")  # noqa: EM101
        rename(source, destination, **kwargs)

    monkeypatch.setattr(os, "rename", fail_once)

    def write():
        with replaced(target) as written:
            fill(written, "new", is_folder=True)

    with pytest.raises(OSError, match="no"):
        write()
    assert (target / "part").read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_link_keeps_pointing(tmp_path):
    (tmp_path / "real").write_text("old")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    with replaced(link) as written:
        written.write_text("new")
    assert link.is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with replaced(tmp_path / "out") as written:
        written.write_text("")
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_large_matrices_stay_on_disk(cells, tmp_path, kind, monkeypatch):
    path = tmp_path / f"cells{kind}"
    write_data(cells.copy(), path, kind)
    assert open_data(path).rest is None
    monkeypatch.setattr(files, "_SHARE", 0.0)
    data = open_data(path)
    assert data.rest is not None
    with replaced(path) as written:
        write_data(data, written, kind)
    assert (read_data(path).X != cells.X).nnz == 0
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=1000))
    with pytest.raises(OSError, match="free on the disk"):
        write_data(open_data(path), tmp_path / f"out{kind}", kind)
