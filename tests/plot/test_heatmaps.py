import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from kompot.plot import HeatmapResult, heatmap
from kompot.plot.tiles import cluster

KEY = "kompot_de_control_to_treated"


def tiles(ax):
    return [one for one in ax.collections if isinstance(one, PolyCollection)]


def genes_of(ax):
    return [text.get_text() for text in ax.get_yticklabels()]


def groups_of(ax):
    return [text.get_text() for text in ax.get_xticklabels()]


def means(adata, layer, genes, members=None):
    matrix = adata.X if layer is None else adata.layers[layer]
    matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    frame = pd.DataFrame(matrix, index=adata.obs_names, columns=adata.var_names)[list(genes)]
    if members is not None:
        frame = frame[members]
    return frame.groupby(adata.obs["branch"].loc[frame.index], observed=False).mean().T


def test_data_come_with_the_figure(compared):
    found = heatmap(
        compared, list(compared.var_names[:3]), "branch", return_data=True, return_fig=True
    )
    assert isinstance(found, HeatmapResult)
    assert isinstance(found.fig, Figure)


def test_halves_are_both_conditions(compared, ax):
    genes = list(compared.var_names[:6])
    found = heatmap(
        compared,
        genes,
        "branch",
        standard_scale=None,
        cluster_rows=False,
        cluster_cols=False,
        sort_genes=False,
        return_data=True,
        ax=ax,
    )
    assert isinstance(found, HeatmapResult)
    assert genes_of(ax) == genes
    assert groups_of(ax) == list(compared.obs["branch"].cat.categories)
    for halves, table, layer in (
        (tiles(ax)[0], found.cond1_means, "kompot_de_control_imputed"),
        (tiles(ax)[1], found.cond2_means, "kompot_de_treated_imputed"),
    ):
        expected = means(compared, layer, genes).to_numpy()
        np.testing.assert_allclose(table.to_numpy(), expected, rtol=1e-5)
        np.testing.assert_allclose(halves.get_array(), expected.ravel(), rtol=1e-5)
        assert {len(path.vertices) for path in halves.get_paths()} == {4}
    changes = means(compared, f"{KEY}_fold_change", genes).to_numpy()
    np.testing.assert_allclose(found.fold_changes.to_numpy(), changes, rtol=1e-5, atol=1e-7)
    upper, lower = (one.get_paths()[0].vertices[:-1].mean(axis=0) for one in tiles(ax))
    # Rows count downwards: the first half is above and left of the second.
    assert (upper < lower).all()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["control (upper left)", "treated (lower right)"]


def test_measured_expression_is_averaged_in_each_condition(compared, ax):
    genes = list(compared.var_names[:3])
    options = {"cluster_rows": False, "cluster_cols": False, "sort_genes": False}
    found = heatmap(
        compared,
        genes,
        "branch",
        layer="counts",
        standard_scale=None,
        return_data=True,
        ax=ax,
        **options,
    )
    inside = (compared.obs["condition"] == "treated").to_numpy()
    expected = means(compared, "counts", genes, inside)
    np.testing.assert_allclose(found.cond2_means.to_numpy(), expected.to_numpy())
    difference = found.cond2_means - found.cond1_means
    np.testing.assert_allclose(found.fold_changes.to_numpy(), difference.to_numpy())


@pytest.mark.parametrize(("scale", "axis"), [("var", 1), ("group", 0)])
def test_scaling_to_0_and_1_over_both_conditions(compared, ax, scale, axis):
    found = heatmap(compared, groupby="branch", standard_scale=scale, return_data=True, ax=ax)
    both = np.stack([found.cond1_means, found.cond2_means])
    np.testing.assert_allclose(both.min(axis=(0, axis + 1)), 0, atol=1e-12)
    np.testing.assert_allclose(both.max(axis=(0, axis + 1)), 1)


def test_fold_changes_are_red_and_blue_around_zero(compared, ax):
    heatmap(compared, groupby="branch", n_top_genes=8, fold_change_mode=True, ax=ax)
    (only,) = tiles(ax)
    assert only.get_cmap().name == "RdBu_r"
    low, high = only.get_clim()
    assert low == -high
    top = compared.var[f"{KEY}_mahalanobis"].nlargest(8).index
    assert set(genes_of(ax)) == set(top)
    assert ax.get_legend() is None


