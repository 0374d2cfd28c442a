import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from kompot.plot import KOMPOT_COLORS, direction_barplot, multi_volcano_da, volcano_da
from kompot.plot.stored_abundance import read_abundance_run

KEY = "kompot_da_control_to_treated"
LFC, PTP, DIRECTION = f"{KEY}_lfc", f"{KEY}_neg_log10_lfc_ptp", f"{KEY}_lfc_direction"


def points(ax):
    found = [one for one in ax.collections if isinstance(one, PathCollection)]
    return found[-1]


def dashed(ax):
    return [one for one in ax.lines if one.get_linestyle() == "--"]


def test_run_is_read_from_the_history(compared):
    run = read_abundance_run(compared)
    assert (run.condition1, run.condition2) == ("control", "treated")
    assert (run.lfc, run.ptp, run.direction) == (LFC, PTP, DIRECTION)
    assert (run.lfc_threshold, run.ptp_threshold) == (0.05, 0.4)
    assert list(run.groups(compared).index) == list(compared.obs["branch"].cat.categories)
    assert (run.donor_lfc, run.donor_fdr, run.donor_direction) == (None, None, None)
    with pytest.raises(ValueError, match="No DA run found with run_id=3"):
        read_abundance_run(compared, 3)
    del compared.uns["kompot_da"]
    with pytest.raises(ValueError, match="run compute_differential_abundance first"):
        read_abundance_run(compared)
    assert read_abundance_run(compared, is_needed=False).groups(compared) is None


def test_each_cell_is_a_point_in_the_colour_of_its_direction(compared, ax):
    assert volcano_da(compared, ax=ax) is ax
    found = points(ax)
    order = np.lexsort(found.get_offsets().data.T)
    expected = compared.obs[[LFC, PTP]].to_numpy()
    expected_order = np.lexsort(expected.T)
    np.testing.assert_allclose(found.get_offsets()[order], expected[expected_order])
    directions = compared.obs[DIRECTION].astype(str).to_numpy()[expected_order]
    shades = [to_rgba(KOMPOT_COLORS["direction"][one]) for one in directions]
    np.testing.assert_allclose(found.get_facecolor()[order], shades)
    assert len(set(directions)) > 1
    assert found.get_rasterized()
    lines = [one.get_xdata()[0] for one in dashed(ax)][:2]
    assert lines == [-0.05, 0.05]
    assert dashed(ax)[2].get_ydata()[0] == pytest.approx(-np.log10(0.4))
    assert ax.get_xlabel() == "log fold change of abundance, control to treated"


def test_linear_tail_probabilities_are_transformed(compared, ax):
    compared.obs["tail"] = 10 ** -compared.obs[PTP]
    volcano_da(compared, ptp_key="tail", show_thresholds=False, ax=ax)
    heights = np.sort(points(ax).get_offsets()[:, 1])
    np.testing.assert_allclose(heights, np.sort(compared.obs[PTP]))
    assert not dashed(ax)


def test_colours_by_column_and_highlighted_cells(compared, ax):
    volcano_da(compared, color="pseudotime", ax=ax)
    assert points(ax).get_array() is not None
    other = Figure().subplots()
    volcano_da(
        compared,
        highlight_subset={"branch": "root"},
        highlight_color="#00aa00",
        alpha_background=0.25,
        ax=other,
    )
    faces = points(other).get_facecolor()
    is_green = np.isclose(faces, to_rgba("#00aa00")).all(axis=1)
    assert is_green.sum() == (compared.obs["branch"] == "root").sum()
    np.testing.assert_allclose(faces[~is_green, 3], 0.25, atol=0.01)
    assert is_green[np.argmax(is_green) :].all()  # over the others
    assert ax.get_title() == other.get_title() == ""


def test_strips_hold_the_cells_of_their_groups(compared):
    axes = multi_volcano_da(compared, "branch", background_plot="kde", show_thresholds=True)
    names = list(compared.obs["branch"].cat.categories)
    assert len(axes) == 3
    for ax, name in zip(axes, names, strict=True):
        members = (compared.obs["branch"] == name).to_numpy()
        assert len(points(ax).get_offsets()) == members.sum()
        assert ax.texts[0].get_text() == f"{name}\n{members.sum()} cells"
    assert len({ax.get_ylim() for ax in axes}) == 1
    figure = axes[0].figure
    assert len(figure.legends[0].get_texts()) == compared.obs[DIRECTION].nunique()
    # Behind each strip, one area of the distribution.
    twins = [ax for ax in figure.axes if ax not in axes]
    assert len(twins) == 3


