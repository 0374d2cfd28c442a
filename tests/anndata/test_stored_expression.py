"""Expression that does not lie in memory gives the results of expression that does."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata import AnnData
from anndata.io import sparse_dataset
from scipy import sparse

import kompot
from kompot.anndata import chunks, column_spool, row_readers, shuffled_genes
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_scale import LOOKED_AT
from kompot.anndata.row_readers import StoredRows
from kompot.models import cell_sums
from kompot.settings import Comparison, ExpressionSettings, OutputSettings

QUIET = {"progress": False, "random_state": 0, "null_genes": 80, "null_seed": 1, "layers": "none"}


@pytest.fixture(scope="module")
def cells():
    adata = kompot.datasets.simulate(n_cells=900, n_genes=40, n_donors=4, random_state=2)
    order = np.random.default_rng(0).permutation(adata.n_obs)  # samples lie in no order
    adata = adata[order].copy()
    adata.layers["csc"] = sparse.csc_matrix(adata.X)
    adata.layers["dense"] = adata.X.toarray()
    return adata


@pytest.fixture(scope="module")
def files(cells, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    cells.write_h5ad(folder / "cells.h5ad")
    cells.write_zarr(folder / "cells.zarr")
    return folder


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Spans, chunks and blocks of which the small data have many, none a multiple of another."""
    monkeypatch.setattr(row_readers, "_SPARSE_ROWS", 170)
    monkeypatch.setattr(row_readers, "_DENSE_BYTES", 130 * 40 * 4)
    monkeypatch.setattr(chunks, "_CHUNK", 400)
    monkeypatch.setattr(shuffled_genes, "_BLOCK", 35)
    monkeypatch.setattr(shuffled_genes, "_ROWS", 220)
    monkeypatch.setattr(column_spool, "_BLOCK_VALUES", 2000)
    monkeypatch.setattr("kompot.memory.expression_sizes.FIT_CHUNK", 60)


def opened(store, cells):
    """Data whose expression is in an open file or store."""

    def kept(element):
        is_sparse = "matrix" in element.attrs.get("encoding-type", "")
        return sparse_dataset(element) if is_sparse else element

    layers = {name: kept(store["layers"][name]) for name in ("csc", "dense")}
    obsm = dict(cells.obsm)
    return AnnData(kept(store["X"]), cells.obs.copy(), cells.var.copy(), layers=layers, obsm=obsm)


def in_dask(cells):
    array = pytest.importorskip("dask.array")
    sizes = (250, 1, 149, 300, 200)  # no two chunks the same
    adata = AnnData(array.from_array(cells.X, (sizes, (40,))), cells.obs.copy(), cells.var.copy())
    adata.layers["csc"] = array.from_array(cells.layers["csc"], (sizes, (40,)))
    adata.layers["dense"] = array.from_array(cells.layers["dense"], ((900,), (15, 25)))
    adata.obsm.update(
        {name: array.from_array(held, (300, -1)) for name, held in cells.obsm.items()}
    )
    return adata


def read_lazily(path):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    return ad.experimental.read_lazy(path)


KINDS = {
    "backed": lambda folder, _: ad.read_h5ad(folder / "cells.h5ad", backed="r"),
    "hdf5": lambda folder, cells: opened(h5py.File(folder / "cells.h5ad"), cells),
    "zarr": lambda folder, cells: opened(zarr.open(folder / "cells.zarr", mode="r"), cells),
    "lazy hdf5": lambda folder, _: read_lazily(folder / "cells.h5ad"),
    "lazy zarr": lambda folder, _: read_lazily(folder / "cells.zarr"),
    "dask": lambda _, cells: in_dask(cells),
}


@pytest.fixture(params=KINDS)
def stored(request, files, cells):
    return KINDS[request.param](files, cells)


def run(adata, **options):
    return kompot.compute_differential_expression(
        adata, "condition", "control", "treated", **QUIET | options
    )


def run_for_table(adata, **options):
    return run(adata, return_full_results=True, **options)["table"]


def assert_identical(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_exact=True, check_categorical=False)


@pytest.mark.parametrize(
    ("layer", "options"),
    [
        (None, {}),
        ("csc", {}),
        ("dense", {}),
        (None, {"sample_col": "sample"}),
        ("dense", {"sample_col": "sample", "significance": "cell"}),
    ],
    ids=["cells", "cells, by columns", "cells, dense", "donors", "cells of samples, dense"],
)
def test_results_are_those_of_data_in_memory(stored, cells, layer, options):
    expected = run_for_table(cells.copy(), layer=layer, **options)
    assert_identical(run_for_table(stored, layer=layer, **options), expected)
    name = "kompot_de_control_to_treated_mean_lfc"
    np.testing.assert_array_equal(np.asarray(stored.var[name]), expected["mean_lfc"])


