import anndata
import numpy as np
import pandas as pd
import pytest

from kompot.datasets import simulate
from kompot.datasets.embedding import diffusion_components
from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory


@pytest.fixture(scope="module")
def adata():
    return simulate(n_cells=2500, n_genes=300)


def assert_same(first, second):
    pd.testing.assert_frame_equal(first.obs, second.obs)
    pd.testing.assert_frame_equal(first.var, second.var)
    for name in ("DM_EigenVectors", "X_tree"):
        np.testing.assert_array_equal(first.obsm[name], second.obsm[name])
    assert (first.layers["counts"] != second.layers["counts"]).nnz == 0
    assert (first.X != second.X).nnz == 0


def test_same_seed_gives_same_data(adata):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert_same(adata, simulate(n_cells=2500, n_genes=300))
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_other_seed_gives_other_data(adata):
    other = simulate(n_cells=2500, n_genes=300, random_state=1)
    assert not np.any(adata.obs["pseudotime"].to_numpy() == other.obs["pseudotime"].to_numpy())
    assert np.corrcoef(adata.var["true_lfc"], other.var["true_lfc"])[0, 1] < 0.5
    counts = [data.layers["counts"].sum(0).A1 for data in (adata, other)]
    assert abs(np.corrcoef(*counts)[0, 1]) < 0.3


def test_cells_do_not_depend_on_genes(adata):
    other = simulate(n_cells=2500, n_genes=2, fraction_global=1.0, fraction_local=0, mean_count=3)
    pd.testing.assert_frame_equal(adata.obs, other.obs)
    np.testing.assert_array_equal(adata.obsm["DM_EigenVectors"], other.obsm["DM_EigenVectors"])


def test_effects_do_not_move_other_genes():
    plain = simulate(n_cells=300, n_genes=50, fraction_global=0, fraction_local=0)
    other = simulate(n_cells=300, n_genes=50, fraction_global=0.1, fraction_local=0)
    null = ~other.var["is_de"].to_numpy()
    control = (other.obs["condition"] == "control").to_numpy()
    # The same seeds, so that control cells have the same rates; only chance differs.
    means = [np.log(data.layers["counts"][control].mean(0).A1 + 0.1) for data in (plain, other)]
    assert np.corrcoef(means[0][null], means[1][null])[0, 1] > 0.98


@pytest.mark.filterwarnings("ignore:Writing zarr v2 data:UserWarning")  # anndata 0.12
@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_stored_parameters_survive_a_file_and_give_the_data_again(kind, tmp_path):
    adata = simulate(
        n_cells=120, n_genes=20, n_donors=(2, 3), donor_composition=None, random_state=7
    )
    path = tmp_path / f"data.{kind}"
    if kind == "h5ad":
        adata.write_h5ad(path)
        read = anndata.read_h5ad(path)
    else:
        adata.write_zarr(path)
        read = anndata.read_zarr(path)
    assert_same(adata, read)
    assert set(read.uns["simulation"]) == set(simulate.__kwdefaults__)
    assert_same(adata, simulate(**read.uns["simulation"]))


def test_types_and_order(adata):
    assert adata.X.format == adata.layers["counts"].format == "csr"
    assert adata.X.dtype == adata.layers["counts"].dtype == np.float32
    assert not np.shares_memory(adata.X.indices, adata.layers["counts"].indices)
    assert simulate(n_cells=50, n_genes=5, dtype="float64").X.dtype == np.float64
    assert list(adata.obs["condition"].cat.categories) == ["control", "treated"]
    assert list(adata.obs["branch"].cat.categories) == ["root", "branch_1", "branch_2"]
    assert list(adata.var["effect"].cat.categories) == ["none", "global", "branch", "local"]
    assert adata.var_names[[0, -1]].tolist() == ["gene_0001", "gene_0300"]
    assert adata.obs_names.is_unique
    # Cells are in random order.
    assert np.mean(np.diff(adata.obs["sample"].cat.codes) == 0) < 0.3