@pytest.mark.parametrize("kind", ["hist", None])
def test_strips_by_number(compared, kind):
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = multi_volcano_da(
        compared, "branch", color=LFC, background_plot=kind, share_y=False, figure=figure
    )
    figure.canvas.draw()
    assert points(axes[0]).get_array() is not None
    assert figure.legends == []


def test_fifty_strips_fit(compared):
    names = [f"a kind of cell with quite a long name, number {number}" for number in range(50)]
    compared.obs["kind"] = pd.Categorical.from_codes(np.arange(compared.n_obs) % 50, names)
    axes = multi_volcano_da(compared, "kind")
    axes[0].figure.canvas.draw()
    assert len(axes) == 50
    assert min(ax.get_window_extent().height for ax in axes) > 10


def test_bars_are_shares_of_directions(compared, ax):
    direction_barplot(compared, "branch", ax=ax)
    table = pd.crosstab(compared.obs["branch"], compared.obs[DIRECTION], normalize="index")
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 3)
    expected = table.reindex(columns=["down", "neutral", "up"], fill_value=0.0).to_numpy()
    np.testing.assert_allclose(heights, expected.T)
    np.testing.assert_allclose(heights.sum(axis=0), 1)
    assert ax.patches[0].get_facecolor() == to_rgba(KOMPOT_COLORS["direction"]["down"])
    assert [text.get_text() for text in ax.get_xticklabels()] == list(table.index)


@pytest.mark.parametrize("normalize", ["columns", "all", False])
def test_bars_of_other_shares(compared, ax, normalize):
    direction_barplot(compared, "branch", normalize=normalize, stacked=False, ax=ax)
    counts = pd.crosstab(compared.obs["branch"], compared.obs[DIRECTION])
    counts = counts.reindex(columns=["down", "neutral", "up"], fill_value=0).to_numpy(float)
    total = {"columns": np.maximum(counts.sum(axis=0), 1), "all": counts.sum(), False: 1}
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 3).T
    np.testing.assert_allclose(heights, counts / total[normalize])


def test_bars_in_order(compared):
    table = pd.crosstab(compared.obs["branch"], compared.obs[DIRECTION], normalize="index")
    ax = direction_barplot(compared, "branch", sort_by="up")
    shares = table["up"].to_numpy() if "up" in table else np.zeros(3)
    expected = list(table.index[np.argsort(-shares, kind="stable")])
    assert [text.get_text() for text in ax.get_xticklabels()] == expected
    ax = direction_barplot(compared, "branch", category_order=["root"])
    assert len(ax.patches) == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"normalize": "rows"}, "normalize"),
        ({"sort_by": "left"}, "sort_by"),
        ({"category_order": ["leaf"]}, "leaf"),
        ({"direction_column": "nothing"}, "nothing"),
        ({"run_id": 2}, "run_id=2"),
    ],
)
def test_bars_refuse_what_is_unknown(compared, ax, arguments, text):
    with pytest.raises(ValueError, match=text):
        direction_barplot(compared, "branch", ax=ax, **arguments)


def with_donors(adata):
    """Store donor-level results as a run with samples does."""
    history = json.loads(adata.uns["kompot_da"]["run_history"])
    rng = np.random.default_rng(0)
    columns = {
        "donor_lfc": rng.normal(size=adata.n_obs),
        "donor_lfc_se": np.ones(adata.n_obs),
        "donor_pvalue": rng.uniform(size=adata.n_obs),
        "donor_direction": pd.Categorical(["up"] * 50 + ["neutral"] * (adata.n_obs - 50)),
    }
    for name, values in columns.items():
        adata.obs[f"{KEY}_{name}"] = values
        entry = {"location": "obs", "type": name, "description": ""}
        history[0]["field_mapping"][f"{KEY}_{name}"] = entry
    adata.uns["kompot_da"]["run_history"] = json.dumps(history)