@pytest.mark.parametrize(
    "options",
    [{"use_empirical_variance": True}, {"param_scheme": "separate"}],
    ids=lambda o: next(iter(o)),
)
def test_other_models(stored, cells, options):
    assert_identical(run_for_table(stored, **options), run_for_table(cells.copy(), **options))


def test_smoothed_expression(stored, cells):
    options = {"progress": False, "random_state": 0}
    memory = cells.copy()
    for adata in (stored, memory):
        kompot.compute_smoothed_expression(adata, **options)
    added = set(memory.layers) - set(cells.layers)
    assert added
    for name in added:
        np.testing.assert_array_equal(stored.layers[name], memory.layers[name])


def test_factored_layers(stored, cells):
    memory = cells.copy()
    for adata in (stored, memory):
        run(adata, layers="factored")
    name = "kompot_de_control_to_treated_fold_change"
    expected = kompot.get_layer(memory, name)
    np.testing.assert_array_equal(kompot.get_layer(stored, name), expected)


def test_chosen_cells_and_genes(stored, cells):
    options = {
        "genes": cells.var_names[5:30:2].tolist(),
        "cell_filter": {"branch": "branch_1"},
        "groups": "branch",
        "ls": "evidence",
    }
    assert_identical(run_for_table(stored, **options), run_for_table(cells.copy(), **options))


def test_values_of_cells_come_with_the_statistics(stored, cells):
    run(stored, layers="dense")
    memory = cells.copy()
    run(memory, layers="dense")
    layer, column = "kompot_de_control_to_treated_fold_change", "kompot_de_control_std"
    np.testing.assert_array_equal(stored.layers[layer], memory.layers[layer])
    np.testing.assert_array_equal(stored.obs[column], memory.obs[column])


def test_null_check(stored, cells):
    options = {"sample_col": "sample", "n_splits": 3, "progress": False}
    conditions = "condition", "control", "treated"
    expected = kompot.null_check(cells, *conditions, **options).p_values
    assert_identical(kompot.null_check(stored, *conditions, **options).p_values, expected)


def test_representation_and_diffusion_maps(stored, cells):
    options = {"groupby": "condition", "groups": "branch", "min_cells": 200, "warn": False}
    expected = kompot.check_underrepresentation(cells, **options)
    assert kompot.check_underrepresentation(stored, **options) == expected
    memory = cells.copy()
    for adata in (memory, stored):
        kompot.diffusion_maps(adata, pca_key="X_tree", eigvec_key="DM", n_components=3)
    np.testing.assert_array_equal(np.asarray(stored.obsm["DM"]), memory.obsm["DM"])


def test_abundance(stored, cells):
    conditions = "condition", "control", "treated"
    expected = kompot.compute_differential_abundance(
        cells.copy(), *conditions, return_full_results=True
    )["table"]
    found = kompot.compute_differential_abundance(stored, *conditions, return_full_results=True)[
        "table"
    ]
    assert_identical(found, expected)
    name = "kompot_da_control_to_treated_lfc"
    np.testing.assert_array_equal(np.asarray(stored.obs[name]), expected["lfc"])


def test_samples_are_summed_in_as_many_passes_as_memory_asks_for(stored, cells, monkeypatch):
    expected = run_for_table(cells.copy(), sample_col="sample")
    monkeypatch.setattr(cell_sums, "_SHARE", 0.0)  # one sample at a time
    assert_identical(run_for_table(stored, sample_col="sample"), expected)


@pytest.mark.parametrize("layer", [None, "dense"])
def test_shuffled_genes_may_lie_in_files(stored, cells, layer, monkeypatch):
    expected = run_for_table(cells.copy(), layer=layer)
    monkeypatch.setattr(shuffled_genes, "_SHARE", 0.0)
    assert_identical(run_for_table(stored, layer=layer), expected)


@pytest.mark.parametrize("available", [1, 10**9])
def test_what_is_left_to_the_process_decides_where_shuffled_genes_lie(
    stored, available, monkeypatch
):
    """What the machine had free counted, whatever a container left of it."""
    seen, read = [], shuffled_genes._read

    def watched(*arguments, on_disk, **options):
        seen.append(on_disk)
        return read(*arguments, on_disk=on_disk, **options)

    monkeypatch.setattr(shuffled_genes, "_read", watched)
    monkeypatch.setattr("kompot.memory.available_bytes", lambda *_: available)
    settings = ExpressionSettings(Comparison("", "", ""), output=OutputSettings(progress=False))
    matrix = chunks.expression_matrix(stored, None)
    rows = ExpressionRows(matrix, np.arange(stored.n_obs))
    shuffled_genes.shuffled_genes(rows, 5, settings)
    assert seen == [available == 1]


