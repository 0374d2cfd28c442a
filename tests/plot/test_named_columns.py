"""Columns that are named, of earlier runs or of none, and runs of chosen genes."""

import json

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from kompot.anndata import compute_differential_expression
from kompot.plot import (
    called_sets,
    diagnostics,
    heatmap,
    multi_volcano_da,
    plot_gene_expression,
    qq,
    volcano_da,
    volcano_de,
)
from kompot.plot.group_means import chosen_genes
from kompot.plot.stored_runs import group_table, read_expression_run, run_genes

KEY = "kompot_de_control_to_treated"
DA = "kompot_da_control_to_treated"
LATER = {"condition1": "young", "condition2": "old"}
RATE = f"{KEY}_mahalanobis_local_fdr"


def points(ax):
    """Points of each group of genes by the first words of its label."""
    found = [one for one in ax.collections if isinstance(one, PathCollection)]
    return {one.get_label().rpartition(" (")[0]: one for one in found if "(" in one.get_label()}


def dashed(ax):
    return [one for one in ax.lines if one.get_linestyle() == "--"]


def written(names, location):
    """Fields of a run that wrote some columns."""
    return {name: {"location": location, "type": "mean_lfc", "description": ""} for name in names}


@pytest.fixture
def later(compared, append_run):
    """Data with a later run of each kind, of other conditions, columns and thresholds."""
    compared.var["b_mean_lfc"] = compared.var[f"{KEY}_mean_lfc"][::-1].to_numpy()
    compared.var["b_mahalanobis"] = compared.var[f"{KEY}_mahalanobis"][::-1].to_numpy()
    compared.var["b_is_de"] = False
    append_run(
        *(compared, "de", LATER),
        lfc_key="b_mean_lfc",
        mahalanobis_key="b_mahalanobis",
        fdr_keys={"is_de_key": "b_is_de"},
        field_mapping=written(["b_mean_lfc", "b_mahalanobis", "b_is_de"], "var"),
    )
    for name in ("lfc", "neg_log10_lfc_ptp", "lfc_direction"):
        compared.obs[f"b_{name}"] = compared.obs[f"{DA}_{name}"].to_numpy()
    compared.obs["b_lfc_direction"] = pd.Categorical(["neutral"] * compared.n_obs)
    append_run(
        *(compared, "da", LATER),
        lfc_key="b_lfc",
        ptp_key="b_neg_log10_lfc_ptp",
        direction_key="b_lfc_direction",
        field_mapping=written(["b_lfc", "b_neg_log10_lfc_ptp", "b_lfc_direction"], "obs"),
    )
    return compared


def test_columns_of_an_earlier_run_have_its_calls_and_conditions(later, ax):
    volcano_de(later, f"{KEY}_mean_lfc", f"{KEY}_mahalanobis", ax=ax)
    assert ax.get_xlabel() == "mean log fold change, control to treated"
    assert ax.get_ylabel() == "Mahalanobis distance"
    called = later.var[f"{KEY}_is_de"].to_numpy()
    assert len(points(ax)["not called"].get_offsets()) == (~called).sum()
    assert "higher in treated" in points(ax)
    for chosen in ({}, {"run_id": 1}):
        other = Figure().subplots()
        volcano_de(later, ax=other, **chosen)
        assert other.get_xlabel() == "mean log fold change, young to old"
    with pytest.raises(ValueError, match="run_id=0 and condition1='young'"):
        volcano_de(later, f"{KEY}_mean_lfc", condition1="young")


def test_a_named_run_goes_before_the_one_that_wrote_the_columns(later, ax):
    volcano_de(later, f"{KEY}_mean_lfc", f"{KEY}_mahalanobis", run_id=1, ax=ax)
    assert ax.get_xlabel() == "mean log fold change, young to old"
    assert len(points(ax)["not called"].get_offsets()) == later.n_vars


def test_what_is_not_named_is_of_the_same_run(later, ax):
    volcano_de(later, score_key=f"{KEY}_mahalanobis", ax=ax)
    assert ax.get_xlabel() == "mean log fold change, control to treated"
    found = np.concatenate([one.get_offsets() for one in points(ax).values()])
    expected = later.var[[f"{KEY}_mean_lfc", f"{KEY}_mahalanobis"]].to_numpy()
    np.testing.assert_allclose(found[np.argsort(found[:, 1])], expected[np.argsort(expected[:, 1])])


