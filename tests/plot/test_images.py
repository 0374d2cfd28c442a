"""Whole pictures against those in ``images``, which were looked at.

Texts and keys are hidden, because their pixels depend on the version of FreeType; the other tests
are about them. What is drawn comes from formulas, not from an analysis. To renew the pictures after
a change that was meant: ``KOMPOT_NEW_IMAGES=1 python -m pytest tests/plot/test_images.py``, then
look at them.
"""

import json
import os
from pathlib import Path

import anndata as ad
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.testing.compare import calculate_rms, compare_images
from matplotlib.text import Text

from kompot.plot import dotplot, embedding, heatmap, trajectory, upset, volcano, volcano_da

IMAGES = Path(__file__).parent / "images"
TOLERANCE = 4.0
"""Root mean square of the differences of pixels, of 255: what versions of matplotlib differ by."""


@pytest.fixture(scope="module")
def cells():
    """Two conditions on an arc, genes that change along it, and records as runs leave them."""
    n_cells = 240
    along = np.linspace(0, 1, n_cells)
    genes = [f"gene {number}" for number in range(6)]
    peaks = np.exp(-((along[:, None] - np.linspace(0, 1, 6)) ** 2) / 0.05)
    change = peaks * np.array([2.0, -1.5, 1.0, -0.5, 0.0, 1.5])
    is_second = np.arange(n_cells) % 2 == 1
    adata = ad.AnnData(
        1 + peaks + np.where(is_second[:, None], change, 0),
        obs=pd.DataFrame(
            {
                "condition": pd.Categorical(np.where(is_second, "new", "old")),
                "group": pd.Categorical(np.array(["a", "b", "c"])[np.arange(n_cells) // 80]),
                "along": along,
                "lfc": 3 * along - 1.2,
                "neg_log10_lfc_ptp": 10 * np.abs(along - 0.4) ** 1.5,
                "direction": pd.cut(along, [-1, 0.2, 0.7, 1], labels=["down", "neutral", "up"]),
                "old_std": 0.1 + 0.2 * along,
                "new_std": 0.3 - 0.2 * along,
            },
            index=[f"cell {number}" for number in range(n_cells)],
        ),
        var=pd.DataFrame({"distance": [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]}, index=genes),
    )
    adata.obsm["X_arc"] = np.column_stack([np.cos(3 * along), np.sin(3 * along)])
    adata.layers.update({"old": 1 + peaks, "new": 1 + peaks + change, "change": change})
    conditions = {"groupby": "condition", "condition1": "old", "condition2": "new"}
    expression = {
        "params": conditions,
        "lfc_key": None,
        "mahalanobis_key": "distance",
        "imputed_layer_keys": {"condition1": "old", "condition2": "new", "fold_change": "change"},
        "field_names": {"std_key_1": "old_std", "std_key_2": "new_std"},
    }
    abundance = {
        "params": conditions | {"log_fold_change_threshold": 1.0, "ptp_threshold": 0.01},
        **{"lfc_key": "lfc", "ptp_key": "neg_log10_lfc_ptp", "direction_key": "direction"},
    }
    adata.uns["kompot_de"] = {"run_history": json.dumps([expression])}
    adata.uns["kompot_da"] = {"run_history": json.dumps([abundance])}
    return adata


def draw_volcano(_cells, figure):
    place = np.linspace(-1, 1, 81)
    table = pd.DataFrame(
        {"mean_lfc": place, "mahalanobis": 9 * place**2, "is_de": np.abs(place) > 0.5},
        index=[f"gene {number}" for number in range(81)],
    )
    volcano(table, labels=0, threshold=2.25, highlight=["gene 80"], ax=figure.subplots())


def draw_heatmap(cells, figure):
    heatmap(cells, list(cells.var_names), "group", ax=figure.subplots(), dendrogram=True)


def draw_dotplot(cells, figure):
    main, bar, size = figure.subplots(1, 3, width_ratios=[6, 1, 1])
    dotplot(cells, list(cells.var_names), "group", axes=(main, bar, size), expr_threshold=1.2)


def draw_embedding(cells, figure):
    embedding(cells, "X_arc", color="lfc", groups={"group": ["a", "c"]}, ax=figure.subplots())


def draw_trajectory(cells, figure):
    trajectory(cells, "gene 0", "along", ax=figure.subplots())


def draw_upset(_cells, figure):
    sets = {"a": set(range(9)), "b": set(range(4, 15)), "c": {1, 4, 5, 20}}
    upset({name: {f"gene {one}" for one in genes} for name, genes in sets.items()}, figure=figure)


def draw_volcano_da(cells, figure):
    volcano_da(cells, ax=figure.subplots())


DRAWINGS = {
    "volcano": draw_volcano,
    "heatmap": draw_heatmap,
    "dotplot": draw_dotplot,
    "embedding": draw_embedding,
    "trajectory": draw_trajectory,
    "upset": draw_upset,
    "volcano_da": draw_volcano_da,
}


def picture(name, cells, path):
    """Draw, hide what depends on fonts, and save."""
    # Without a layout engine, so that places do not depend on the sizes of texts either.
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure = Figure(figsize=(5, 4), dpi=80)
        DRAWINGS[name](cells, figure)
        figure.set_layout_engine("none")
        for artist in [*figure.findobj(Text), *figure.findobj(Legend)]:
            artist.set_visible(False)
        for ax in figure.axes:
            ax.tick_params(labelleft=False, labelbottom=False)
        figure.savefig(path, dpi=80)


@pytest.mark.parametrize("name", DRAWINGS)
def test_pictures_are_those_that_were_looked_at(cells, tmp_path, name):
    expected = IMAGES / f"{name}.png"
    if os.environ.get("KOMPOT_NEW_IMAGES"):
        picture(name, cells, expected)
    drawn = tmp_path / f"{name}.png"
    picture(name, cells, drawn)
    assert compare_images(expected, drawn, TOLERANCE) is None


def test_exchanged_conditions_would_be_noticed(cells, tmp_path):
    other = cells.copy()
    run = json.loads(other.uns["kompot_de"]["run_history"])[0]
    layers = run["imputed_layer_keys"]
    layers["condition1"], layers["condition2"] = layers["condition2"], layers["condition1"]
    other.uns["kompot_de"]["run_history"] = json.dumps([run])
    for name in ("heatmap", "trajectory"):
        drawn = tmp_path / f"{name}.png"
        picture(name, other, drawn)
        images = [mpl.image.imread(path)[..., :3] * 255 for path in (IMAGES / f"{name}.png", drawn)]
        assert calculate_rms(*images) > 2 * TOLERANCE
