import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from kompot.plot import plot_gene_expression

KEY = "kompot_de_control_to_treated"


@pytest.fixture
def figure():
    return Figure(figsize=(9, 8), layout="constrained")


def coloured(ax):
    """The points with colours, which lie over the grey ones."""
    return ax.collections[1]


def dense(matrix):
    return matrix.toarray() if hasattr(matrix, "toarray") else matrix


def test_panels_show_the_stored_values(analysed, figure):
    gene = analysed.var_names[5]
    panels = plot_gene_expression(analysed, gene, basis="X_tree", figure=figure)
    assert panels.figure is figure
    for ax, layer in (
        (panels.expression, None),
        (panels.condition1, "kompot_de_control_imputed"),
        (panels.condition2, "kompot_de_treated_imputed"),
        (panels.fold_change, f"{KEY}_fold_change"),
    ):
        values = dense(analysed.X if layer is None else analysed.layers[layer])[:, 5]
        points = coloured(ax)
        order = np.argsort(np.abs(values), kind="stable")
        np.testing.assert_allclose(points.get_array(), values[order])
        np.testing.assert_allclose(points.get_offsets(), analysed.obsm["X_tree"][order])
        assert points.get_rasterized()
    assert coloured(panels.condition1).get_clim() == coloured(panels.condition2).get_clim()
    low, high = coloured(panels.fold_change).get_clim()
    assert low == -high
    assert "treated" in panels.condition2.get_title()
    assert figure.get_suptitle().startswith(f"{gene}, mean log fold change")


def test_basis_without_its_prefix_and_own_texts(analysed, figure):
    gene = analysed.var_names[0]
    panels = plot_gene_expression(
        analysed,
        gene,
        basis="tree",
        title="A title",
        layer="counts",
        cmap_expression="cividis",
        cmap_fold_change="PuOr",
        figure=figure,
    )
    assert figure.get_suptitle() == "A title"
    assert panels.fold_change.get_xlabel() == "tree 1"
    assert coloured(panels.expression).get_cmap().name == "cividis"
    assert coloured(panels.fold_change).get_cmap().name == "PuOr"
    counts = dense(analysed.layers["counts"])[:, 0]
    np.testing.assert_allclose(coloured(panels.expression).get_array(), np.sort(counts))


def test_cells_without_a_value_stay_grey(analysed, figure):
    analysed.layers[f"{KEY}_fold_change"][:20] = np.nan
    panels = plot_gene_expression(analysed, analysed.var_names[0], basis="X_tree", figure=figure)
    assert len(coloured(panels.fold_change).get_offsets()) == analysed.n_obs - 20
    assert len(panels.fold_change.collections[0].get_offsets()) == analysed.n_obs


def test_gene_that_is_constant(analysed, figure):
    for layer in ("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"):
        analysed.layers[layer][:, 0] = 0
    plot_gene_expression(analysed, analysed.var_names[0], basis="X_tree", figure=figure)
    figure.canvas.draw()


def test_smoothed_layers_of_newer_files(analysed, figure):
    history = json.loads(analysed.uns["kompot_de"]["run_history"])
    keys = history[0].pop("imputed_layer_keys")
    for part in ("condition1", "condition2"):
        name = keys[part].replace("imputed", "smoothed")
        analysed.layers[name] = analysed.layers.pop(keys[part])
        keys[part] = name
    history[0]["smoothed_layer_keys"] = keys
    analysed.uns["kompot_de"]["run_history"] = json.dumps(history)
    panels = plot_gene_expression(analysed, analysed.var_names[0], basis="X_tree", figure=figure)
    assert len(coloured(panels.condition1).get_offsets()) == analysed.n_obs


def test_data_are_not_changed_and_no_figure_is_opened(analysed, figure):
    before = {name: layer.copy() for name, layer in analysed.layers.items()}
    plot_gene_expression(analysed, analysed.var_names[0], basis="X_tree", figure=figure)
    assert plt.get_fignums() == []
    assert analysed.layers.keys() == before.keys()
    for name, layer in before.items():
        np.testing.assert_array_equal(dense(layer), dense(analysed.layers[name]))


def test_new_figure_has_the_size_asked_for(analysed):
    panels = plot_gene_expression(analysed, analysed.var_names[0], basis="X_tree", figsize=(6, 5))
    np.testing.assert_allclose(panels.figure.get_size_inches(), (6, 5))


def test_unknown_names_are_refused(analysed, figure):
    gene = analysed.var_names[0]
    with pytest.raises(ValueError, match="TP53"):
        plot_gene_expression(analysed, "TP53", basis="X_tree", figure=figure)
    with pytest.raises(ValueError, match=r"X_umap.*DM_EigenVectors.*X_tree"):
        plot_gene_expression(analysed, gene, figure=figure)
    with pytest.raises(ValueError, match="no layer 'nothing'"):
        plot_gene_expression(analysed, gene, basis="X_tree", layer="nothing", figure=figure)
    with pytest.raises(TypeError, match="show"):
        plot_gene_expression(analysed, gene, basis="X_tree", show=True)
    del analysed.layers[f"{KEY}_fold_change"]
    with pytest.raises(ValueError, match="layers='dense'"):
        plot_gene_expression(analysed, gene, basis="X_tree", figure=figure)
    assert figure.axes == []
