import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from kompot.plot import KOMPOT_COLORS, embedding

LFC = "kompot_da_control_to_treated_lfc"


def coloured(ax):
    return ax.collections[-1]


def background(ax):
    return ax.collections[0]


def test_each_cell_has_the_colour_of_its_category(compared, ax):
    assert embedding(compared, "tree", color="branch", ax=ax) is ax
    points = coloured(ax)
    assert len(points.get_offsets()) == compared.n_obs
    assert points.get_rasterized()
    names = list(compared.obs["branch"].cat.categories)
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == names
    shades = [handle.get_color() for handle in legend.legend_handles]
    found = {
        tuple(offset): tuple(face)
        for offset, face in zip(
            points.get_offsets().tolist(), points.get_facecolor().tolist(), strict=True
        )
    }
    for row in range(0, compared.n_obs, 17):
        place = tuple(compared.obsm["X_tree"][row].astype(float))
        shade = shades[names.index(compared.obs["branch"].iloc[row])]
        np.testing.assert_allclose(found[place], to_rgba(shade))


def test_changes_are_red_and_blue_around_zero(compared, ax):
    embedding(compared, "X_tree", color=LFC, ax=ax)
    points = coloured(ax)
    low, high = points.get_clim()
    assert low == pytest.approx(-high)
    assert points.get_cmap().name == "RdBu_r"
    order = np.argsort(np.abs(compared.obs[LFC].to_numpy()), kind="stable")
    np.testing.assert_allclose(points.get_array(), compared.obs[LFC].to_numpy()[order])
    (bar,) = ax.child_axes
    assert bar.get_ylim() == (low, high)


def test_numbers_and_genes_have_other_colours(compared, ax):
    gene = compared.var_names[0]
    embedding(compared, "X_tree", color=gene, layer="counts", vmin=1, vmax=3, ax=ax)
    assert coloured(ax).get_cmap().name == "viridis"
    assert coloured(ax).get_clim() == (1, 3)


def test_other_cells_stay_in_the_background(compared, ax):
    embedding(compared, "X_tree", {"branch": "root"}, "#eeeeee", color="condition", ax=ax)
    inside = (compared.obs["branch"] == "root").sum()
    assert len(coloured(ax).get_offsets()) == inside
    assert len(background(ax).get_offsets()) == compared.n_obs - inside
    assert tuple(background(ax).get_facecolor()[0]) == to_rgba("#eeeeee")
    other = Figure().subplots()
    embedding(compared, "X_tree", "root", None, color="branch", ax=other)
    assert [len(one.get_offsets()) for one in other.collections] == [inside]


def test_a_list_of_filters_means_the_cells_of_any(compared, ax):
    filters = [{"branch": "root"}, {"branch": "branch_1"}]
    embedding(compared, "X_tree", groups=filters, color="branch", ax=ax)
    expected = compared.obs["branch"].isin(["root", "branch_1"]).sum()
    assert len(coloured(ax).get_offsets()) == expected


def test_panels_of_colours_and_choices(compared):
    axes = embedding(compared, "X_tree", color=["branch", LFC], ncols=1)
    assert [ax.get_title() for ax in axes] == ["branch", LFC.replace("_to_", "_to_")]
    by_column = embedding(compared, "X_tree", mgroups="branch")
    assert [ax.get_title() for ax in by_column] == ["branch_1", "branch_2", "root"]
    for ax in by_column:
        expected = (compared.obs["branch"] == ax.get_title()).sum()
        assert len(coloured(ax).get_offsets()) == expected
    named = embedding(compared, "X_tree", mgroups={"late": {"branch": ["branch_1", "branch_2"]}})
    assert named.get_title() == "late"
    listed = embedding(compared, "X_tree", mgroups=[{"branch": "root"}, {"branch": "branch_1"}])
    assert len(listed) == 2


def test_missing_values_and_places_are_not_coloured(compared, ax):
    compared.obs.loc[compared.obs_names[:30], LFC] = np.nan
    compared.obsm["X_tree"][30:40] = np.nan
    embedding(compared, "X_tree", color=LFC, ax=ax)
    assert len(coloured(ax).get_offsets()) == compared.n_obs - 40
    assert len(background(ax).get_offsets()) == 30


def test_column_without_any_value_draws_grey_cells(compared, ax):
    compared.obs["empty"] = np.nan
    embedding(compared, "X_tree", color="empty", ax=ax)
    ax.figure.canvas.draw()
    assert len(background(ax).get_offsets()) == compared.n_obs