def test_donor_level_directions_come_first(compared, ax):
    with_donors(compared)
    direction_barplot(compared, "branch", normalize=False, ax=ax)
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 3)
    assert heights.sum(axis=1).tolist() == [0, compared.n_obs - 50, 50]


def test_columns_of_the_cells_come_with_their_directions(compared, ax):
    with_donors(compared)
    volcano_da(compared, LFC, ax=ax)
    cells = compared.obs[f"{KEY}_lfc_direction"].value_counts()
    found = {text.get_text() for text in ax.get_legend().get_texts()}
    assert all(any(name in one for one in found) for name in cells.index[cells > 0])
    assert dashed(ax)


def test_change_between_donors_is_drawn_if_it_is_known(compared, ax):
    with_donors(compared)
    volcano_da(compared, ax=ax)
    found = points(ax).get_offsets()
    expected = compared.obs[f"{KEY}_donor_lfc"].to_numpy()
    np.testing.assert_allclose(np.sort(found[:, 0]), np.sort(expected))
    heights = -np.log10(compared.obs[f"{KEY}_donor_pvalue"].to_numpy())
    np.testing.assert_allclose(np.sort(found[:, 1]), np.sort(heights))
    assert ax.get_ylabel() == "-log10 p between donors"
    assert not dashed(ax)
    other = Figure().subplots()
    volcano_da(compared, LFC, PTP, color=DIRECTION, ax=other)
    assert other.get_ylabel() == "-log10 tail probability"
    assert len(dashed(other)) == 3


def test_cells_without_results_are_explained(compared, ax):
    compared.obs[LFC] = np.nan
    volcano_da(compared, ax=ax)
    assert ax.texts[0].get_text().startswith("no cell has both")
    empty = Figure().subplots()
    compared.obs[DIRECTION] = pd.Categorical([None] * compared.n_obs, ["up", "neutral", "down"])
    direction_barplot(compared, "branch", ax=empty)
    assert empty.texts[0].get_text().startswith("no cell has both")
    multi_volcano_da(compared, "branch")[0].figure.canvas.draw()


def test_unknown_columns_are_refused_and_nothing_is_changed(compared, ax):
    obs, keys = compared.obs.copy(), set(compared.uns)
    with pytest.raises(ValueError, match="nothing"):
        volcano_da(compared, lfc_key="nothing", ax=ax)
    with pytest.raises(ValueError, match="background_plot"):
        multi_volcano_da(compared, "branch", background_plot="violin")
    with pytest.raises(ValueError, match="no column"):
        multi_volcano_da(compared, "nothing")
    volcano_da(compared, ax=ax)
    pd.testing.assert_frame_equal(compared.obs, obs)
    assert set(compared.uns) == keys
    assert plt.get_fignums() == []


def test_cells_without_a_category_or_direction_have_no_bar(compared, ax):
    compared.obs["kind"] = compared.obs["branch"].where(np.arange(compared.n_obs) % 3 > 0)
    known = compared.obs[DIRECTION].where(np.arange(compared.n_obs) % 5 > 0)
    compared.obs[DIRECTION] = known
    direction_barplot(compared, "kind", ax=ax)
    table = pd.crosstab(compared.obs["kind"], known, normalize="index")
    assert [text.get_text() for text in ax.get_xticklabels()] == list(table.index)
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, len(table))
    expected = table.reindex(columns=["down", "neutral", "up"], fill_value=0.0).to_numpy()
    np.testing.assert_allclose(heights, expected.T)


def test_directions_that_are_not_named_keep_their_colours(compared, ax):
    direction_barplot(compared, "branch", colors={"up": "green"}, ax=ax)
    shades = [bar.get_facecolor() for bar in ax.patches[::3]]
    usual = KOMPOT_COLORS["direction"]
    assert shades == [to_rgba(one) for one in (usual["down"], usual["neutral"], "green")]


def test_named_probabilities_between_donors_are_called_so(compared, ax):
    with_donors(compared)
    volcano_da(compared, LFC, f"{KEY}_donor_pvalue", log_transform_ptp=False, ax=ax)
    assert ax.get_ylabel() == "p between donors"
    assert not dashed(ax)  # the thresholds are of the change in these cells
