import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from kompot.plot import DotPlot, dotplot

KEY = "kompot_de_control_to_treated"


def test_colour_is_fold_change_and_size_share_of_cells(compared):
    genes = list(compared.var_names[:4])
    found = dotplot(compared, genes, "branch", dot_max=100, size_exponent=1)
    assert isinstance(found, DotPlot)
    dots = found.main.collections[0]
    x = compared.X.toarray()[:, :4]
    labels = compared.obs["branch"]
    shares = pd.DataFrame(x > 0, index=labels.index).groupby(labels, observed=False).mean()
    np.testing.assert_allclose(dots.get_sizes(), 100 * shares.to_numpy().ravel())
    layer = pd.DataFrame(compared.layers[f"{KEY}_fold_change"][:, :4], index=labels.index)
    changes = layer.groupby(labels, observed=False).mean().to_numpy()
    np.testing.assert_allclose(dots.get_array(), changes.ravel(), rtol=1e-5, atol=1e-7)
    low, high = dots.get_clim()
    assert low == -high
    assert [text.get_text() for text in found.main.get_xticklabels()] == genes
    assert found.size.get_title() == "cells that\nexpress it"


def test_strongest_genes_of_those_that_pass(compared):
    compared.var["wanted"] = np.arange(compared.n_vars) % 2 == 0
    found = dotplot(compared, None, "branch", n_top=5, filter_key="wanted")
    distance = compared.var[f"{KEY}_mahalanobis"][compared.var["wanted"]]
    assert list(found.fold_changes.columns) == list(distance.nlargest(5).index)
    rate = dotplot(compared, None, "branch", n_top=3, score_key=f"{KEY}_mahalanobis_local_fdr")
    lowest = compared.var[f"{KEY}_mahalanobis_local_fdr"].sort_values(kind="stable").index[:3]
    assert list(rate.fold_changes.columns) == list(lowest)


def test_groups_in_order_and_large_enough(compared):
    found = dotplot(compared, None, "branch", categories_order=["root", "branch_1"], vmax=2)
    assert list(found.fold_changes.index) == ["root", "branch_1"]
    assert found.main.collections[0].get_clim() == (-2, 2)
    counts = compared.obs["branch"].value_counts()
    most = dotplot(compared, None, "branch", min_cells=int(counts.max()))
    assert list(most.shares.index) == [counts.idxmax()]


def test_results_of_groups_stand_in_for_a_missing_layer(compared):
    del compared.layers[f"{KEY}_fold_change"]
    found = dotplot(compared, None, "branch", n_top=3)
    stored = compared.varm[f"{KEY}_mean_lfc_groups"]
    expected = stored.loc[found.fold_changes.columns, found.fold_changes.index].T
    np.testing.assert_allclose(found.fold_changes.to_numpy(), expected.to_numpy())
    with pytest.raises(ValueError, match="layers='dense'"):
        dotplot(compared, None, "condition")


def test_long_names_of_genes_leave_room_for_the_legends(compared):
    short = dotplot(compared, [compared.var_names[0]], "branch")
    compared.var_names = ["APOBEC3A_ENSG00000128383", *compared.var_names[1:]]
    long = dotplot(compared, ["APOBEC3A_ENSG00000128383"], "branch")
    for shown in (short, long):
        shown.figure.canvas.draw()
    heights = [shown.colorbar.get_window_extent().height for shown in (short, long)]
    assert heights[1] > 0.8 * heights[0]


def test_own_axes_and_no_genes(compared):
    axes = tuple(Figure().subplots(1, 3))
    found = dotplot(compared, [], "branch", axes=axes, title="A title")
    assert (found.main, found.colorbar, found.size) == axes
    assert found.main.texts[0].get_text() == "no genes in groups to draw"
    assert found.main.get_title() == "A title"
    axes[0].figure.canvas.draw()


def test_unknown_names_are_refused(compared):
    with pytest.raises(ValueError, match="leaf"):
        dotplot(compared, None, "branch", categories_order=["leaf"])
    with pytest.raises(ValueError, match="TP53"):
        dotplot(compared, ["TP53"], "branch")
    with pytest.raises(ValueError, match="no layer 'nothing'"):
        dotplot(compared, None, "branch", expr_layer="nothing")


@pytest.mark.parametrize("ending", ["pvalue_sample_var", "tail_fdr_sample_var", "pvalue", "ptp"])
def test_the_smallest_rates_are_the_strongest(compared, ending):
    name = f"other_{ending}"
    compared.var[name] = np.random.default_rng(0).permutation(compared.n_vars) / compared.n_vars
    found = dotplot(compared, None, "branch", n_top=3, score_key=name)
    assert list(found.fold_changes.columns) == list(compared.var[name].nsmallest(3).index)
