"""Arguments that users of the original know, and those that go to matplotlib."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text

from kompot.plot import embedding, heatmap, multi_volcano_da, volcano_da, volcano_de
from kompot.plot.arguments import given_options, scatter_options

LFC = "kompot_da_control_to_treated_lfc"
LEGEND = {"legend_fontsize": 5, "legend_title_fontsize": 6, "legend_ncol": 2}
PLOTS = {
    "volcano_de": lambda adata, **more: volcano_de(adata, **more),
    "volcano_da": lambda adata, **more: volcano_da(adata, **more),
    "multi_volcano_da": lambda adata, **more: multi_volcano_da(adata, "branch", **more)[0],
    "embedding": lambda adata, **more: embedding(adata, "X_tree", color="branch", **more),
}


def points(ax):
    return [one for one in ax.collections if isinstance(one, PathCollection)]


@pytest.mark.parametrize("name", PLOTS)
def test_further_arguments_are_those_of_scatter(compared, name):
    ax = PLOTS[name](compared, edgecolors="#00ff00", lw=1.5, s=7, zorder=3)
    drawn = [one for one in points(ax) if one.get_zorder() == 3]
    assert drawn
    for one in drawn:
        np.testing.assert_allclose(one.get_sizes(), 7)
        np.testing.assert_allclose(one.get_linewidths(), 1.5)
        np.testing.assert_allclose(one.get_edgecolors(), [to_rgba("#00ff00")])


@pytest.mark.parametrize("wrong", ["zorde", "c", "fc", "self", "label"])
@pytest.mark.parametrize("name", PLOTS)
def test_an_unknown_argument_is_named(compared, name, wrong):
    full = {"fc": "facecolor"}.get(wrong, wrong)
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected .*'{full}'.*scatter"):
        PLOTS[name](compared, **{wrong: 1})


def test_the_nearest_argument_is_suggested():
    def plot(legend_loc=None):
        return legend_loc

    with pytest.raises(TypeError, match="Did you mean 'legend_loc'"):
        scatter_options(plot, {"legend_lok": "best"})
    assert scatter_options(plot, {"lw": 1, "marker": "x"}) == {"linewidth": 1, "marker": "x"}
    assert given_options(a=None, b=0) == {"b": 0}


@pytest.mark.parametrize(
    ("plot", "name", "instead"),
    [
        (volcano_de, "update_de_classification", "kompot.recompute_fdr"),
        (volcano_da, "update_direction", "kompot.update_direction_column"),
        (multi_volcano_da, "update_direction", "kompot.update_direction_column"),
        (multi_volcano_da, "layout_config", "`plot_width_factor`"),
        (heatmap, "layout_config", "`colorbar_kwargs`"),
    ],
)
def test_what_would_change_the_data_is_refused(compared, plot, name, instead):
    given = {"groupby": "branch"} if plot in (multi_volcano_da, heatmap) else {}
    value = {"gap": 1} if name == "layout_config" else True
    with pytest.raises(ValueError, match=f"'{name}' must be left out.*{instead}"):
        plot(compared, **given, **{name: value})
    plot(compared, **given, **{name: None if name == "layout_config" else False})


def test_legends_have_the_sizes_and_columns_asked_for(compared):
    compared.var["kind"] = np.resize(["a", "b"], compared.n_vars)
    legends = [
        volcano_de(compared, color="kind", **LEGEND).get_legend(),
        volcano_da(compared, color="branch", **LEGEND).get_legend(),
        multi_volcano_da(compared, "branch", color="branch", **LEGEND)[0].figure.legends[0],
    ]
    for legend, title in zip(legends, ["kind", "branch", "branch"], strict=True):
        assert {text.get_fontsize() for text in legend.get_texts()} == {5.0}
        assert legend.get_title().get_fontsize() == 6
        assert legend.get_title().get_text() == title
        assert legend._ncols == 2


def test_lines_of_the_grid_look_as_asked_for(compared):
    options = {"grid": True, "grid_kwargs": {"linestyle": ":", "color": "#0000ff"}}
    for ax in (
        volcano_de(compared, **options),
        volcano_da(compared, **options),
        *multi_volcano_da(compared, "branch", **options),
    ):
        line = ax.get_xgridlines()[0]
        assert line.get_visible()
        assert (line.get_linestyle(), line.get_color()) == (":", "#0000ff")


def test_genes_in_the_background_by_category(compared, ax):
    kinds = np.resize(["a", "b", None], compared.n_vars)
    compared.var["kind"] = pd.Categorical(kinds)
    volcano_de(compared, color="kind", color_discrete_map={"a": "#112233"}, gene_labels=0, ax=ax)
    called = compared.var["kompot_de_control_to_treated_is_de"].to_numpy()
    shades = points(ax)[0].get_facecolor()
    wanted = {"a": to_rgba("#112233"), None: to_rgba("#c0c0c0")}
    for kind, color in wanted.items():
        here = np.array([one == kind for one in kinds]) & ~called
        assert np.isclose(shades, color).all(axis=1).sum() == here.sum()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    n_a, n_b = (((kinds == kind) & ~called).sum() for kind in "ab")
    assert texts[:2] == [f"a ({n_a})", f"b ({n_b})"]
    assert len(texts) == 4
    numbered = Figure().subplots()
    compared.var["number"] = np.arange(compared.n_vars) % 2
    volcano_de(compared, color="number", color_discrete_map={0: "#112233"}, ax=numbered)
    is_first = np.isclose(points(numbered)[0].get_facecolor(), to_rgba("#112233")).all(axis=1)
    assert is_first.sum() == ((compared.var["number"] == 0) & ~called).sum()


def test_names_stand_where_and_look_as_asked_for(compared, ax):
    volcano_de(
        compared, gene_labels=3, text_offset=(4, -5), text_kwargs={"size": 6, "color": "red"}, ax=ax
    )
    assert len(ax.texts) == 3
    FigureCanvasAgg(ax.figure).draw()
    for text in ax.texts:
        assert (text.get_fontsize(), text.get_color()) == (6, "red")
        box = Text.get_window_extent(text)
        x, y = (box.get_points() - ax.transData.transform(text.xy)) * 72 / ax.figure.dpi
        assert x[0] == pytest.approx(4, abs=3)
        assert y[1] == pytest.approx(-5, abs=3)


def test_genes_are_strongest_by_the_column_asked_for(compared, ax):
    order = np.random.default_rng(0).permutation(compared.n_vars)
    compared.var["rank"] = order
    volcano_de(compared, sort_key="rank", n_top_genes=5, gene_labels=2, ax=ax)
    named = compared.var_names[np.argsort(-order)[:2]]
    assert [text.get_text() for text in ax.texts] == list(named)
    in_colour = sum(len(one.get_offsets()) for one in points(ax) if "er in" in one.get_label())
    assert in_colour == 5


def test_colour_bars_have_titles_and_can_be_left_out(compared, ax):
    volcano_da(compared, color="pseudotime", ax=ax)
    assert ax.child_axes[0].get_ylabel() == "pseudotime"
    other = Figure().subplots()
    volcano_da(compared, color="pseudotime", show_colorbar=False, ax=other)
    assert not other.child_axes
    figure = Figure(layout="constrained")
    multi_volcano_da(compared, "branch", color=LFC, show_colorbar=False, figure=figure)
    assert len(figure.axes) == 3


def test_strips_have_the_shape_asked_for(compared):
    usual, wide = (
        multi_volcano_da(compared, "branch", plot_width_factor=factor)[0].figure
        for factor in (10.0, 20.0)
    )
    assert usual.get_size_inches()[0] == 8.5
    assert wide.get_size_inches()[0] == 16
    assert wide.get_size_inches()[1] == usual.get_size_inches()[1]


def test_strips_with_highlighted_cells_and_places_of_the_legend(compared):
    root = {"branch": "root"}
    options = {"highlight_subset": root, "highlight_color": "#00aa00", "alpha_background": 0.25}
    axes = multi_volcano_da(compared, "branch", legend_loc="upper right", **options)
    for ax, name in zip(axes, compared.obs["branch"].cat.categories, strict=True):
        faces = points(ax)[-1].get_facecolor()
        is_green = np.isclose(faces, to_rgba("#00aa00")).all(axis=1)
        assert is_green.all() == (name == "root")
        assert is_green.any() == (name == "root")
    (legend,) = axes[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["other cells", "highlighted"]
    assert legend._get_loc() == 1
    assert multi_volcano_da(compared, "branch", legend_loc=None)[0].figure.legends == []


@pytest.mark.parametrize("kind", ["kde", "hist"])
def test_the_background_of_strips_looks_as_asked_for(compared, kind):
    look = {"facecolor": "#123456", "hatch": "//"}
    axes = multi_volcano_da(compared, "branch", background_plot=kind, background_kwargs=look)
    twin = next(ax for ax in axes[0].figure.axes if ax not in axes)
    (area,) = [*twin.collections, *twin.patches]
    assert area.get_hatch() == "//"
    np.testing.assert_allclose(np.ravel(area.get_facecolor())[:3], to_rgba("#123456")[:3])


def test_groups_without_cells_are_left_out_unless_they_are_wanted(compared):
    compared.obs["stage"] = compared.obs["branch"].cat.add_categories("leaf")
    genes = list(compared.var_names[:3])
    for observed, expected in ((True, 3), (False, 4)):
        found = heatmap(compared, genes, "stage", observed=observed, return_data=True)
        assert found.cond1_means.shape == (3, expected)
    assert found.fold_changes["leaf"].isna().all()
    found.fig.canvas.draw()


def test_the_colour_bar_of_a_heatmap_has_the_shape_asked_for(compared):
    options = {"orientation": "horizontal", "pad": 0.2}
    ax = heatmap(compared, list(compared.var_names[:4]), "branch", colorbar_kwargs=options)
    bar = ax.figure.axes[-1]
    ax.figure.canvas.draw()
    assert bar.get_window_extent().width > bar.get_window_extent().height