def test_fifty_groups_with_long_names_fit(compared):
    names = [f"a kind of cell with quite a long name, number {number}" for number in range(50)]
    compared.obs["kind"] = pd.Categorical.from_codes(np.arange(compared.n_obs) % 50, names)
    ax = embedding(compared, "X_tree", color="kind", figsize=(14, 6))
    ax.figure.canvas.draw()
    texts = ax.get_legend().get_texts()
    assert len(texts) == 50
    assert max(len(text.get_text()) for text in texts) <= 36
    inside = ax.figure.bbox
    box = ax.get_legend().get_window_extent()
    assert inside.x0 <= box.x0
    assert box.x1 <= inside.x1 + 1
    assert ax.get_window_extent().width > 200


def test_names_on_the_data_stand_where_most_cells_are(compared, ax):
    root = (compared.obs["branch"] == "root").to_numpy()
    crowded = np.flatnonzero(root)[: int(0.7 * root.sum())]
    compared.obsm["X_tree"][crowded] = [[30.0, 40.0]]
    embedding(compared, "X_tree", color="branch", legend_loc="on data", ax=ax)
    assert [text.get_text() for text in ax.texts] == list(compared.obs["branch"].cat.categories)
    for text in ax.texts:
        cells = compared.obsm["X_tree"][(compared.obs["branch"] == text.get_text()).to_numpy()]
        assert np.isclose(cells, text.xy).all(axis=1).any()
    assert {text.get_text(): text.xy for text in ax.texts}["root"] == (30.0, 40.0)
    assert ax.get_legend() is None


def test_colour_bar_stands_beside_its_own_panel(compared):
    compared.obs["long"] = pd.Categorical(["a very long name of a group"] * compared.n_obs)
    panels = embedding(compared, "X_tree", color=["long", LFC, "branch", "branch"], ncols=1)
    panels[0].figure.canvas.draw()
    panel, (bar,) = panels[1].get_window_extent(), panels[1].child_axes
    assert 0 < bar.get_window_extent().x0 - panel.x1 < 0.05 * panel.width


def test_directions_have_their_own_colours(compared, ax):
    embedding(compared, "X_tree", color="kompot_da_control_to_treated_lfc_direction", ax=ax)
    legend = ax.get_legend()
    shades = {
        text.get_text(): handle.get_color()
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }
    assert shades.items() <= KOMPOT_COLORS["direction"].items()


def test_saving_and_returning_the_figure(compared, tmp_path):
    path = tmp_path / "cells.pdf"
    figure = embedding(compared, "X_tree", save=path, return_fig=True)
    assert isinstance(figure, Figure)
    assert path.read_bytes().startswith(b"%PDF")


def test_text_stays_text_in_vector_files(compared, tmp_path):
    path = tmp_path / "cells.svg"
    embedding(compared, "X_tree", color="branch", save=path)
    text = path.read_text()
    assert ">branch_1</text>" in text.replace("\n", "")
    assert text.count("<image") == 1


def test_dollar_signs_are_no_formula(compared):
    compared.obs["odd"] = pd.Categorical(np.where(compared.obs["branch"] == "root", "$x{$", "$y^$"))
    ax = embedding(compared, "X_tree", color="odd")
    ax.figure.canvas.draw()
    assert ax.get_legend().get_texts()[0].get_text() == r"\$x{\$"


def test_unknown_names_are_refused_and_nothing_is_changed(compared, ax):
    obs = compared.obs.copy()
    with pytest.raises(ValueError, match="no embedding 'X_umap'"):
        embedding(compared, ax=ax)
    with pytest.raises(ValueError, match="neither a column"):
        embedding(compared, "X_tree", color="TP53", ax=ax)
    with pytest.raises(ValueError, match="2 panels"):
        embedding(compared, "X_tree", color=["branch", "condition"], ax=ax)
    pd.testing.assert_frame_equal(compared.obs, obs)
    assert plt.get_fignums() == []


def test_a_panel_for_a_single_value(compared):
    compared.obs["day"] = np.arange(compared.n_obs) % 3
    ax = embedding(compared, "X_tree", mgroups={"day": 1})
    assert ax.get_title() == "1"
    assert len(coloured(ax).get_offsets()) == (compared.obs["day"] == 1).sum()
