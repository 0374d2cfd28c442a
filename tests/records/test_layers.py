"""Blocks of layers, by whatever cells and genes are chosen."""

import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import kompot
from kompot import get_layer
from kompot.records.layers import has_layer

KEY = "kompot_de_control_to_treated"
CHANGE = f"{KEY}_fold_change"


@pytest.fixture(scope="module")
def stored(unanalysed, de):
    """Dense layers and, of the same run, factored ones."""
    dense, factored = unanalysed.copy(), unanalysed.copy()
    de(dense)
    de(factored, layers="factored")
    return {"dense": dense, "factored": factored}


@pytest.fixture(params=["dense", "factored"])
def adata(stored, request):
    return stored[request.param].copy()


CHOICES = [
    (None, None),
    (slice(10, 50, 3), slice(None, 4)),
    (slice(None, None, -7), None),
    ([5, 5, 0, -1], [2]),
    (np.arange(120) % 3 == 0, np.arange(10) > 6),
    (pd.Series(np.arange(120) < 4), pd.Series([True, False] * 5)),
    ([], None),
    (None, np.array([], dtype=bool)[:0]),
    (np.int64([3]), np.uint8([9, 0])),
]


@pytest.mark.parametrize(("cells", "genes"), CHOICES)
def test_blocks_are_those_of_the_whole(adata, cells, genes):
    whole = get_layer(adata, CHANGE)
    frame = pd.DataFrame(whole)
    rows = slice(None) if cells is None else cells
    columns = slice(None) if genes is None else genes
    if len(np.atleast_1d(columns)) == 0:
        columns = []
    rows = rows.to_numpy() if isinstance(rows, pd.Series) else rows
    columns = columns.to_numpy() if isinstance(columns, pd.Series) else columns
    expected = frame.iloc[rows, columns].to_numpy()
    found = get_layer(adata, CHANGE, cells, genes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_names_choose_in_their_order(adata):
    cells, genes = adata.obs_names[[7, 2]], adata.var_names[[5, 0, 5]]
    expected = get_layer(adata, CHANGE)[[7, 2]][:, [5, 0, 5]]
    np.testing.assert_allclose(get_layer(adata, CHANGE, cells, list(genes)), expected, atol=1e-6)
    one = get_layer(adata, CHANGE, cells[0], genes[0])
    assert one.shape == (1, 1)
    np.testing.assert_allclose(one[0, 0], expected[0, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("cells", "genes", "error", "match"),
    [
        ([120], None, ValueError, "`cells`: there is no position 120; there are 120"),
        (None, [-11], ValueError, "`genes`: there is no position -11"),
        (np.ones(7, bool), None, ValueError, "a mask must have 120 entries, got 7"),
        (None, ["gene_0", "TP53"], ValueError, r"`genes` without an entry.*\['gene_0', 'TP53'\]"),
        (slice("a", "b"), None, TypeError, "a slice must be of positions"),
        (np.ones((2, 2), int), None, ValueError, "must be one-dimensional"),
        ([0.5], None, ValueError, "`cells` without an entry"),
    ],
)
def test_mistakes_are_named(adata, cells, genes, error, match):
    with pytest.raises(error, match=match):
        get_layer(adata, CHANGE, cells, genes)


def test_names_that_are_not_unique_are_refused_only_if_asked_for(adata):
    names = adata.var_names.to_numpy().astype(object)
    first, other = names[0], names[5]
    names[1] = first
    adata.var_names = names
    assert get_layer(adata, CHANGE, genes=[other]).shape == (120, 1)
    with pytest.raises(ValueError, match="several are called"):
        get_layer(adata, CHANGE, genes=[first])
    assert get_layer(adata, CHANGE, genes=[1]).shape == (120, 1)


def test_changing_a_block_changes_no_layer(adata):
    before = get_layer(adata, CHANGE)
    get_layer(adata, CHANGE, cells=slice(0, 5))[:] = -1
    get_layer(adata, CHANGE)[:] = -1
    np.testing.assert_array_equal(get_layer(adata, CHANGE), before)


@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "h5ad", "csr_h5ad", "dask", "zarr"])
def test_expression_of_any_kind_is_read(rng, tmp_path, kind):
    values = rng.poisson(1.0, (30, 8)).astype(np.float32)
    adata = AnnData(values.copy())
    if kind in ("csr", "csc", "csr_h5ad"):
        made = {"csr": sparse.csr_array, "csc": sparse.csc_array}.get(kind, sparse.csr_matrix)
        adata.X = made(values)
    if "h5ad" in kind:
        import anndata

        adata.write_h5ad(tmp_path / "x.h5ad")
        adata = anndata.read_h5ad(tmp_path / "x.h5ad", backed="r")
    if kind == "dask":
        adata.X = pytest.importorskip("dask.array").from_array(values, chunks=(7, 8))
    if kind == "zarr":
        zarr = pytest.importorskip("zarr")
        adata.layers["x"] = zarr.array(values)
        np.testing.assert_array_equal(
            get_layer(adata, "x", [3, 1], [2, 7]), values[[3, 1]][:, [2, 7]]
        )
        return
    np.testing.assert_array_equal(get_layer(adata, None), values)
    np.testing.assert_array_equal(
        get_layer(adata, None, [9, 3, 20], [6, 1]), values[[9, 3, 20]][:, [6, 1]]
    )
    np.testing.assert_array_equal(get_layer(adata, None, genes=[4]), values[:, [4]])
    np.testing.assert_array_equal(get_layer(adata, None, slice(2, 9), slice(3)), values[2:9, :3])