def test_dots_are_as_large_as_there_are_cells(compared, ax):
    heatmap(compared, groupby="branch", split_dot_mode=True, cluster_cols=False, ax=ax)
    left, right = tiles(ax)
    counts = pd.crosstab(compared.obs["branch"], compared.obs["condition"])
    most = counts.to_numpy().max()
    for half, condition in ((left, "control"), (right, "treated")):
        heights = [np.ptp(path.vertices[:, 1]) for path in half.get_paths()[:3]]
        expected = 0.96 * np.sqrt(counts[condition].to_numpy() / most)
        np.testing.assert_allclose(heights, expected, rtol=1e-6)
    assert ax.get_legend().get_texts()[2].get_text() == f"{most} cells (by area)"


def test_values_dendrograms_and_order(compared, ax):
    genes = list(compared.var_names[:5])
    heatmap(
        compared,
        genes=genes,
        groupby="branch",
        fold_change_mode=True,
        dendrogram=True,
        draw_values=True,
        ax=ax,
    )
    assert len(ax.child_axes) == 2
    rows, columns = (len(one.lines) for one in ax.child_axes)
    assert (rows, columns) == (len(genes) - 1, 2)
    assert len(ax.texts) == 15
    other = Figure().subplots()
    data = heatmap(
        compared, genes, "branch", cluster_rows=False, return_data=True, ax=other
    ).fold_changes
    assert (np.diff(data.mean(axis=1)) <= 0).all()


def test_similar_rows_become_neighbours():
    values = np.array([[0.0, 0], [10, 10], [0.1, 0], [10, 9.9]])
    order, linkage = cluster(values)
    assert linkage is not None
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({0, 2}), frozenset({1, 3})}
    assert cluster(values[:1])[1] is None


def test_groups_of_the_run_are_the_default_and_some_can_be_left_out(compared, ax):
    heatmap(compared, exclude_groups="root", cluster_cols=False, ax=ax)
    assert groups_of(ax) == ["branch_1", "branch_2"]


def test_one_gene_in_one_group(analysed, ax):
    heatmap(analysed, [analysed.var_names[0]], dendrogram=True, ax=ax)
    ax.figure.canvas.draw()
    assert groups_of(ax) == ["all cells"]
    assert len(tiles(ax)[0].get_paths()) == 1


def test_missing_values_are_grey(compared, ax):
    cells = (compared.obs["branch"] == "root").to_numpy()
    compared.layers["kompot_de_control_imputed"][cells] = np.nan
    heatmap(compared, groupby="branch", dendrogram=True, ax=ax)
    ax.figure.canvas.draw()
    assert np.ma.getmaskarray(tiles(ax)[0].get_array()).sum() == 20
    assert not np.ma.getmaskarray(tiles(ax)[1].get_array()).any()


def test_no_genes_are_explained(compared, ax):
    heatmap(compared, [], "branch", ax=ax)
    ax.figure.canvas.draw()
    assert ax.texts[0].get_text() == "no genes in groups to draw"


def test_fifty_groups_with_long_names_fit(compared):
    names = [f"a kind of cell with quite a long name, number {number}" for number in range(50)]
    compared.obs["kind"] = pd.Categorical.from_codes(np.arange(compared.n_obs) % 50, names)
    ax = heatmap(compared, groupby="kind", fold_change_mode=True)
    ax.figure.canvas.draw()
    box = ax.get_tightbbox()
    assert box.x0 >= -1
    assert box.y0 >= -1
    assert ax.get_window_extent().width > 1000


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"var_names": ["gene_0001"], "genes": ["gene_0002"]}, "give one of them"),
        ({"standard_scale": "obs"}, "standard_scale"),
        ({"fold_change_mode": True, "split_dot_mode": True}, "cannot both"),
        ({"genes": ["TP53"]}, "TP53"),
        ({"groupby": "nothing"}, "nothing"),
        ({"layer": "nothing"}, "nothing"),
        ({"exclude_groups": ["leaf"]}, "leaf"),
        ({"condition_column": "nothing"}, "condition_column"),
        ({"score_key": "nothing"}, "nothing"),
    ],
)
def test_what_cannot_be_drawn_is_refused(compared, ax, arguments, text):
    with pytest.raises(ValueError, match=text):
        heatmap(compared, ax=ax, **{"groupby": "branch", **arguments})


def test_conditions_renamed_after_the_run_are_refused(compared):
    compared.obs["condition"] = compared.obs["condition"].cat.rename_categories(str.upper)
    with pytest.raises(ValueError, match=r"No cell is of condition 'control' .*condition_column"):
        heatmap(compared, split_dot_mode=True)


def test_data_are_not_changed(compared, ax):
    var, layers = compared.var.copy(), set(compared.layers)
    heatmap(compared, groupby="branch", dendrogram=True, ax=ax)
    pd.testing.assert_frame_equal(compared.var, var)
    assert set(compared.layers) == layers
    assert plt.get_fignums() == []
