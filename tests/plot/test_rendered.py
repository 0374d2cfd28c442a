"""Figures as they are drawn: colours of pixels where something must be seen."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from kompot.plot import KOMPOT_COLORS, direction_barplot, embedding, heatmap, volcano


def pixels(ax, points, transform=None):
    """Colours of the pixels at some points of an Axes, ``(n_points, 3)``, 0 to 1."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    places = (transform or ax.transData).transform(points)
    columns, rows = np.round(places).astype(int).T
    return image[len(image) - 1 - rows, columns]


@pytest.fixture
def large():
    return Figure(figsize=(8, 6), dpi=150, layout="constrained").subplots()


def test_halves_of_tiles_have_the_colours_of_their_conditions(compared, large):
    genes = list(compared.var_names[:4])
    found = heatmap(compared, genes, "branch", return_data=True, ax=large)
    upper, lower = large.collections
    rows, columns = np.indices(found.cond1_means.shape)
    centers = np.column_stack([columns.ravel(), rows.ravel()])
    for half, table, side in ((upper, found.cond1_means, -0.2), (lower, found.cond2_means, 0.2)):
        expected = half.cmap(half.norm(table.to_numpy().ravel()))[:, :3]
        np.testing.assert_allclose(pixels(large, centers + side), expected, atol=0.02)


def test_called_genes_lie_over_the_others(large):
    table = pd.DataFrame(
        {
            "mean_lfc": [1.0, 1.0, -1.0],
            "mahalanobis": [5.0, 5.0, 5.0],
            "is_de": [True, False, True],
        },
        index=["a", "b", "c"],
    )
    volcano(table, labels=0, show_legend=False, ax=large)
    directions = KOMPOT_COLORS["direction"]
    expected = [to_rgb(directions["up"]), to_rgb(directions["down"])]
    np.testing.assert_allclose(pixels(large, [[1, 5], [-1, 5]]), expected, atol=0.02)


def test_bars_are_stacked_from_down_to_up(compared, large):
    key = "kompot_da_control_to_treated_lfc_direction"
    compared.obs[key] = pd.Categorical(np.resize(["up", "down", "neutral"], compared.n_obs))
    compared.obs["all"] = "cells"
    direction_barplot(compared, "all", ax=large)
    found = pixels(large, [[0, 1 / 6], [0, 1 / 2], [0, 5 / 6]])
    expected = [to_rgb(KOMPOT_COLORS["direction"][one]) for one in ("down", "neutral", "up")]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_largest_changes_lie_on_top(compared, large):
    compared.obsm["X_one"] = np.zeros((compared.n_obs, 2))
    compared.obs["lfc"] = np.linspace(-1, 0.5, compared.n_obs)
    embedding(compared, "X_one", color="lfc", size=200, vmin=-1, vmax=1, ax=large)
    dot = large.collections[-1]
    expected = dot.cmap(dot.norm(-1.0))[:3]
    np.testing.assert_allclose(pixels(large, [[0, 0]])[0], expected, atol=0.02)
