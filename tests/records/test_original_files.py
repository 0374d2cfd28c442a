"""Files written by versions 0.6.3 and 0.8.0 of the original (see data/make_original.py)."""

import json
from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad

import kompot
from kompot.plot.stored_runs import read_expression_run

KEY = "kompot_de_Young_adult_to_Old"


def test_files_hold_no_names_of_people_or_machines(original):
    for key in ("kompot_de", "kompot_da"):
        for name in ("run_history", "last_run_info"):
            text = original.uns[key][name]
            assert not [word for word in ("hostname", "username", '"pid"') if word in text]


def test_runs_are_listed(original):
    table = kompot.runs(original)
    table = table[table["analysis_type"] != "smooth"]
    assert table["conditions"].unique().tolist() == ["Young adult to Old"]
    assert table["sample_col"].fillna("").tolist() == ["", "", "donor", "", "donor"]
    assert table["groups"].fillna("").tolist() == ["", "", "A & <b>, B/1", "", ""]
    assert table[["present", "missing", "overwritten"]].to_numpy().tolist() == [
        *([5, 0, 9], [5, 0, 4], [13, 0, 0], [4, 0, 3], [7, 0, 0]),
    ]
    assert table["kompot_version"].nunique() == 1


def test_summary_of_the_run_with_samples(original):
    summary = kompot.RunInfo(original, analysis_type="de").get_summary()
    assert summary["uses_sample_variance"]
    assert summary["field_count"] == 13
    assert summary["groups_count"] == 2
    assert summary["overwritten_fields"] == summary["missing_fields"] == []


def test_rerun_with_samples_overwrites_what_does_not_depend_on_them(original):
    first = kompot.RunInfo(original, 0, "de").overwritten_fields
    owners = {(entry["location"], entry["field"]): entry["current_run_id"] for entry in first}
    assert owners["var", f"{KEY}_mean_lfc"] == 2
    assert owners["var", f"{KEY}_mahalanobis"] == 1
    assert owners["obs", "kompot_de_Old_std"] == 1  # the third run's are layers
    assert ("obsp", f"{KEY}_posterior_covariance") not in owners
    owners = {
        entry["field"]: entry["current_run_id"]
        for entry in kompot.RunInfo(original, 0, "da").overwritten_fields
    }
    assert set(owners) == {
        "kompot_da_Young_adult_to_Old_lfc",
        "kompot_da_Young_adult_log_density",
        "kompot_da_Old_log_density",
    }


def test_covariance_filed_too_deep_is_found(original):
    status = kompot.get_field_status(original, 0)
    assert status["obsp"] == {"covariance": {f"{KEY}_posterior_covariance": True}}
    assert "null" not in json.dumps(list(status))
    kompot.cleanup(original, run_ids=0, keep_layers=True)
    assert f"{KEY}_posterior_covariance" not in original.obsp


def test_abundance_fields_are_known_by_their_keys(original):
    status = kompot.get_field_status(original, 1, "da")
    assert status == {
        "obs": {
            "log_fold_change": {"kompot_da_Young_adult_to_Old_lfc": True},
            "log_fold_change_zscore": {
                "kompot_da_Young_adult_to_Old_lfc_zscore_sample_var": True,
            },
            "ptp": {"kompot_da_Young_adult_to_Old_neg_log10_lfc_ptp_sample_var": True},
            "direction": {"kompot_da_Young_adult_to_Old_lfc_direction_sample_var": True},
            "density": {
                "kompot_da_Young_adult_log_density": True,
                "kompot_da_Old_log_density": True,
            },
        },
        "uns": {"colors": {"kompot_da_Young_adult_to_Old_lfc_direction_sample_var_colors": True}},
    }


def test_parameters_of_all_versions_compare(original, with_runs):
    names = kompot.RunComparison(original, 0, 2, "de").param_comparison
    assert {"sample_col", "filter.groups", "filter.min_cells"} <= set(names["different"])
    assert {"gp.sigma", "gp.n_landmarks", "fdr.threshold", "storage.result_key"} <= set(
        names["same"]
    )
    ours = kompot.RunInfo(with_runs, 0, "de").compare_with(1).param_comparison
    shared = {*names["same"], *names["different"]} - {"result_key"}
    unknown = shared - {*ours["same"], *ours["different"]}
    assert unknown <= {
        *("use_sample_variance", "used_landmarks", "auto_filtered"),
        *("gp.use_empirical_variance", "fdr.null_mahalanobis", "fdr.null_expression"),
        *("fdr.combine_with_internal", "output.return_null_data"),
    }


def test_our_runs_continue_their_history(original):
    before = json.loads(original.uns["kompot_de"]["run_history"])
    with pytest.warns(UserWarning, match=r"already exist.*run_id=2, .*comparing Young adult to Ol"):
        kompot.compute_differential_expression(
            original, "age", "Young adult", "Old", null_genes=5, random_state=0, progress=False
        )
    after = json.loads(original.uns["kompot_de"]["run_history"])
    assert after[:3] == before
    run = kompot.RunInfo(original)
    assert run.adjusted_run_id == 3
    owners = {
        entry["field"]: entry["current_run_id"]
        for entry in kompot.RunInfo(original, 2, "de").overwritten_fields
    }
    assert owners[f"{KEY}_mean_lfc"] == 3
    assert run.compare_with(0).param_comparison["different"]
    distances = original.var[f"{KEY}_mahalanobis"]
    assert np.isfinite(distances).all()


def test_gene_tables_are_read(original):
    with pytest.warns(UserWarning, match="Fields of run 0 were overwritten by run 1, 2"):
        table = kompot.get_table(original, 0)
    assert {"mean_lfc", "mahalanobis", "local_fdr", "is_de", "pvalue"} <= set(table)
    groups = kompot.get_table(original, 2, group=True)
    assert groups["group"].cat.categories.tolist() == ["A & <b>", "B/1"]


@pytest.mark.filterwarnings("ignore:Fields of run 0 were overwritten")
def test_plots_find_the_layers_of_either_version(original):
    run = read_expression_run(original, 0)
    assert run.imputed1 in original.layers
    assert run.fold_change in original.layers


def test_smoothing_of_the_original_is_read():
    adata = read_h5ad(Path(__file__).parent / "data" / "original_0.8.0.h5ad")
    run = kompot.RunInfo(adata, analysis_type="smooth")
    assert run.get_summary()["conditions"] == "Old"
    assert kompot.runs(adata, "smooth")["present"].tolist() == [2]
    assert "Run 0 (SMOOTH Analysis)" in run._repr_html_()
    kompot.cleanup(adata, analysis_type="smooth")
    assert not [name for name in adata.layers if str(name).startswith("kompot_smooth")]