def test_missing_layers_are_named(adata):
    with pytest.raises(ValueError, match=rf"There is no layer 'nothing'; there are .*{CHANGE}"):
        get_layer(adata, "nothing")
    assert not has_layer(adata, "nothing")
    assert not has_layer(adata, None)
    assert has_layer(adata, CHANGE)
    with pytest.raises(ValueError, match=r"adata\.X is empty"):
        get_layer(AnnData(obs=adata.obs), None)


def test_removed_layers_say_which_run_had_them(adata):
    kompot.cleanup(adata)
    assert not has_layer(adata, CHANGE)
    with pytest.raises(ValueError, match=r"Run 0 wrote it|of run 0 was stored as factors"):
        get_layer(adata, CHANGE)


def test_files_of_the_original_are_read_by_either_name(original):
    assert kompot.RunInfo(original, 0, "de").adata_fields["layers"]
    stored = next(name for name in original.layers if name.endswith(("_imputed", "_smoothed")))
    stem = stored.removesuffix("_imputed").removesuffix("_smoothed")
    expected = np.asarray(original.layers[stored])
    for name in (f"{stem}_imputed", f"{stem}_smoothed"):
        assert has_layer(original, name)
        np.testing.assert_array_equal(get_layer(original, name), expected)


def test_unreadable_history_leaves_dense_layers_readable(stored):
    adata = stored["dense"].copy()
    adata.uns["kompot_de"]["run_history"] = '{"factored_layers"'
    np.testing.assert_array_equal(get_layer(adata, CHANGE), adata.layers[CHANGE])


@pytest.mark.parametrize(("rows", "numbers"), [(1, 2**22), (7, 2**22), (50, 30), (4096, 1)])
def test_pieces_do_not_matter(stored, monkeypatch, rows, numbers):
    adata = stored["factored"]
    whole = get_layer(adata, f"{CHANGE}_zscores")
    monkeypatch.setattr("kompot.records.layers._ROWS", rows)
    monkeypatch.setattr("kompot.records.layers._NUMBERS", numbers)
    np.testing.assert_allclose(get_layer(adata, f"{CHANGE}_zscores"), whole, atol=1e-5)
    found = get_layer(adata, f"{CHANGE}_zscores", slice(None, None, -1), [3])
    np.testing.assert_allclose(found, whole[::-1, [3]], atol=1e-5)


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.parametrize("layers", ["dense", "factored"])
def test_files_that_are_read_lazily(stored, tmp_path, kind, layers):
    pytest.importorskip("dask")
    pytest.importorskip("xarray")
    from anndata.experimental import read_lazy

    adata = stored[layers]
    getattr(adata.copy(), f"write_{kind}")(tmp_path / f"cells.{kind}")
    lazy = read_lazy(tmp_path / f"cells.{kind}")
    expected = get_layer(adata, CHANGE)
    np.testing.assert_allclose(get_layer(lazy, CHANGE), expected, atol=1e-6)
    names = adata.var_names[[4, 2]]
    found = get_layer(lazy, CHANGE, [9, 3, 3], names)
    np.testing.assert_allclose(found, expected[[9, 3, 3]][:, [4, 2]], atol=1e-6)


