import numpy as np
import pytest
from matplotlib.figure import Figure

from kompot.anndata import compute_smoothed_expression
from kompot.datasets import simulate
from kompot.plot import plot_smoothing


@pytest.fixture(scope="session")
def _smoothed():
    adata = simulate(n_cells=150, n_genes=20, mean_count=2.0, random_state=0)
    options = {"random_state": 0, "progress": False}
    compute_smoothed_expression(adata, use_empirical_variance=True, **options)
    compute_smoothed_expression(adata, "condition", "treated", **options)
    return adata


@pytest.fixture
def smoothed(_smoothed):
    return _smoothed.copy()


@pytest.fixture
def figure():
    return Figure(figsize=(9, 8), layout="constrained")


def test_panels_show_the_stored_values(smoothed, figure):
    chosen = list(smoothed.var_names[[3, 7]])
    found = plot_smoothing(smoothed, chosen, basis="X_tree", figure=figure)
    assert found.genes == tuple(chosen)
    assert found.panels == ("expression", "smoothed", "std")
    assert found.axes.shape == (2, 3)
    assert figure.get_suptitle() == "Smoothed expression of treated"
    for row, gene in zip(found.axes, (3, 7), strict=True):
        for ax, name in zip(row[1:], ("smoothed", "std"), strict=True):
            values = smoothed.layers[f"kompot_smooth_treated_{name}"][:, gene].astype(float)
            points = ax.collections[1]
            np.testing.assert_allclose(
                points.get_array(), values[np.argsort(values, kind="stable")]
            )
        assert row[0].get_ylabel() == smoothed.var_names[gene]
    assert found.axes[0, 1].collections[1].get_cmap().name == "Spectral_r"
    assert found.axes[0, 2].collections[1].get_cmap().name == "magma"


def test_genes_that_vary_most_are_chosen_and_unknown_ones_left_out(smoothed, figure):
    layer = smoothed.layers["kompot_smooth_treated_smoothed"]
    layer[:, 4] = np.nan
    found = plot_smoothing(smoothed, n_top_genes=3, basis="tree", figure=figure)
    spread = np.nan_to_num(layer.astype(float).var(axis=0), nan=-1)
    assert list(found.genes) == list(smoothed.var_names[np.argsort(-spread)[:3]])
    few = plot_smoothing(smoothed, n_top_genes=99, basis="tree")
    assert len(few.genes) == 19


def test_condition_and_observation_variance(smoothed, figure):
    only = [smoothed.var_names[0]]
    with pytest.raises(ValueError, match=r"1 \(kompot_smooth, treated\)"):
        plot_smoothing(smoothed, only, basis="tree", condition="control")
    adata = smoothed
    compute_smoothed_expression(
        adata, use_empirical_variance=True, random_state=0, progress=False, overwrite=True
    )
    found = plot_smoothing(adata, only, basis="tree", figure=figure)
    assert found.panels[-1] == "obs_variance"
    assert figure.get_suptitle() == "Smoothed expression of all cells"
    without = plot_smoothing(adata, only, basis="tree", show_obs_variance=False)
    assert without.panels == ("expression", "smoothed", "std")


def test_layers_without_a_record_are_found_by_name(smoothed, figure):
    del smoothed.uns["kompot_smooth"]
    only = smoothed.var_names[0]
    found = plot_smoothing(smoothed, only, basis="tree", condition="treated", figure=figure)
    assert found.genes == (only,)
    with pytest.raises(ValueError, match="'other_all_smoothed' does not exist"):
        plot_smoothing(smoothed, only, basis="tree", result_key="other")


def test_factored_layers_are_drawn(smoothed, figure):
    options = {"random_state": 0, "progress": False, "layers": "factored"}
    compute_smoothed_expression(smoothed, "condition", "treated", result_key="f", **options)
    found = plot_smoothing(smoothed, n_top_genes=2, basis="tree", result_key="f", figure=figure)
    dense = plot_smoothing(smoothed, n_top_genes=2, basis="tree")
    assert found.genes == dense.genes
    values = [one.axes[0, 1].collections[1].get_array() for one in (found, dense)]
    np.testing.assert_allclose(np.sort(values[0]), np.sort(values[1]), rtol=1e-4)


def test_figure_file_and_unchanged_data(smoothed, tmp_path):
    names = list(smoothed.layers), list(smoothed.uns)
    path = tmp_path / "panels.png"
    figure = plot_smoothing(smoothed, n_top_genes=1, basis="tree", save=path, return_fig=True)
    assert isinstance(figure, Figure)
    assert path.stat().st_size > 10_000
    assert (list(smoothed.layers), list(smoothed.uns)) == names


def test_bad_input_is_named(smoothed):
    with pytest.raises(ValueError, match="empty"):
        plot_smoothing(smoothed, [], basis="tree")
    with pytest.raises(ValueError, match="no gene"):
        plot_smoothing(smoothed, ["no gene"], basis="tree")
    with pytest.raises(ValueError, match="no embedding 'X_umap'"):
        plot_smoothing(smoothed)
