import json

import numpy as np
import pytest
from scipy import sparse

from kompot.anndata import compute_differential_expression
from kompot.plot import called_sets, volcano_de
from kompot.plot.stored_runs import SCORES, column, gene_layer, read_expression_run

KEY = "kompot_de_control_to_treated"


def test_fields_are_those_of_the_run(analysed):
    run = read_expression_run(analysed)
    assert (run.condition1, run.condition2, run.layer) == ("control", "treated", None)
    stored = [run.scores[name] for name in SCORES if not name.startswith("donor")]
    for name in (run.mean_lfc, run.is_de, *stored):
        assert name in analysed.var
    assert (run.scores["donor_fdr"], run.groups, run.is_donor_level) == (None, {}, False)
    assert set(run.scores) == set(SCORES)
    assert {run.std1, run.std2} <= set(analysed.obs)
    for name in (run.imputed1, run.imputed2, run.fold_change, run.zscores):
        assert name in analysed.layers


@pytest.mark.filterwarnings("ignore:Fields of run 0 were overwritten")
def test_runs_by_number_and_by_conditions(analysed):
    options = {"null_genes": 0, "layers": "none", "progress": False, "overwrite": True}
    compute_differential_expression(analysed, "condition", "treated", "control", **options)
    compute_differential_expression(
        analysed, "branch", "branch_1", "branch_2", result_key="branches", **options
    )
    assert read_expression_run(analysed).condition1 == "branch_1"
    assert read_expression_run(analysed, -2).condition1 == "treated"
    assert read_expression_run(analysed, 0).condition1 == "control"
    assert read_expression_run(analysed, condition1="control").mean_lfc == f"{KEY}_mean_lfc"
    assert read_expression_run(analysed, 1, condition2="control").condition1 == "treated"
    with pytest.raises(ValueError, match="run_id=0 and condition2='control'"):
        read_expression_run(analysed, 0, condition2="control")
    with pytest.raises(ValueError, match="run_id=-4"):
        read_expression_run(analysed, -4)


def test_runs_whose_fields_hold_values_of_another_are_pointed_out(analysed):
    options = {"null_genes": 0, "layers": "none", "progress": False, "overwrite": True}
    compute_differential_expression(analysed, "condition", "control", "treated", **options)
    with pytest.warns(UserWarning, match="Fields of run 0 were overwritten by run 1"):
        read_expression_run(analysed, 0)
    read_expression_run(analysed)


@pytest.mark.parametrize("score", ["local_fdr", "tail_fdr", "ptp"])
def test_score_that_was_not_stored_says_how_to_get_it(analysed, score):
    del analysed.uns["kompot_de"]
    options = {"null_genes": 0, "layers": "none", "progress": False, "overwrite": True}
    compute_differential_expression(analysed, "condition", "control", "treated", **options)
    with pytest.raises(ValueError, match=r"compute_differential_expression with"):
        read_expression_run(analysed).score_column(score)


def test_no_run_says_what_to_do(adata):
    with pytest.raises(ValueError, match="run compute_differential_expression first, or name"):
        read_expression_run(adata)
    assert read_expression_run(adata, is_needed=False).mean_lfc is None


def test_record_of_the_original(adata):
    # Flat parameters and `imputed` in 0.6.3; nested parameters and `smoothed` since 0.7.
    old = {
        "params": {"condition1": "a", "condition2": "b", "layer": "logged", "sigma": 1.0},
        "lfc_key": "k_a_to_b_mean_lfc",
        "mahalanobis_key": "k_a_to_b_mahalanobis",
        "ptp_key": None,
        "fdr_keys": None,
        "imputed_layer_keys": {"condition1": "k_a_imputed", "condition2": "k_b_imputed"},
    }
    new = old | {"smoothed_layer_keys": {"condition1": "k_a_smoothed", "fold_change": "k_fc"}}
    del new["imputed_layer_keys"]
    adata.uns["kompot_de"] = {"run_history": json.dumps([old, new])}
    first, second = (read_expression_run(adata, number) for number in (0, 1))
    assert (first.condition1, first.condition2, first.layer) == ("a", "b", "logged")
    assert (first.imputed1, first.fold_change, first.is_de) == ("k_a_imputed", None, None)
    assert (second.imputed1, second.fold_change) == ("k_a_smoothed", "k_fc")


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_array, np.asarray])
def test_gene_of_any_matrix(adata, convert):
    dense = adata.X.toarray()
    adata.layers["other"] = convert(dense)
    gene = adata.var_names[3]
    np.testing.assert_array_equal(gene_layer(adata, gene, None), dense[:, 3])
    np.testing.assert_array_equal(gene_layer(adata, gene, "other"), dense[:, 3])


def test_unknown_names_are_refused(adata):
    with pytest.raises(ValueError, match="No gene is called 'TP53'"):
        gene_layer(adata, "TP53", None)
    with pytest.raises(ValueError, match="no layer 'nothing'"):
        gene_layer(adata, adata.var_names[0], "nothing")
    with pytest.raises(ValueError, match="no column"):
        column(adata, "nothing")
    adata.var_names = ["same"] * 2 + list(adata.var_names[2:])
    with pytest.raises(ValueError, match="2 genes are called 'same'"):
        gene_layer(adata, "same", None)


@pytest.mark.filterwarnings("ignore:Fields of run 0 were overwritten")
def test_tables_of_groups_are_those_that_the_record_names(compared, append_run):
    history = json.loads(compared.uns["kompot_de"]["run_history"])
    fields = history[0]["field_mapping"]
    own = {name: entry for name, entry in fields.items() if entry["location"] != "varm"}
    append_run(compared, "de", field_mapping=own)
    assert set(read_expression_run(compared, 0).groups) > {"mean_lfc", "is_de"}
    assert read_expression_run(compared).groups == {}
    with pytest.raises(ValueError, match="no 'mean_lfc' of groups"):
        volcano_de(compared, group="root")
    with pytest.raises(ValueError, match="no 'is_de' of groups"):
        called_sets(compared)
    append_run(compared, "de", field_mapping=None)  # older records name none
    assert "mean_lfc" in read_expression_run(compared).groups