# What is removed


def test_default_cleanup_removes_factors(stored):
    adata = stored["factored"].copy()
    kompot.cleanup(adata)
    assert "kompot_de_basis" not in adata.obsm
    assert not [name for name in adata.varm if "weights" in name]
    assert "kompot_de_control_std" in adata.obs


@pytest.mark.parametrize("keep", [True, ["fold_change"], ["fold_change_zscores"], ["imputed"]])
def test_factors_stay_with_what_is_made_of_them(stored, keep):
    adata = stored["factored"].copy()
    kompot.cleanup(adata, keep_layers=keep)
    assert get_layer(adata, CHANGE).shape == adata.shape


def test_factors_of_samples_are_removed_and_their_std_columns_stay(small, de):
    from kompot.datasets import simulate

    adata = simulate(n_cells=200, n_genes=6, n_donors=3, random_state=3)
    de(adata, layers="factored", sample_col="sample")
    assert has_layer(adata, "kompot_de_control_std")
    kompot.cleanup(adata)
    assert not [name for name in adata.varm if "weights" in name or "deviations" in name]
    assert "kompot_de_control_posterior_std" in adata.obs
    kompot.cleanup(adata, keep_obs_fields=False)
    assert "kompot_de_control_posterior_std" not in adata.obs


# densify


def test_dense_layers_are_recorded(stored):
    adata = stored["factored"].copy()
    kompot.densify(adata, progress=False)
    run = kompot.RunInfo(adata)
    assert run.adata_fields["layers"] == sorted(set(adata.layers))
    assert run.field_names["imputed_key_1"] == "kompot_de_control_imputed"
    assert not run.missing_fields
    owners = json.loads(adata.uns["kompot_de"]["anndata_fields"])
    assert owners["layers"][CHANGE] == 0
    kompot.cleanup(adata, keep_layers=["basis", "weights"])
    assert not adata.layers
    assert has_layer(adata, CHANGE)


def test_densify_chooses_runs_by_key(stored, de):
    adata = stored["factored"].copy()
    de(adata, layers="factored", result_key="other")
    kompot.densify(adata, result_key="kompot_de", progress=False)
    assert all(name.startswith("kompot_de") for name in adata.layers)
    kompot.densify(adata, 1, progress=False)
    assert len(adata.layers) == 6
    with pytest.raises(ValueError, match=r"holds \['other_control_imputed'"):
        kompot.densify(adata, progress=False)
    kompot.densify(adata, 1, "other", progress=False, overwrite=True)
    with pytest.raises(ValueError, match="run_id=0 and result_key='other'"):
        kompot.densify(adata, 0, "other", overwrite=True)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"run_id": 3}, "No DE run found with run_id=3"),
        ({"result_key": "x"}, "run_id=-1 and result_key='x'. Recorded runs: 0 .kompot_de, "),
    ],
)
def test_densify_names_what_is_wrong(stored, options, match):
    with pytest.raises(ValueError, match=match):
        kompot.densify(stored["factored"].copy(), **options)


def test_densify_needs_factors(stored):
    with pytest.raises(ValueError, match="Run 0 stored no factored layers"):
        kompot.densify(stored["dense"].copy())
    adata = stored["factored"].copy()
    del adata.varm["kompot_de_treated_weights"]
    with pytest.raises(ValueError, match=r"varm\['kompot_de_treated_weights'\] is missing"):
        kompot.densify(adata)
    assert not adata.layers


def test_densify_writes_all_or_nothing(stored, monkeypatch):
    adata = stored["factored"].copy()
    history = dict(adata.uns["kompot_de"])
    from kompot.anndata import dense_layers

    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original_rows(*args)

    original_rows = dense_layers.factored_rows
    monkeypatch.setattr(dense_layers, "factored_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kompot.densify(adata, progress=False)
    assert not adata.layers
    assert dict(adata.uns["kompot_de"]) == history


def test_densify_refuses_what_does_not_fit(stored):
    adata = stored["factored"].copy()
    with pytest.raises(MemoryError, match="3 dense layers of 120 cells x 10 genes"):
        kompot.densify(adata, max_memory_ratio=1e-12, store_arrays_on_disk=False)
    assert not adata.layers