def test_columns_of_no_run_have_no_calls_of_one(analysed, ax):
    analysed.var["mine"] = np.linspace(-1, 1, analysed.n_vars)
    analysed.var["height"] = np.linspace(0, 1, analysed.n_vars)
    volcano_de(analysed, "mine", "height", ax=ax)
    assert len(points(ax)["not called"].get_offsets()) == analysed.n_vars
    assert "treated" not in ax.get_xlabel() + "".join(points(ax))
    assert ax.get_ylabel() == "height"


def test_a_record_without_fields_owns_its_fold_changes(later, ax):
    history = json.loads(later.uns["kompot_de"]["run_history"])
    del history[0]["field_mapping"]
    later.uns["kompot_de"]["run_history"] = json.dumps(history)
    volcano_de(later, f"{KEY}_mean_lfc", f"{KEY}_mahalanobis", ax=ax)
    assert "higher in treated" in points(ax)


def test_cells_of_an_earlier_run_have_its_directions_and_thresholds(later, ax):
    columns = f"{DA}_lfc", f"{DA}_neg_log10_lfc_ptp"
    volcano_da(later, *columns, lfc_threshold=None, ax=ax)
    assert ax.get_xlabel().endswith("control to treated")
    shades = {to_hex(shade) for shade in ax.collections[-1].get_facecolor()}
    assert len(shades) > 1
    (last, *_) = multi_volcano_da(later, "branch", *columns)[::-1]
    assert last.get_xlabel().endswith("control to treated")
    volcano_da(later, ax=(other := Figure().subplots()))
    assert other.get_xlabel().endswith("young to old")


def test_cells_by_columns_of_no_run_have_no_directions_and_thresholds(compared, ax):
    compared.obs["mine"] = np.linspace(-1, 1, compared.n_obs)
    compared.obs["height"] = np.linspace(0.01, 1, compared.n_obs)
    volcano_da(compared, "mine", "height", ax=ax)
    assert "treated" not in ax.get_xlabel()
    assert ax.get_ylabel() == "-log10 height"
    assert not dashed(ax)
    assert len({to_hex(shade) for shade in ax.collections[-1].get_facecolor()}) == 1


@pytest.mark.parametrize("name", ["lfc", "height", "called", "order", "stored", "score"])
def test_a_column_for_colours_may_have_any_name(analysed, ax, name):
    analysed.var[name] = np.arange(analysed.n_vars, dtype=float)
    volcano_de(analysed, color=name, gene_labels=0, ax=ax)
    called = analysed.var[f"{KEY}_is_de"].to_numpy()
    found = points(ax)["not called"]
    columns = [f"{KEY}_mean_lfc", f"{KEY}_mahalanobis"]
    np.testing.assert_allclose(found.get_offsets(), analysed.var.loc[~called, columns])
    np.testing.assert_array_equal(found.get_array(), analysed.var.loc[~called, name])
    assert ax.figure.axes[-1].get_ylabel() == name


def test_a_named_rate_is_drawn_and_called_what_it_is(analysed, ax):
    volcano_de(analysed, score_key=RATE, significance_threshold=0.2, ax=ax)
    assert ax.get_ylabel() == "-log10 local FDR"
    rate = analysed.var[RATE].to_numpy()
    assert len(points(ax)["other genes"].get_offsets()) == (rate >= 0.2).sum()
    analysed.var["other_donor_fdr"] = rate
    volcano_de(analysed, score_key="other_donor_fdr", ax=(other := Figure().subplots()))
    assert other.get_ylabel() == "other_donor_fdr"


def test_titles_say_what_a_named_score_is(analysed):
    gene, figure = analysed.var_names[0], Figure()
    place = analysed.var.iloc[0]
    plot_gene_expression(analysed, gene, score_key=RATE, basis="X_tree", figure=figure)
    lfc = place[f"{KEY}_mean_lfc"]
    texts = [gene, f"mean log fold change {lfc:+.2f}", f"local FDR {place[RATE]:.2g}"]
    assert figure.get_suptitle() == ", ".join(texts)
    analysed.var["mine"] = 0.25
    columns = {"lfc_key": "mine", "score_key": f"{KEY}_mahalanobis"}
    plot_gene_expression(analysed, gene, basis="X_tree", figure=(other := Figure()), **columns)
    distance = place[f"{KEY}_mahalanobis"]
    assert other.get_suptitle().startswith(f"{gene}, mine 0.25, distance {distance:.1f}, local")


