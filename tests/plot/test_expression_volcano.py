import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import kompot
from kompot.plot import KOMPOT_COLORS, VolcanoStyle, volcano, volcano_de

KEY = "kompot_de_control_to_treated"


def points(ax):
    """Points of each group of genes by the first words of its label."""
    found = [one for one in ax.collections if isinstance(one, PathCollection)]
    return {one.get_label().rpartition(" (")[0]: one for one in found if "(" in one.get_label()}


def named(ax):
    return {text.get_text() for text in ax.texts}


@pytest.fixture
def table():
    rng = np.random.default_rng(1)
    lfc = np.r_[1.0, 0.8, -0.9, rng.normal(0, 0.1, 50)]
    distance = np.r_[9.0, 8.0, 7.0, rng.uniform(0, 3, 50)]
    genes = [f"gene_{number}" for number in range(53)]
    return pd.DataFrame(
        {"mean_lfc": lfc, "mahalanobis": distance, "is_de": distance > 5}, index=genes
    )


def test_each_gene_is_a_point_in_the_colour_of_its_direction(table, ax):
    assert volcano(table, ax=ax, condition="treated") is ax
    groups = points(ax)
    assert {name: len(one.get_offsets()) for name, one in groups.items()} == {
        "not called": 50,
        "lower in treated": 1,
        "higher in treated": 2,
    }
    up = groups["higher in treated"]
    np.testing.assert_allclose(up.get_offsets(), [[1.0, 9.0], [0.8, 8.0]])
    assert tuple(up.get_facecolor()[0]) == to_rgba(KOMPOT_COLORS["direction"]["up"])
    assert all(one.get_rasterized() for one in groups.values())
    low, high = ax.get_xlim()
    assert low < -0.9
    assert high > 1.0
    assert ax.get_ylim()[0] == 0


def test_names_of_the_strongest_or_of_those_given(table, ax):
    volcano(table, labels=2, ax=ax)
    assert named(ax) == {"gene_0", "gene_1"}
    other = Figure().subplots()
    volcano(table, labels=["gene_7"], highlight=["gene_8"], ax=other)
    assert named(other) == {"gene_7", "gene_8"}
    rings = [one for one in other.collections if len(one.get_facecolor()) == 0]
    np.testing.assert_allclose(
        rings[0].get_offsets(), [table.loc["gene_8", ["mean_lfc", "mahalanobis"]].astype(float)]
    )


def test_no_names_no_legend_no_line(table, ax):
    volcano(table, labels=0, show_legend=False, ax=ax)
    assert named(ax) == set()
    assert ax.get_legend() is None


def test_names_do_not_cover_each_other_and_stay_inside(ax):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"mean_lfc": rng.normal(0, 0.2, 25), "mahalanobis": rng.uniform(5, 6, 25), "is_de": True},
        index=[f"gene_{number:04d}" for number in range(25)],
    )
    volcano(table, labels=25, ax=ax)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    # Extents with the line to the point; of the text alone:
    boxes = [super(type(text), text).get_window_extent() for text in ax.texts]
    frame = ax.get_window_extent()
    assert len(boxes) == 25
    for number, box in enumerate(boxes):
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        for other in boxes[:number]:
            assert not box.shrunk(0.95, 0.6).overlaps(other.shrunk(0.95, 0.6))


def test_genes_without_a_score_are_left_out(table, ax):
    table.loc["gene_0", "mahalanobis"] = np.nan
    volcano(table, ax=ax)
    assert sum(len(one.get_offsets()) for one in points(ax).values()) == 52


def test_table_without_called_genes(table, ax):
    volcano(table.drop(columns="is_de"), significant=None, ax=ax)
    assert len(points(ax)["not called"].get_offsets()) == 53
    assert named(ax) == set()


def test_empty_table_says_why_there_is_nothing(table, ax):
    volcano(table.iloc[:0], ax=ax)
    assert named(ax) == {"no gene has both a fold change and a score"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"score": "height"}, "height"),
        ({"labels": ["TP53"]}, "TP53"),
        ({"highlight": ["TP53"]}, "TP53"),
    ],
)
def test_what_is_not_in_the_table_is_refused(table, ax, arguments, text):
    with pytest.raises(ValueError, match=text):
        volcano(table, ax=ax, **arguments)


def test_current_axes_are_the_default(table):
    expected = plt.figure().subplots()
    assert volcano(table) is expected


