"""Dense layers in files: the same values, nothing left behind by what fails."""

import logging
import os

import numpy as np
import psutil
import pytest
from anndata import read_h5ad
from matplotlib.figure import Figure

import kompot
from kompot.anndata import layer_store
from kompot.datasets import simulate
from kompot.models.array_store import is_in_file
from kompot.settings import StorageSettings

CONDITIONS = ("condition", "control", "treated")
KEY = "kompot_de_control_to_treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 20, "store_additional_stats": True}


def de(adata, **options):
    return kompot.compute_differential_expression(adata, *CONDITIONS, **QUIET | options)


@pytest.fixture(scope="module")
def cells():
    adata = simulate(n_cells=250, n_genes=15, n_donors=3, random_state=2)
    del adata.layers["counts"]
    return adata


def open_files(directory):
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [link for link in links if os.path.islink(link) and str(directory) in os.readlink(link)]


@pytest.mark.parametrize("sample_col", [None, "sample"])
@pytest.mark.parametrize("batch_size", [17, None])
def test_layers_in_files_are_those_in_memory(cells, tmp_path, sample_col, batch_size):
    memory, disk = cells.copy(), cells.copy()
    options = {"sample_col": sample_col, "batch_size": batch_size}
    de(memory, **options)
    de(disk, disk_storage_dir=str(tmp_path), **options)
    assert set(memory.layers) == set(disk.layers)
    for name, layer in memory.layers.items():
        assert is_in_file(disk.layers[name])
        assert not is_in_file(layer)
        np.testing.assert_array_equal(disk.layers[name], layer)
    assert not list(tmp_path.iterdir())


def test_data_with_layers_in_files_can_be_used_as_any_other(cells, tmp_path):
    adata = cells.copy()
    de(adata, store_arrays_on_disk=True)
    layer = np.array(adata.layers[f"{KEY}_fold_change"])
    gene = adata.var_names[0]
    copied, part = adata.copy(), adata[10:40, ::2]
    np.testing.assert_array_equal(copied.layers[f"{KEY}_fold_change"], layer)
    np.testing.assert_array_equal(part.layers[f"{KEY}_fold_change"], layer[10:40, ::2])
    block = kompot.get_layer(adata, f"{KEY}_fold_change", slice(3), [0])
    np.testing.assert_array_equal(block, layer[:3, [0]])
    panels = kompot.plot.plot_gene_expression(
        adata, gene, basis="X_tree", figure=Figure(layout="constrained")
    )
    assert panels.zscores is not None
    adata.write_h5ad(tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    found = read_h5ad(tmp_path / "a.h5ad")
    np.testing.assert_array_equal(found.layers[f"{KEY}_fold_change"], layer)
    adata.layers[f"{KEY}_fold_change"][0, 0] = 5.0
    assert adata.layers[f"{KEY}_fold_change"][0, 0] == 5.0
    de(adata, overwrite=True)
    np.testing.assert_array_equal(adata.layers[f"{KEY}_fold_change"], layer)


def test_some_genes_keep_the_others(cells, tmp_path):
    adata = cells.copy()
    de(adata, disk_storage_dir=str(tmp_path))
    before = np.array(adata.layers[f"{KEY}_fold_change"])
    chosen = list(adata.var_names[[2, 9]])
    de(adata, disk_storage_dir=str(tmp_path), genes=chosen, sigma=2.0, overwrite=True)
    tested = adata.var_names.isin(chosen)
    now = adata.layers[f"{KEY}_fold_change"]
    np.testing.assert_array_equal(now[:, ~tested], before[:, ~tested])
    assert (now[:, tested] != before[:, tested]).all()
    alone = cells.copy()
    de(alone, disk_storage_dir=str(tmp_path), genes=chosen)
    assert np.isnan(alone.layers[f"{KEY}_fold_change"][:, ~tested]).all()


def test_copies_get_the_files(cells, tmp_path):
    adata = cells.copy()
    found = de(adata, disk_storage_dir=str(tmp_path), copy=True)
    assert is_in_file(found.layers[f"{KEY}_fold_change"])
    assert not adata.layers


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_failure_half_way_leaves_nothing(cells, tmp_path, monkeypatch, error):
    adata = cells.copy()
    write, calls = layer_store.DenseLayer.write, []

    def fail(self, rows, values):
        calls.append(rows)
        if len(calls) == 9:
            raise error
        write(self, rows, values)

    monkeypatch.setattr(layer_store.DenseLayer, "write", fail)
    with pytest.raises(error):
        de(adata, disk_storage_dir=str(tmp_path), batch_size=50)
    assert not open_files(tmp_path)
    assert not list(tmp_path.iterdir())
    for place in ("layers", "obs", "var", "uns", "obsm", "varm"):
        assert set(getattr(adata, place)) == set(getattr(cells, place))


def free(monkeypatch, *, memory, disk, is_memory=False):
    """Pretend that so many bytes are free, and whether files take memory."""
    available = psutil.virtual_memory()._replace(available=memory)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: available)
    monkeypatch.setattr("kompot.memory.availability.memory_limit", lambda _root: [])
    usage = psutil.disk_usage("/")._replace(free=disk)
    monkeypatch.setattr(psutil, "disk_usage", lambda _place: usage)
    monkeypatch.setattr("kompot.models.array_store._is_memory", lambda _place: is_memory)


