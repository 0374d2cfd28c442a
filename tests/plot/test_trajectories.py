import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from kompot.plot import KOMPOT_COLORS, trajectory
from kompot.plot.trajectories import running_mean

KEY = "kompot_de_control_to_treated"


def curves(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def test_running_mean_of_a_line_is_the_line():
    along = np.linspace(0, 1, 5000)
    places = np.linspace(0.2, 0.8, 50)
    inside = (along >= 0.2) & (along <= 0.8)
    found = running_mean(along[inside], 3 * along[inside] + 1, places, 0.01)
    np.testing.assert_allclose(found[10:-10], 3 * places[10:-10] + 1, atol=0.01)


def test_running_mean_is_missing_where_there_are_no_cells():
    along = np.r_[np.linspace(0, 0.2, 100), np.linspace(0.8, 1, 100)]
    found = running_mean(along, np.ones(200), np.linspace(0, 1, 11), 0.02)
    assert np.isnan(found[5])
    np.testing.assert_allclose(found[[0, 1, 9, 10]], 1)


def test_curves_of_both_conditions_with_bands(analysed, ax):
    gene = analysed.var_names[3]
    assert trajectory(analysed, gene, "pseudotime", groups={"branch": "root"}, ax=ax) is ax
    drawn = curves(ax)
    assert list(drawn) == ["control", "treated"]
    members = (analysed.obs["branch"] == "root").to_numpy()
    along = analysed.obs["pseudotime"].to_numpy()[members]
    for (label, line), color in zip(drawn.items(), KOMPOT_COLORS["condition"], strict=True):
        values = analysed.layers[f"kompot_de_{label}_imputed"][members, 3].astype(float)
        places = line.get_xdata()
        width = 0.05 * (along.max() - along.min())
        weights = np.exp(-0.5 * ((places[:, None] - along) / width) ** 2)
        expected = (weights @ values) / weights.sum(axis=1)
        np.testing.assert_allclose(line.get_ydata(), expected, atol=0.01)
        assert to_hex(line.get_color()) == color
    bands = [one for one in ax.collections if one.get_alpha() == 0.2]
    assert len(bands) == 2
    std = analysed.obs["kompot_de_control_std"].to_numpy()[members]
    heights = np.ptp(bands[0].get_paths()[0].vertices[:, 1])
    assert heights > 2 * 1.96 * std.min()


def test_donors_are_thin_lines(analysed, ax):
    trajectory(analysed, analysed.var_names[0], "pseudotime", sample_col="donor", ax=ax)
    thin = [line for line in ax.lines if line.get_linewidth() < 1 and len(line.get_xdata())]
    assert len(thin) == analysed.obs["donor"].nunique()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[-1] == "4 samples, as measured"


def test_std_of_each_gene_may_be_a_layer(analysed, ax):
    analysed.layers["kompot_de_control_std"] = np.full(analysed.shape, 2.0)
    trajectory(analysed, analysed.var_names[0], "pseudotime", ax=ax, show_cells=False)
    band = next(one for one in ax.collections if one.get_alpha() == 0.2)
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    assert high - low >= 2 * 1.96 * 2 - 1e-6


def test_component_as_ordering_and_missing_places(analysed, ax):
    analysed.obs["late"] = analysed.obs["pseudotime"].where(analysed.obs["branch"] != "root")
    trajectory(analysed, analysed.var_names[0], "late", ax=ax)
    known = analysed.obs["late"].dropna()
    marks = next(one for one in ax.collections if one.get_rasterized())
    assert len(marks.get_offsets()) == len(known)
    other = Figure().subplots()
    trajectory(analysed, analysed.var_names[0], ("DM_EigenVectors", 0), ax=other)
    assert other.get_xlabel() == "DM_EigenVectors, component 0"


def test_cells_at_one_place_and_no_cells(analysed):
    analysed.obs["same"] = 1.0
    trajectory(analysed, analysed.var_names[0], "same").figure.canvas.draw()
    analysed.obs["none"] = np.nan
    ax = trajectory(analysed, analysed.var_names[0], "none")
    assert ax.texts[0].get_text() == "no chosen cell has a place in the ordering"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"order": "branch"}, "column of numbers"),
        ({"order": ("DM_EigenVectors", 99)}, "no component 99"),
        ({"gene": "TP53"}, "TP53"),
        ({"window": 0}, "window"),
        ({"sample_col": "nothing"}, "nothing"),
        ({"groups": {"branch": "leaf"}}, "leaf"),
    ],
)
def test_what_cannot_be_drawn_is_refused(analysed, ax, arguments, text):
    given = {"gene": analysed.var_names[0], "order": "pseudotime", **arguments}
    with pytest.raises(ValueError, match=text):
        trajectory(analysed, ax=ax, **given)


def test_run_without_layers_says_so(analysed, ax):
    obs = analysed.obs.copy()
    trajectory(analysed, analysed.var_names[0], "pseudotime", ax=ax)
    pd.testing.assert_frame_equal(analysed.obs, obs)
    del analysed.layers["kompot_de_control_imputed"]
    with pytest.raises(ValueError, match="layers='dense'"):
        trajectory(analysed, analysed.var_names[0], "pseudotime", ax=ax)