def test_run_is_read_from_the_history(analysed, ax):
    volcano_de(analysed, ax=ax, title="A title")
    groups = points(ax)
    called = analysed.var[f"{KEY}_is_de"].to_numpy()
    up = analysed.var[f"{KEY}_mean_lfc"].to_numpy() > 0
    assert called.any()
    for name, members in (
        ("not called", ~called),
        ("lower in treated", called & ~up),
        ("higher in treated", called & up),
    ):
        columns = [f"{KEY}_mean_lfc", f"{KEY}_mahalanobis"]
        np.testing.assert_allclose(
            groups[name].get_offsets(), analysed.var.loc[members, columns].to_numpy()
        )
    assert ax.get_title() == "A title"
    assert ax.get_xlabel() == "mean log fold change, control to treated"
    assert ax.get_ylabel() == "Mahalanobis distance"
    best = analysed.var.loc[called, f"{KEY}_mahalanobis"].nlargest(10).index
    assert named(ax) == set(best)
    line = [one.get_ydata()[0] for one in ax.lines if one.get_linestyle() == "--"]
    assert line == [analysed.var.loc[called, f"{KEY}_mahalanobis"].min()]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("local_fdr", "mahalanobis_local_fdr"),
        ("tail_fdr", "mahalanobis_tail_fdr"),
        ("ptp", "ptp"),
    ],
)
def test_rates_are_drawn_as_minus_log10(analysed, ax, kind, column):
    volcano_de(analysed, ax=ax, y_axis_type=kind, significance_threshold=0.2)
    rate = analysed.var[f"{KEY}_{column}"].to_numpy()
    groups = points(ax)
    assert len(groups["other genes"].get_offsets()) == (rate >= 0.2).sum()
    heights = np.concatenate([one.get_offsets()[:, 1] for one in groups.values()])
    expected = -np.log10(np.maximum(rate, rate[rate > 0].min()))
    np.testing.assert_allclose(np.sort(heights), np.sort(expected))
    assert ax.get_ylabel().startswith("-log10")
    line = [one.get_ydata()[0] for one in ax.lines if one.get_linestyle() == "--"]
    np.testing.assert_allclose(line, -np.log10(0.2))


def test_threshold_of_distances_and_number_of_top_genes(analysed):
    distance = analysed.var[f"{KEY}_mahalanobis"]
    cut = distance.median()
    first, second = (Figure().subplots() for _ in range(2))
    volcano_de(analysed, ax=first, significance_threshold=cut, show_thresholds=False)
    assert len(points(first)["other genes"].get_offsets()) == (distance <= cut).sum()
    assert not [one for one in first.lines if one.get_linestyle() == "--"]
    volcano_de(analysed, ax=second, n_top_genes=7, gene_labels=20)
    assert named(second) == set(distance.nlargest(7).index)


def test_colours_and_sizes(analysed, ax):
    style = {
        "color_up": "#111111",
        "color_down": "#222222",
        "color_background": "#333333",
        "alpha_background": 0.5,
        "point_size": 3,
        "font_size": 6,
    }
    volcano_de(analysed, ax=ax, **style)
    found = points(ax)
    assert tuple(found["higher in treated"].get_facecolor()[0]) == to_rgba("#111111")
    assert tuple(found["lower in treated"].get_facecolor()[0]) == to_rgba("#222222")
    assert tuple(found["not called"].get_facecolor()[0]) == to_rgba("#333333", 0.5)
    assert found["not called"].get_sizes() == [9]
    assert {text.get_fontsize() for text in ax.texts} == {6}
    assert VolcanoStyle(**style).font_size == 6


def test_columns_can_be_named_without_any_run(analysed, ax):
    del analysed.uns["kompot_de"]
    volcano_de(analysed, f"{KEY}_mean_lfc", f"{KEY}_mahalanobis", ax=ax, condition2="drug")
    assert len(points(ax)["not called"].get_offsets()) == analysed.n_vars
    assert "higher in drug" in points(ax)


def test_new_figure_has_the_size_asked_for(analysed):
    ax = volcano_de(analysed, figsize=(5, 4))
    np.testing.assert_allclose(ax.figure.get_size_inches(), (5, 4))


