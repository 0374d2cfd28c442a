"""Plots of a run with factored layers are those of the same run with dense ones."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import kompot
from kompot.datasets import simulate
from kompot.plot import dotplot, heatmap, plot_gene_expression, trajectory
from kompot.plot.stored_runs import gene_layer, read_expression_run
from kompot.records import layers as records_layers

CONDITIONS = ("condition", "control", "treated")
KEY = "kompot_de_control_to_treated"


@pytest.fixture(scope="module", params=[None, "sample"], ids=["cells", "samples"])
def both(request):
    dense = simulate(n_cells=200, n_genes=30, n_donors=3, random_state=2)
    factored = dense.copy()
    options = {"null_genes": 50, "store_additional_stats": True, "sample_col": request.param}
    for adata, layers in ((dense, "dense"), (factored, "factored")):
        kompot.compute_differential_expression(
            adata, *CONDITIONS, layers=layers, random_state=0, progress=False, **options
        )
    return dense, factored


def figure():
    return Figure(figsize=(7, 5.5), layout="constrained")


def drawn(axes):
    """All colours' values and all places of what is drawn."""
    numbers = [np.ravel(one.get_array()) for one in axes.collections if one.get_array() is not None]
    numbers += [one.get_ydata() for one in axes.lines]
    numbers += [path.vertices.ravel() for one in axes.collections for path in one.get_paths()]
    return np.concatenate([np.asarray(one, dtype=float).ravel() for one in numbers])


def test_run_names_its_layers(both):
    dense, factored = (read_expression_run(adata) for adata in both)
    for name in ("imputed1", "imputed2", "fold_change", "zscores", "std1", "std2"):
        assert getattr(dense, name) == getattr(factored, name)


def test_genes_on_an_embedding(both):
    gene = both[0].var_names[3]
    panels = [plot_gene_expression(one, gene, basis="X_tree", figure=figure()) for one in both]
    for name in ("expression", "condition1", "condition2", "fold_change", "zscores"):
        values = [getattr(panel, name).collections[1].get_array() for panel in panels]
        np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-5)


def test_means_of_groups(both):
    tables = [
        heatmap(one, list(one.var_names[:6]), "branch", return_data=True, ax=figure().subplots())
        for one in both
    ]
    for name in ("cond1_means", "cond2_means", "fold_changes"):
        first, second = (getattr(table, name) for table in tables)
        pd.testing.assert_frame_equal(first, second, rtol=1e-4, atol=1e-5)


def test_dots(both):
    dots = [dotplot(one, list(one.var_names[:6]), "branch") for one in both]
    pd.testing.assert_frame_equal(dots[0].fold_changes, dots[1].fold_changes, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(dots[0].shares, dots[1].shares)


def test_trajectories_with_bands(both):
    gene = both[0].var_names[3]
    axes = [trajectory(one, gene, "pseudotime", ax=figure().subplots()) for one in both]
    values = [drawn(one) for one in axes]
    assert len(axes[0].collections) >= 2  # bands
    np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-5)


def test_embeddings_in_the_colours_of_a_layer(both):
    gene = both[0].var_names[3]
    values = [
        drawn(
            kompot.plot.embedding(
                one, "X_tree", color=gene, layer=f"{KEY}_fold_change", ax=figure().subplots()
            )
        )
        for one in both
    ]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-4, atol=1e-5)


def test_reports_draw_the_same_figures(both, tmp_path):
    paths = [
        kompot.report(adata.copy(), tmp_path / f"{number}.html", n_genes=1)
        for number, adata in enumerate(both)
    ]
    pages = [path.read_text(encoding="utf-8") for path in paths]
    assert pages[0].count("<img") == pages[1].count("<img") > 2
    assert pages[1].count("Not drawn") == pages[0].count("Not drawn")
    assert 'layers="factored"' in pages[1].replace("&quot;", '"').replace("&#x27;", '"')


def test_only_genes_that_are_drawn_are_read(both, monkeypatch):
    _, factored = both
    widths = []
    rows = records_layers.factored_rows

    def watched(adata, layer, places, columns):
        widths.append(len(adata.var_names[columns]))
        return rows(adata, layer, places, columns)

    monkeypatch.setattr(records_layers, "factored_rows", watched)
    genes = list(factored.var_names[:4])
    plot_gene_expression(factored, genes[0], basis="X_tree", figure=figure())
    assert set(widths) == {1}
    heatmap(factored, genes, "branch", ax=figure().subplots())
    dotplot(factored, genes, "branch")
    assert set(widths) == {1, 4}


def test_layers_that_were_removed_say_so(both):
    adata = both[1].copy()
    kompot.cleanup(adata)
    gene = adata.var_names[0]
    with pytest.raises(ValueError, match="was stored as factors"):
        plot_gene_expression(adata, gene, basis="X_tree", figure=figure())
    with pytest.raises(ValueError, match="was stored as factors"):
        trajectory(adata, gene, "pseudotime", ax=figure().subplots())
    found = heatmap(adata, [gene], "branch", return_data=True, ax=figure().subplots())
    assert np.isfinite(found.fold_changes.to_numpy()).all()  # of what was measured


def test_other_layers_are_read_as_before(both):
    _, factored = both
    gene = factored.var_names[1]
    expected = np.asarray(factored.layers["counts"][:, [1]].todense()).ravel()
    np.testing.assert_array_equal(gene_layer(factored, gene, "counts"), expected)