class Recorded:
    """A matrix that remembers which rows were asked for."""

    def __init__(self, matrix):
        self.matrix, self.asked = matrix, []
        self.shape, self.dtype, self.format = matrix.shape, matrix.dtype, "csr"

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.asked.append((rows.start, rows.stop))
        return self.matrix[rows]

    @property
    def n_rows(self):
        return sum(stop - start for start, stop in self.asked)


@pytest.mark.parametrize("sample_col", [None, "sample"])
def test_few_rows_at_a_time_and_few_passes(cells, sample_col, monkeypatch):
    recorded = Recorded(cells.X)
    with monkeypatch.context() as patched:
        patched.setattr("kompot.anndata.inputs.expression_matrix", lambda *_: StoredRows(recorded))
        found = run_for_table(cells.copy(), sample_col=sample_col)
    assert max(stop - start for start, stop in recorded.asked) <= 170
    n_passes = 1 if sample_col else 2  # the columns of shuffled genes take one more
    n_looked_at = recorded.n_rows - n_passes * cells.n_obs - LOOKED_AT
    assert n_looked_at <= (
        cells.n_obs if sample_col else 0
    )  # cells that tell what a count is worth
    assert_identical(found, run_for_table(cells.copy(), sample_col=sample_col))


def test_rows_in_any_plan_are_read_once(cells, rng):
    recorded = Recorded(cells.X)
    chosen = np.sort(rng.choice(cells.n_obs, 500, replace=False))
    rows = ExpressionRows(StoredRows(recorded), chosen)
    owner = rng.integers(7, size=500)
    plan = [np.flatnonzero(owner == number) for number in range(7)]
    found = dict(rows.stream(plan))
    assert sorted(found) == list(range(7))
    for number, positions in enumerate(plan):
        expected = cells.X[chosen[positions]]
        assert (found[number] != expected).nnz == 0
    spans = np.array(recorded.asked)
    assert (spans[1:, 0] >= spans[:-1, 1]).all()


@pytest.mark.parametrize("kind", ["backed", "zarr", "dask"])
def test_missing_values_are_refused_before_anything_is_written(kind, cells, tmp_path):
    bad = cells.copy()
    row = int(np.flatnonzero(np.diff(bad.X.indptr))[700])
    place = bad.X.indptr[row]
    bad.X.data[place] = np.nan
    gene = bad.var_names[bad.X.indices[place]]
    bad.write_h5ad(tmp_path / "cells.h5ad")
    bad.write_zarr(tmp_path / "cells.zarr")
    stored = KINDS[kind](tmp_path, bad)
    before = list(stored.var.columns), list(stored.uns)
    with pytest.raises(ValueError, match=f"1 NaN, .* values.*{gene}.*{bad.obs_names[row]}"):
        run(stored)
    assert (list(stored.var.columns), list(stored.uns)) == before
    run(stored, genes=[name for name in bad.var_names if name != gene])


@pytest.mark.parametrize("kind", ["backed", "hdf5", "zarr"])
def test_copy_of_data_on_disk_is_refused_before_computing(files, cells, kind):
    stored = KINDS[kind](files, cells)
    with pytest.raises(ValueError, match="`copy=True` cannot copy data whose matrices are on disk"):
        run(stored, copy=True)
    assert "kompot_de" not in stored.uns


def test_part_of_backed_data_is_refused_before_computing(files):
    backed = ad.read_h5ad(files / "cells.h5ad", backed="r")
    with pytest.raises(ValueError, match="part of data that are backed"):
        run(backed[:400])
    assert "kompot_de" not in backed.uns


def test_what_is_no_matrix_is_refused():
    with pytest.raises(TypeError, match="The expression is a list"):
        row_readers.open_rows([[1.0]])
    array = pytest.importorskip("dask.array")
    unknown = array.zeros((5, 2))[array.ones(5, dtype=bool)]
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        row_readers.open_rows(unknown)


@pytest.mark.parametrize("kind", ["lazy hdf5", "lazy zarr", "dask"])
def test_copy_of_lazy_data_has_the_results(kind, files, cells):
    stored = KINDS[kind](files, cells)
    copy = run(stored, copy=True)
    name = "kompot_de_control_to_treated_mean_lfc"
    expected = run(cells.copy(), copy=True).var[name]
    np.testing.assert_array_equal(copy.var[name], expected)
    assert name not in stored.var