def test_probabilities_as_they_are_have_their_own_name_and_line(compared, ax):
    compared.obs["tail"] = 10 ** -compared.obs[f"{DA}_neg_log10_lfc_ptp"]
    volcano_da(compared, ptp_key="tail", log_transform_ptp=False, ax=ax)
    assert ax.get_ylabel() == "tail"
    assert dashed(ax)[-1].get_ydata()[0] == 0.4
    strips = multi_volcano_da(
        *(compared, "branch"), ptp_key="tail", log_transform_ptp=False, show_thresholds=True
    )
    assert strips[0].figure.get_supylabel() == "tail"
    assert dashed(strips[0])[-1].get_ydata()[0] == 0.4
    volcano_da(compared, log_transform_ptp=False, ax=(other := Figure().subplots()))
    assert other.get_ylabel() == "-log10 tail probability"  # stored so


@pytest.mark.parametrize("name", ["lfc_key", "score_key"])
def test_columns_of_all_cells_are_refused_for_a_group(compared, ax, name):
    with pytest.raises(ValueError, match=r"leave them out if 'group' is given.*'y_axis_type'"):
        volcano_de(compared, group="root", ax=ax, **{name: f"{KEY}_mean_lfc"})


def test_one_strongest_gene_is_one_gene(analysed, ax):
    best = analysed.var[f"{KEY}_mahalanobis"].argmax()
    names = list(analysed.var_names)
    names[best - 1] = names[best]
    analysed.var_names = names
    volcano_de(analysed, n_top_genes=1, gene_labels=0, ax=ax)
    assert len(points(ax)["other genes"].get_offsets()) == analysed.n_vars - 1


@pytest.fixture
def halves(compared):
    """Data in which two runs tested twelve genes each, under one key and in groups."""
    del compared.uns["kompot_de"]
    compared.varm.clear()
    compared.var = compared.var.iloc[:, :0]
    for genes in (compared.var_names[:12], compared.var_names[12:24]):
        compute_differential_expression(
            *(compared, "condition", "control", "treated"),
            genes=list(genes),
            groups="branch",
            null_genes=30,
            store_additional_stats=True,
            layers="none",
            overwrite=True,
            progress=False,
        )
    return compared


def test_genes_of_another_run_are_not_drawn(halves, ax):
    last = set(halves.var_names[12:24])
    assert halves.var[f"{KEY}_mahalanobis"].notna().sum() == 24
    run = read_expression_run(halves)
    assert set(halves.var_names[run_genes(halves, run)]) == last
    halves.var["rank"] = -np.arange(halves.n_vars)
    for arguments in ({}, {"sort_key": "rank", "n_top_genes": 5}, {"group": "root"}):
        volcano_de(halves, ax=(drawn := Figure().subplots()), **arguments)
        assert sum(len(one.get_offsets()) for one in points(drawn).values()) == 12
        if "n_top_genes" in arguments:
            assert len(points(drawn)["other genes"].get_offsets()) == 7
    assert set(chosen_genes(halves, run, None, 50)) == last
    assert set(heatmap(halves, groupby="branch", return_data=True).cond1_means.index) == last
    for score in ("mean_lfc", "is_de"):
        known = group_table(halves, run, score).notna().any(axis=1)
        assert set(known.index[known]) == last
    sets = [called_sets(halves, threshold=limit) for limit in (None, 1.1)]
    assert set().union(*sets[0].values()) <= set().union(*sets[1].values()) == last
    qq(halves, ax=ax)
    assert ax.get_legend().get_texts()[0].get_text().endswith("(12)")
    texts = [text.get_text() for text in diagnostics(halves).distances.get_legend().get_texts()]
    assert sum(int(text.rpartition("(")[2][:-1]) for text in texts if "called" in text) == 12
