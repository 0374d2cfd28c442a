import json
import pickle

import numpy as np
import pytest
from anndata import AnnData, read_h5ad
from scipy import sparse

from kompot import compute_differential_abundance, diffusion_maps
from kompot.gp.diffusion import diffusion_map


@pytest.fixture
def cells(rng):
    return AnnData(np.zeros((90, 1)), obsm={"X_pca": rng.normal(size=(90, 4)).astype(np.float32)})


def fingerprint(adata):
    return pickle.dumps([dict(getattr(adata, name)) for name in ("obsm", "obsp", "uns")])


def test_stores_the_map_under_its_documented_names(cells):
    assert diffusion_maps(cells, n_components=3, knn=12) is None
    found = diffusion_map(cells.obsm["X_pca"].astype(float), 3, knn=12)
    np.testing.assert_array_equal(cells.obsm["DM_EigenVectors"], found.multiscale)
    np.testing.assert_array_equal(cells.uns["DM_EigenValues"], found.eigenvalues[1:])
    assert (cells.obsp["DM_Kernel"] != found.kernel).nnz == 0
    np.testing.assert_allclose(cells.obsp["DM_Similarity"].sum(axis=1), 1)


def test_scaling_is_by_eigenvalue_over_one_minus_eigenvalue(cells):
    diffusion_maps(cells, n_components=3, knn=12)
    diffusion_maps(
        cells, n_components=3, knn=12, multiscale=False, eigvec_key="plain", overwrite=True
    )
    values = cells.uns["DM_EigenValues"]
    scaled = cells.obsm["plain"] * values / (1 - values)
    np.testing.assert_allclose(cells.obsm["DM_EigenVectors"], scaled)


def test_a_copy_leaves_the_data(cells):
    before = fingerprint(cells)
    changed = diffusion_maps(cells, copy=True, knn=12)
    assert fingerprint(cells) == before
    assert changed.obsm["DM_EigenVectors"].shape == (90, 10)


def test_numbers_of_numpy_are_recorded_as_numbers(cells):
    diffusion_maps(cells, n_components=np.int64(3), knn=np.int32(12), alpha=np.float32(0.5))
    params = json.loads(cells.uns["kompot_dm"]["last_run_info"])["params"]
    assert (params["n_components"], params["knn"], params["alpha"]) == (3, 12, 0.5)


def test_names_can_be_chosen_and_left_out(cells):
    diffusion_maps(
        cells, knn=12, kernel_key=None, sim_key=None, eigval_key="values", eigvec_key="X_dm"
    )
    assert set(cells.obsm) == {"X_pca", "X_dm"}
    assert list(cells.obsp) == []
    assert set(cells.uns) == {"values", "kompot_dm"}


def test_components_serve_the_analyses_and_survive_a_file(adata, tmp_path):
    adata.obsm["X_pca"] = adata.obsm.pop("DM_EigenVectors")
    diffusion_maps(adata)
    compute_differential_abundance(adata, "condition", "control", "treated", progress=False)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    again = read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(again.obsm["DM_EigenVectors"], adata.obsm["DM_EigenVectors"])
    record = json.loads(again.uns["kompot_dm"]["last_run_info"])
    assert record["params"]["knn"] == 30
    assert record["environment"]["package_versions"]["kompot"]


def test_sparse_principal_components(cells):
    dense = diffusion_maps(cells, knn=12, copy=True)
    cells.obsm["X_pca"] = sparse.csr_matrix(cells.obsm["X_pca"])
    diffusion_maps(cells, knn=12)
    np.testing.assert_array_equal(cells.obsm["DM_EigenVectors"], dense.obsm["DM_EigenVectors"])


def test_existing_results(cells):
    diffusion_maps(cells, knn=12)
    with pytest.warns(UserWarning, match="already exist.*DM_EigenVectors"):
        diffusion_maps(cells, knn=15)
    before = fingerprint(cells)
    with pytest.raises(ValueError, match="already exist"):
        diffusion_maps(cells, knn=12, overwrite=False)
    assert fingerprint(cells) == before


MISTAKES = [
    ({"pca_key": "X_pc"}, ValueError, r"PCA coordinates not found: .*'X_pc'.*\['X_pca'\]"),
    ({"n_components": 0}, ValueError, "at least 1 and at most 88 with 90 cells, got 0"),
    ({"n_components": 2.0}, TypeError, "'n_components' must be a whole number, got 2.0"),
    ({"knn": 3}, ValueError, "at least 4 and at most 90 with 90 cells, got 3"),
    ({"knn": 91}, ValueError, "got 91"),
    ({"knn": True}, TypeError, "'knn' must be a whole number"),
    ({"seed": -1}, ValueError, "'seed' must be finite and at least 0"),
    ({"alpha": 1.5}, ValueError, "'alpha' must be finite and at least 0 and at most 1, got 1.5"),
    ({"alpha": np.nan}, ValueError, "'alpha'"),
    ({"alpha": "1"}, TypeError, "'alpha' must be a number, got '1'"),
    ({"kernel_key": "a/b"}, ValueError, "without '/'"),
    ({"kernel_key": "DM_Similarity"}, ValueError, "a key of its own"),
]


@pytest.mark.parametrize(("options", "error", "match"), MISTAKES)
def test_mistakes_are_named_and_change_nothing(cells, options, error, match):
    before = fingerprint(cells)
    with pytest.raises(error, match=match):
        diffusion_maps(cells, **options)
    assert fingerprint(cells) == before


def test_bad_cells_are_counted(cells):
    cells.obsm["X_pca"][[3, 8], 0] = np.nan, np.inf
    with pytest.raises(ValueError, match=r"in 2 of 90 cells \(first: \['3', '8'\]\)"):
        diffusion_maps(cells)


def test_text_is_no_embedding(cells):
    cells.obsm["X_pca"] = np.full((90, 2), "a")
    with pytest.raises(ValueError, match="must be a matrix of numbers"):
        diffusion_maps(cells)


def test_something_else_than_anndata():
    with pytest.raises(TypeError, match="must be an AnnData object, got ndarray"):
        diffusion_maps(np.zeros((50, 3)))


def test_types_of_cells_are_separated_in_real_data(kang):
    old = kang.obsm["DM_EigenVectors"].copy()
    diffusion_maps(kang, overwrite=True)
    # The same leading structure as scanpy's diffusion map of the same data, which uses another
    # kernel: cosines of the angles between the two five-dimensional spaces.
    q1, q2 = (np.linalg.qr(one[:, :5])[0] for one in (old, kang.obsm["DM_EigenVectors"]))
    assert np.linalg.svd(q1.T @ q2, compute_uv=False).min() > 0.9