@pytest.fixture(scope="module")
def large():
    """Cells and genes enough that layers are most of what a run takes, and what it then takes."""
    adata = simulate(n_cells=1000, n_genes=1500, n_donors=3, random_state=2)
    del adata.layers["counts"]
    plans = [
        kompot.dry_run_differential_expression(
            adata, *CONDITIONS, verbose=False, store_arrays_on_disk=on_disk, **QUIET
        )
        for on_disk in (False, True)
    ]
    in_memory, in_files = (plan.total_memory_required for plan in plans)
    assert in_memory > 1.2 * in_files
    return adata, (in_memory + in_files) / 2 / 0.8, plans[1].total_disk_required


def test_files_that_take_memory_help_neither_plan_nor_run(large, monkeypatch):
    adata, memory, disk = large[0].copy(), *large[1:]
    free(monkeypatch, memory=memory, disk=disk, is_memory=True)
    plan = kompot.dry_run_differential_expression(adata, *CONDITIONS, verbose=False, **QUIET)
    assert not plan.is_feasible
    assert any("take memory, too: give a directory" in one for one in plan.warnings)
    with pytest.raises(MemoryError, match="take memory, too: give a directory"):
        de(adata)


def test_layers_that_do_not_fit_into_memory_go_to_disk(large, monkeypatch, caplog):
    adata, memory, disk = large[0].copy(), *large[1:]
    assert disk == 4 * 4 * adata.n_obs * adata.n_vars
    free(monkeypatch, memory=memory, disk=disk)
    with caplog.at_level(logging.WARNING, logger="kompot"):
        de(adata)
    assert is_in_file(adata.layers[f"{KEY}_fold_change"])
    assert "Large arrays are kept in files in" in caplog.text
    assert "layers='factored' needs" in caplog.text


def test_layers_that_fit_nowhere_are_refused_before_computing(large, monkeypatch):
    adata, memory, disk = large[0].copy(), *large[1:]
    monkeypatch.setattr("kompot.anndata.expression_run._compute", None)
    free(monkeypatch, memory=memory, disk=disk - 1)
    with pytest.raises(MemoryError, match=r"layers='factored' needs .* The disk does not help: "):
        de(adata)
    alternatives = r"layers='factored' needs .* store_arrays_on_disk=True needs .* of disk space"
    with pytest.raises(MemoryError, match=f"Insufficient memory: .*{alternatives}"):
        de(adata, store_arrays_on_disk=False)
    with pytest.raises(OSError, match="24 MB do not fit into the 24 MB free"):
        de(adata, store_arrays_on_disk=True)
    assert not adata.layers


def test_what_is_named_instead_works(large, monkeypatch):
    adata, memory, disk = large[0].copy(), *large[1:]
    free(monkeypatch, memory=memory, disk=disk - 1)
    de(adata, layers="factored")
    assert np.isfinite(kompot.get_layer(adata, f"{KEY}_fold_change")).all()


def test_directory_that_is_not_used_is_said(cells, tmp_path, caplog):
    adata = cells.copy()
    with caplog.at_level(logging.WARNING, logger="kompot"):
        de(adata, disk_storage_dir=str(tmp_path), store_arrays_on_disk=False)
    assert "disk_storage_dir is not used" in caplog.text
    assert not is_in_file(adata.layers[f"{KEY}_fold_change"])


def test_storage_of_large_arrays_follows_the_settings(tmp_path):
    directory = str(tmp_path)
    for on_disk, place, expected in (
        (None, None, None),
        (None, directory, True),
        (True, None, True),
        (False, directory, False),
    ):
        storage = StorageSettings(store_arrays_on_disk=on_disk, disk_storage_dir=place)
        assert layer_store.array_store(storage).on_disk is expected


def test_densified_layers_can_be_in_files(cells, tmp_path):
    adata = cells.copy()
    de(adata, layers="factored")
    kompot.densify(adata, disk_storage_dir=str(tmp_path), progress=False)
    layer = adata.layers[f"{KEY}_fold_change"]
    assert is_in_file(layer)
    np.testing.assert_array_equal(layer, kompot.get_layer(adata, f"{KEY}_fold_change"))


def test_records_keep_where_layers_were_made(cells, tmp_path):
    adata = cells.copy()
    de(adata, disk_storage_dir=str(tmp_path))
    arguments = kompot.RunInfo(adata).call_args()
    assert arguments["disk_storage_dir"] == str(tmp_path)
