"""Full disks, killed processes and damaged files: the old content or the new, and an error."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad

import kompot

MANY = int(os.environ.get("KOMPOT_FUZZ", "0"))
DAMAGED = "damaged files and records read"
DISK_FULL = "writes to a full disk"
PAIR = ("condition", "a", "b")
SOURCE = str(Path(kompot.__file__).parent)


def de(adata, **options):
    chosen = {"null_genes": 4, "random_state": 0, "progress": False, "overwrite": True} | options
    kompot.compute_differential_expression(adata, *PAIR, **chosen)


@pytest.fixture
def data(sound_data):
    """Data with an earlier factored run."""
    adata = sound_data(n_cells=24, n_genes=4)
    de(adata, layers="factored")
    return adata


@pytest.fixture
def file(data, tmp_path):
    path = tmp_path / "cells.h5ad"
    data.write_h5ad(path)
    return path


KILLED = """
import os, signal, sys, anndata
moment = sys.argv.pop(1)
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
write, replace = anndata.AnnData.write_h5ad, os.replace
def half(self, path, *rest):
    write(self, path, *rest)
    os.truncate(path, os.path.getsize(path) // 2)
    die()
def before(*_): die()
def after(*given):
    replace(*given)
    die()
if moment == "before": anndata.AnnData.write_h5ad = before
if moment == "half": anndata.AnnData.write_h5ad = half
if moment == "written": os.replace = before
if moment == "replaced": os.replace = after
from kompot.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("moment", ["before", "half", "written", "replaced"])
def test_killed_process_leaves_the_old_file_or_the_new_one(moment, file, tally):
    old = file.read_bytes()
    arguments = ["dm", str(file), "-o", str(file), "--knn", "5", "--n-components", "3", "-q"]
    tally["processes killed"] += 1
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, moment, *arguments], check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL
    if moment == "replaced":
        assert read_h5ad(file).obsm["DM_EigenVectors"].shape[1] == 3
    else:
        assert file.read_bytes() == old
    left = [path.name for path in file.parent.iterdir() if path != file]
    assert all(name.startswith(f".{file.name}.") for name in left)


LIMITED = """
import resource, signal, sys
size = int(sys.argv.pop(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from kompot.cli import main
import kompot.anndata.diffusion, anndata.io
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
main(sys.argv[1:])
"""


@pytest.mark.parametrize("size", [0, 5_000])
def test_full_disk_leaves_the_file(size, file, tally):
    """No file may grow beyond a size: writes fail as on a full disk, at several places."""
    old = file.read_bytes()
    arguments = ["dm", str(file), "-o", str(file), "--knn", "5", "--n-components", "3", "-q"]
    tally[DISK_FULL] += 1
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(size), *arguments],
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert ended.returncode != 0
    assert file.read_bytes() == old
    if ended.returncode == 1:  # HDF5 itself may end the process
        assert "kompot: error:" in ended.stderr


@contextmanager
def no_space():
    """No file of this process may hold more than 300 bytes; nor may a log that pytest writes to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_full_disk_leaves_models_tables_and_reports(data, tmp_path, tally):
    x = data.obsm["DM_EigenVectors"]
    model = kompot.FunctionEstimator().fit(x, data.X)
    kompot.save_model(model, tmp_path / "model.npz")
    kompot.report(data, tmp_path / "page.html", basis="X_pca")
    old = {path: path.read_bytes() for path in tmp_path.iterdir()}
    before = data.copy()
    tally[DISK_FULL] += 3
    with no_space():
        with pytest.raises(OSError, match=r"large|space"):
            kompot.save_model(model, tmp_path / "model.npz")
        with pytest.raises(OSError, match=r"large|space"):
            kompot.report(data, tmp_path / "page.html", basis="X_pca")
        with pytest.raises(OSError, match=r"large|space"):
            de(data, store_arrays_on_disk=True, disk_storage_dir=str(tmp_path / "files"))
    assert set(data.layers) == set(before.layers)
    (tmp_path / "files").rmdir()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_output_is_refused_before_computing(file, shell, options):
    folder = file.parent / "locked"
    folder.mkdir(mode=0o500)
    code, _, said = shell("de", file, "-o", folder / "out.h5ad", *options["de"])
    assert code == 2
    assert "not writable" in said


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_truncated_data_are_refused(share, file, shell, options, tmp_path, tally):
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    tally[DAMAGED] += 1
    code, _, said = shell("de", file, "-o", tmp_path / "out.h5ad", *options["de"])
    assert code == 1
    assert "kompot: error:" in said
    assert file.name in said
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_damaged_models_are_refused_or_the_same(data, tmp_path, rng, tally):
    x = data.obsm["DM_EigenVectors"]
    model = kompot.FunctionEstimator().fit(x, data.X)
    path = tmp_path / "model.npz"
    kompot.save_model(model, path)
    content, expected = path.read_bytes(), model.predict(x)
    for number in range(MANY or 60):
        damaged = bytearray(content)
        where = int(rng.integers(len(content)))
        if number % 3:
            damaged[where] ^= 1 << int(rng.integers(8))
        else:
            del damaged[where:]
        path.write_bytes(damaged)
        tally[DAMAGED] += 1
        try:
            found = kompot.load_model(path)
        except ValueError as error:
            assert "model.npz" in str(error)  # noqa: PT017 either is right
        else:
            np.testing.assert_array_equal(found.predict(x), expected)


READERS = {
    "RunInfo": lambda adata: kompot.RunInfo(adata, analysis_type="de").get_summary(),
    "runs": kompot.runs,
    "get_table": kompot.get_table,
    "cleanup": kompot.cleanup,
    "densify": lambda adata: kompot.densify(adata, progress=False),
    "get_field_status": kompot.get_field_status,
    "extract_null_distribution": kompot.extract_null_distribution,
    "recompute_fdr": kompot.recompute_fdr,
    "get_layer": lambda adata: kompot.get_layer(adata, "kompot_de_a_imputed"),
    "volcano_de": lambda adata: kompot.plot.volcano_de(adata),
    "de": lambda adata: kompot.compute_differential_expression(
        adata, *PAIR, progress=False, null_genes=4, overwrite=True
    ),
}
JUNK = (None, 7, "", "{", "[1, 2", '{"run_id": 0}', "null", [], {}, np.arange(3), {"0": "x"}, [[]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", list(READERS))
def test_a_broken_history_is_named(reader, data, tmp_path, snapshot, close_figures, tally):
    damaged = [("kompot_de", junk) for junk in JUNK]
    damaged += [(key, junk) for key in data.uns["kompot_de"] for junk in JUNK]
    for key, junk in damaged:
        adata = data.copy()
        if key == "kompot_de":
            adata.uns["kompot_de"] = junk
        else:
            adata.uns["kompot_de"][key] = junk
        before = snapshot(adata)
        tally[DAMAGED] += 1
        error = error_of(READERS[reader], adata)
        if error is not None:
            what = f"{key}={junk!r}: {type(error).__name__}: {error}"
            assert type(error) in (ValueError, TypeError, NotImplementedError), what
            assert innermost(error).startswith(SOURCE), what
            assert snapshot(adata) == before, what


def error_of(call, adata):
    try:
        call(adata)
    except Exception as error:  # noqa: BLE001 judged by the caller
        return error
    return None


def innermost(error):
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_code.co_filename


@pytest.fixture
def close_figures():
    import matplotlib as mpl

    mpl.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