def test_pseudotime_lies_in_the_segment(adata):
    time = adata.obs["pseudotime"]
    root = adata.obs["branch"] == "root"
    assert time[root].between(0, 0.35).all()
    assert time[~root].between(0.35, 1).all()


def test_embedding_has_decaying_scales_and_low_rank(adata):
    states = adata.obsm["DM_EigenVectors"]
    assert states.shape == (2500, 10)
    scale = states.std(axis=0)
    assert 0.7 < scale[0] < 1.3
    assert scale[-1] < 0.25 * scale[0]
    x = states[:800]
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(2))
    nearest = np.sort(distance, axis=1)[:, 1]
    s = np.sqrt(5) * distance / (10 * np.exp(np.log(nearest).mean() + 3))
    spectrum = np.linalg.eigvalsh((1 + s + s**2 / 3) * np.exp(-s))
    residual = np.cumsum(spectrum) / len(x)
    assert np.sum(residual > 1e-6) < 300


def test_diffusion_components_are_orthonormal_up_to_scale_and_continuous():
    tree = Trajectory(3, 0.4)
    ends = CellStates(np.arange(4), np.full(4, 0.4))
    at_branch_point = diffusion_components(tree, ends, 6)
    np.testing.assert_allclose(at_branch_point, at_branch_point[:1].repeat(4, 0), atol=1e-9)

    # A single branch is an interval, on which the components are cosines.
    line = Trajectory(1, 0.5)
    time = np.linspace(0, 1, 401)
    states = diffusion_components(line, CellStates((time > 0.5).astype(int), time), 3)
    for order in (1, 2, 3):
        cosine = np.cos(np.pi * order * time)
        assert abs(np.corrcoef(states[:, order - 1], cosine)[0, 1]) > 0.999
        assert states[:, order - 1].std() == pytest.approx(1 / order, rel=0.02)


def test_embedding_shift_moves_condition_two_by_its_length():
    still, moved = (
        simulate(n_cells=200, n_genes=2, embedding_shift=shift).obsm["DM_EigenVectors"]
        for shift in (0, 1.5)
    )
    treated = simulate(n_cells=200, n_genes=2).obs["condition"] == "treated"
    length = np.linalg.norm(moved - still, axis=1)
    np.testing.assert_allclose(length, np.where(treated, 1.5, 0), atol=1e-12)


def test_picture_separates_branches(adata):
    height = adata.obsm["X_tree"][:, 1]
    end = adata.obs["pseudotime"].to_numpy() > 0.9
    branch = adata.obs["branch"].to_numpy(str)
    assert height[end & (branch == "branch_1")].min() > 0.7
    assert height[end & (branch == "branch_2")].max() < -0.7
    assert simulate(n_cells=100, n_genes=2, n_branches=1).obsm["X_tree"][:, 1].std() < 0.05


@pytest.mark.parametrize("n_branches", [1, 2, 5])
def test_basis_has_unit_length_and_is_smooth_at_the_branch_point(n_branches):
    tree = Trajectory(n_branches, 0.3)
    segment = np.repeat(np.arange(n_branches + 1), 50)
    time = np.concatenate([np.linspace(*tree.bounds(s), 50) for s in range(n_branches + 1)])
    basis = tree.smooth_basis(segment, time)
    assert basis.shape == (len(segment), 4 * (1 + n_branches))
    np.testing.assert_allclose(np.linalg.norm(basis, axis=1), 1)
    root_end = basis[49]
    for branch in range(1, n_branches + 1):
        np.testing.assert_allclose(basis[50 * branch], root_end, atol=1e-12)
    # Slopes from both sides agree.
    h = 1e-5
    both = tree.smooth_basis(np.array([0, 0, 1, 1]), np.array([0.3 - h, 0.3, 0.3, 0.3 + h]))
    np.testing.assert_allclose((both[1] - both[0]) / h, (both[3] - both[2]) / h, atol=1e-2)