def test_data_are_not_changed_and_no_figure_is_opened(analysed, ax):
    var, uns = analysed.var.copy(), dict(analysed.uns["kompot_de"])
    volcano_de(analysed, ax=ax, highlight_genes=[analysed.var_names[0]])
    pd.testing.assert_frame_equal(analysed.var, var)
    assert analysed.uns["kompot_de"] == uns
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"y_axis_type": "height"}, ValueError, "must be one of"),
        ({"y_axis_type": "donor_fdr"}, ValueError, "sample_col"),
        ({"group": "branch_1"}, ValueError, "no 'mean_lfc' of groups.*with `groups`"),
        ({"score_key": "nothing"}, ValueError, "nothing"),
        ({"highlight_genes": ["TP53"]}, ValueError, "TP53"),
        ({"run_id": 4}, ValueError, r"run_id=4.*0 \(kompot_de, control to treated\)"),
        ({"condition1": "young"}, ValueError, "young"),
        ({"sort_key": "nothing"}, ValueError, "nothing"),
        ({"gene_label": 3}, TypeError, "'gene_label'. Did you mean 'gene_labels'"),
        ({"c": "red"}, TypeError, "'c'.*Axes.scatter"),
        ({"update_de_classification": True}, ValueError, "changes no data.*recompute_fdr"),
    ],
)
def test_what_cannot_be_drawn_is_refused(analysed, ax, arguments, error, text):
    with pytest.raises(error, match=text):
        volcano_de(analysed, ax=ax, **arguments)


def test_the_short_name_is_the_same_package():
    assert kompot.pl is kompot.plot
    assert "pl" in dir(kompot)
    assert set(kompot.plot.__all__) <= set(dir(kompot.plot))


def test_import_does_not_load_pyplot():
    code = "import sys, kompot.plot; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_results_of_a_group(compared, ax):
    volcano_de(compared, group="root", ax=ax)
    called = compared.varm[f"{KEY}_is_de_groups"]["root"]
    groups = points(ax)
    assert len(groups["not called"].get_offsets()) == (~called).sum()
    offsets = np.concatenate([one.get_offsets() for one in groups.values()])
    expected = compared.varm[f"{KEY}_mean_lfc_groups"]["root"]
    np.testing.assert_allclose(np.sort(offsets[:, 0]), np.sort(expected))
    assert ax.get_title() == "root"
    other = Figure().subplots()
    volcano_de(compared, group="root", y_axis_type="local_fdr", ax=other)
    assert other.get_ylabel() == "-log10 local FDR"
    with pytest.raises(ValueError, match=r"no group 'leaf'.*branch_1"):
        volcano_de(compared, group="leaf", ax=ax)


def test_background_in_the_colours_of_a_column(analysed, ax):
    analysed.var["level"] = np.arange(analysed.n_vars, dtype=float)
    volcano_de(analysed, color="level", vmin=0, vmax=10, background_cmap="cividis", ax=ax)
    others = points(ax)["not called"]
    assert others.get_cmap().name == "cividis"
    assert others.get_clim() == (0, 10)
    assert len(ax.figure.axes) == 2


def test_any_column_can_be_drawn_upwards(analysed, ax):
    analysed.var["height"] = np.linspace(0, 1, analysed.n_vars)
    flags = np.arange(analysed.n_vars) < 5
    analysed.var["mine"] = flags
    volcano_de(analysed, y_axis_type="height", direction_column="mine", grid=True, ax=ax)
    assert ax.get_ylabel() == "height"
    assert len(points(ax)["other genes"].get_offsets()) == (~flags).sum()


def test_saving_and_returning_the_figure(analysed, tmp_path):
    figure = volcano_de(analysed, save=tmp_path / "volcano.png", return_fig=True)
    assert isinstance(figure, Figure)
    assert (tmp_path / "volcano.png").stat().st_size > 10_000


def test_twenty_thousand_genes_are_three_images(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"mean_lfc": rng.normal(size=20_000), "mahalanobis": rng.gamma(2, 1, 20_000)},
        index=[f"gene_{number}" for number in range(20_000)],
    )
    table["is_de"] = table["mahalanobis"] > 8
    figure = Figure(layout="constrained")
    volcano(table, ax=figure.subplots())
    path = tmp_path / "volcano.svg"
    figure.savefig(path)
    assert path.stat().st_size < 500_000


def test_long_names_and_formulas_are_texts(table, ax):
    table = table.rename(index={"gene_0": "x" * 200, "gene_1": "$a^{$"})
    volcano(table, labels=2, condition="a condition with a very long name indeed", ax=ax)
    ax.figure.canvas.draw()
    texts = {text.get_text() for text in ax.texts}
    assert r"\$a^{\$" in texts
    assert max(map(len, texts)) <= 36
