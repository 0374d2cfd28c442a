"""Every plot on data at the limits: it draws within its figure, or says why there is nothing."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from kompot.plot import (
    diagnostics,
    direction_barplot,
    dotplot,
    embedding,
    heatmap,
    multi_volcano_da,
    overlap,
    plot_gene_expression,
    qq,
    trajectory,
    upset,
    volcano_da,
    volcano_de,
)

CHANGE = "kompot_da_control_to_treated_lfc"
GENES = {
    "volcano_de": lambda adata: volcano_de(adata, return_fig=True),
    "volcano_de of a group": lambda adata: volcano_de(
        adata, group=adata.obs["branch"].cat.categories[0], return_fig=True
    ),
    "heatmap": lambda adata: heatmap(adata, groupby="branch", return_fig=True),
    "heatmap of changes": lambda adata: heatmap(
        adata, groupby="branch", fold_change_mode=True, dendrogram=True, return_fig=True
    ),
    "heatmap of dots": lambda adata: heatmap(
        adata, groupby="branch", split_dot_mode=True, return_fig=True
    ),
    "dotplot": lambda adata: dotplot(adata, None, "branch", return_fig=True),
    "upset": lambda adata: upset(adata, return_fig=True),
    "overlap": lambda adata: overlap(adata, return_fig=True),
    "qq": lambda adata: qq(adata, return_fig=True),
    "qq of groups": lambda adata: qq(adata, groups=True, return_fig=True),
    "diagnostics": lambda adata: diagnostics(adata, sample_col="donor", return_fig=True),
}
ONE_GENE = {
    "plot_gene_expression": lambda adata: plot_gene_expression(
        adata, adata.var_names[0], basis="X_tree", return_fig=True
    ),
    "trajectory": lambda adata: trajectory(
        adata, adata.var_names[0], "pseudotime", sample_col="donor", return_fig=True
    ),
}
CELLS = {
    "embedding": lambda adata: embedding(
        adata, "X_tree", color=["branch", CHANGE], return_fig=True
    ),
    "volcano_da": lambda adata: volcano_da(adata, color="branch", return_fig=True),
    "multi_volcano_da": lambda adata: multi_volcano_da(adata, "branch", return_fig=True),
    "direction_barplot": lambda adata: direction_barplot(adata, "branch", return_fig=True),
}
DRAWINGS = GENES | ONE_GENE | CELLS


def with_p_values(adata):
    """P-values of groups, as a run with `groups` stores them."""
    distance = adata.varm["kompot_de_control_to_treated_mahalanobis_groups"]
    adata.varm["kompot_de_control_to_treated_ptp_groups"] = np.exp(-distance)
    return adata


def with_fifty_groups(adata):
    """Fifty groups and samples, they and the genes with long names."""
    names = [f"a group of cells with a very long name, number {number}" for number in range(50)]
    adata.obs["branch"] = pd.Categorical(np.resize(names, adata.n_obs), categories=names)
    adata.obs["donor"] = adata.obs["branch"]
    adata.var_names = [f"a_gene_with_a_very_long_$name$_{n}_{n}" for n in range(adata.n_vars)]
    for key, table in list(adata.varm.items()):
        columns = np.resize(np.arange(table.shape[1]), 50)
        adata.varm[key] = table.iloc[:, columns].set_axis(names, axis=1).set_axis(adata.var_names)
    return adata


def without_values(adata):
    """The same fields, all of them missing."""
    for name in [one for one in adata.layers if one.startswith("kompot")]:
        adata.layers[name] = np.full(adata.shape, np.nan)
    for frame in (adata.var, adata.obs):
        numbers = frame.filter(like="kompot").select_dtypes("float").columns
        frame[numbers] = np.nan
    adata.obs[f"{CHANGE}_direction"] = pd.Categorical([None] * adata.n_obs)
    for key, table in list(adata.varm.items()):
        adata.varm[key] = table.astype(float) * np.nan
    return adata


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible()]


def reaches_beyond(figure):
    """How far, in inches, what is drawn reaches beyond its figure."""
    figure.canvas.draw()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    return max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)


@pytest.mark.parametrize("name", DRAWINGS)
def test_fifty_groups_with_long_names_fit(compared, name):
    figure = DRAWINGS[name](with_fifty_groups(with_p_values(compared)))
    assert reaches_beyond(figure) < 0.1
    assert max(len(text) for text in texts(figure)) <= 110
    assert not any(re.search(r"(?<!\\)\$name", text) for text in texts(figure))


@pytest.mark.parametrize("name", DRAWINGS)
def test_one_gene_fits(compared, name):
    figure = DRAWINGS[name](with_p_values(compared)[:, [2]].copy())
    assert reaches_beyond(figure) < 0.1


SAID = {
    "volcano_de": "no gene has both",
    "volcano_de of a group": "no gene has both",
    "heatmap": "no genes in groups",
    "heatmap of changes": "no genes in groups",
    "heatmap of dots": "no genes in groups",
    "dotplot": "no genes in groups",
    "upset": "no gene is in any set",
    "overlap": "0",
    "qq": "there are no p-values",
    "qq of groups": "there are no p-values",
    "diagnostics": "no gene has a distance",
    "volcano_da": "no cell has both",
    "multi_volcano_da": "no cell has both",
    "direction_barplot": "no cell has both",
}


@pytest.mark.parametrize("name", GENES)
def test_no_genes_are_explained(compared, name):
    figure = DRAWINGS[name](with_p_values(compared)[:, :0].copy())
    assert reaches_beyond(figure) < 0.1
    assert any(text.startswith(SAID[name]) for text in texts(figure))


@pytest.mark.parametrize("name", DRAWINGS)
def test_missing_values_are_explained_or_grey(compared, name):
    figure = DRAWINGS[name](without_values(with_p_values(compared)))
    assert reaches_beyond(figure) < 0.1
    if name in SAID:
        assert any(text.startswith(SAID[name]) for text in texts(figure))
    assert not re.search(r"\bnan\b", " ".join(texts(figure)))
