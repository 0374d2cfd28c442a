import json

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import kompot
from kompot.anndata.utils import RunInfo

KEY = "kompot_de_control_to_treated"
BACK = "back_treated_to_control"


def test_documented_attributes(with_runs):
    run = RunInfo(with_runs, run_id=-3, analysis_type="de")
    assert run.adata is with_runs
    assert run.run_id == -3
    assert run.adjusted_run_id == 0
    assert run.analysis_type == "de"
    assert run.storage_key == "kompot_de"
    assert run.run_info == json.loads(with_runs.uns["kompot_de"]["run_history"])[0]
    assert run.field_names["mahalanobis_key"] == f"{KEY}_mahalanobis"
    assert run.params["gp"]["random_state"] == 0
    assert run.environment["package_versions"]["numpy"] == np.__version__
    assert run.timestamp == run.run_info["timestamp"]
    assert run.adata_fields["obs"] == ["kompot_de_control_std", "kompot_de_treated_std"]
    assert set(run.adata_fields) == {"var", "layers", "obs", "obsp"}
    assert repr(run) == f"RunInfo(analysis_type=de, run_id=0, timestamp={run.timestamp})"


def test_documented_addresses():
    for name in ("RunInfo", "RunComparison", "cleanup", "get_field_status", "runs"):
        assert getattr(kompot.anndata.utils, name) is getattr(kompot, name)


def test_defaults_are_the_last_run_of_expression_before_abundance(with_runs):
    run = RunInfo(with_runs)
    assert (run.run_id, run.adjusted_run_id, run.analysis_type) == (-1, 2, "de")
    assert RunInfo(with_runs, analysis_type="da").adjusted_run_id == 1
    del with_runs.uns["kompot_de"]
    run = RunInfo(with_runs, 0)
    assert (run.analysis_type, run.storage_key) == ("da", "kompot_da")


def test_the_record_holds_what_it_must(with_runs):
    for kind in ("de", "da"):
        record = RunInfo(with_runs, 0, kind).get_raw_data()
        assert record["adjusted_run_id"] == 0
        assert record["schema_version"] == 1
        assert record["kompot_version"] == kompot.__version__
        numerics = record["numerics"]
        assert numerics["random_state"] == 0
        assert numerics["tol"] > numerics["residual_mean"] > 0
        assert numerics["rank"] > 1
        assert 0 < numerics["seconds"] < 600
        assert numerics["peak_memory_bytes"] > 1e7
        assert 0 <= numerics["peak_memory_increase_bytes"] < numerics["peak_memory_bytes"]
        assert not {"hostname", "username", "pid"} & set(record["environment"])
    assert RunInfo(with_runs, 0, "de").params["fdr"]["null_seed"] == 42


def test_overwritten_fields_name_the_run_that_wrote_them(with_runs):
    first, second, third = (RunInfo(with_runs, number, "de") for number in range(3))
    names = {entry["field"] for entry in first.overwritten_fields}
    assert names == {name for place in second.adata_fields.values() for name in place}
    assert {
        "field": f"{KEY}_mahalanobis",
        "location": "var",
        "current_run_id": 1,
        "expected_run_id": 0,
    } in first.overwritten_fields
    assert f"{KEY}_posterior_covariance" not in names
    assert second.overwritten_fields == third.overwritten_fields == []
    assert RunInfo(with_runs, 0, "da").overwritten_fields == []


def test_missing_fields_are_those_that_were_removed(with_runs):
    assert RunInfo(with_runs, 1).missing_fields == []
    del with_runs.layers[f"{KEY}_fold_change"]
    del with_runs.var[f"{KEY}_is_de"]
    run = RunInfo(with_runs, 0)
    assert [(entry["location"], entry["field"]) for entry in run.missing_fields] == [
        ("var", f"{KEY}_is_de"),
        ("layers", f"{KEY}_fold_change"),
    ]
    assert run.missing_fields[1]["type"] == "fold_change"
    assert "natural log" in run.missing_fields[1]["description"]
    states = {row["field"]: row["status"] for row in run.field_table()}
    assert states[f"{KEY}_is_de"] == "missing"
    assert states[f"{KEY}_mahalanobis"] == "overwritten"
    assert states[f"{KEY}_posterior_covariance"] == "present"


def test_summary(with_runs):
    summary = RunInfo(with_runs, 0, "de").get_summary()
    overwritten, missing = summary.pop("overwritten_fields"), summary.pop("missing_fields")
    assert len(overwritten) == 9
    assert missing == []
    assert summary == {
        "run_id": 0,
        "adjusted_run_id": 0,
        "analysis_type": "de",
        "timestamp": RunInfo(with_runs, 0, "de").timestamp,
        "conditions": "control to treated",
        "obsm_key": "DM_EigenVectors",
        "layer": None,
        "uses_sample_variance": False,
        "field_count": 14,
        "overwritten_field_count": 9,
        "missing_field_count": 0,
        "has_groups": False,
    }
    with_groups = RunInfo(with_runs, 0, "da").get_summary()
    branches = with_runs.obs["branch"].cat.categories
    assert with_groups["groups_count"] == len(branches)
    assert with_groups["groups"] == ", ".join(branches)


def test_many_groups_are_counted_not_listed(small, da):
    da(small, groups=pd.Series([f"g{i % 5}" for i in range(120)], index=small.obs_names))
    assert RunInfo(small).get_summary()["groups"] == "g0, g1, g2 and 2 more"
    assert kompot.runs(small)["groups"].tolist() == ["g0, g1, g2 and 2 more"]


def test_data_holds_the_values(with_runs):
    del with_runs.layers[f"{KEY}_fold_change"]
    data = RunInfo(with_runs, 0, "de").get_data()
    assert list(data) == [
        *("run_id", "adjusted_run_id", "analysis_type", "field_names", "params", "environment"),
        *("timestamp", "overwritten_fields", "missing_fields", "field_data"),
    ]
    values = data["field_data"]
    assert values["var"][f"{KEY}_mahalanobis"].equals(with_runs.var[f"{KEY}_mahalanobis"])
    assert values["obsp"][f"{KEY}_posterior_covariance"].shape == (120, 120)
    assert set(values["layers"]) == {
        *("kompot_de_control_imputed", "kompot_de_treated_imputed"),
        f"{KEY}_fold_change_zscores",
    }
    colors = RunInfo(with_runs, 0, "da").get_data()["field_data"]["uns"]
    assert len(colors["kompot_da_control_to_treated_lfc_direction_colors"]) == 3


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((99,), ValueError, "Run ID 99 not found in de run history"),
        ((-4, "de"), ValueError, r"Run ID -4 not found.*3 runs are recorded"),
        ((0, "xx"), ValueError, "Invalid analysis_type: 'xx'. Must be one of 'de', 'da'"),
        ((0, "smooth"), ValueError, "Run ID 0 not found in smooth run history"),
        ((True,), TypeError, "`run_id` must be a whole number, got True"),
        (("last",), TypeError, "`run_id` must be a whole number, got 'last'"),
    ],
)
def test_what_does_not_exist_is_refused(with_runs, arguments, error, message):
    with pytest.raises(error, match=message):
        RunInfo(with_runs, *arguments)


def test_data_without_runs_are_refused():
    adata = AnnData(np.eye(3))
    with pytest.raises(ValueError, match="Could not detect analysis type"):
        RunInfo(adata)
    assert kompot.runs(adata).empty
    assert "kompot_de" not in adata.uns


def test_numpy_numbers_are_numbers_of_runs(with_runs):
    assert RunInfo(with_runs, np.int64(1)).adjusted_run_id == 1


def test_comparison_of_a_rerun_with_another_seed(with_runs):
    found = RunInfo(with_runs, 0, "de").compare_with(1)
    assert isinstance(found, kompot.RunComparison)
    assert repr(found) == "RunComparison(run1=0, run2=1, same_fields=9, different_params=3)"
    assert found.param_comparison["different"] == {
        "gp.random_state": {"run1": 0, "run2": 1},
        "storage.store_posterior_covariance": {"run1": True, "run2": False},
        "storage.store_additional_stats": {"run1": True, "run2": False},
    }
    assert found.param_comparison["same"]["gp.sigma"] == 1.0
    assert found.param_comparison["only_in_run1"] == {}
    fields = found.field_comparison
    assert fields["totals"] == {"same": 9, "only_in_run1": 5, "only_in_run2": 0}
    assert fields["by_location"]["obsp"]["only_in_run1"] == [f"{KEY}_posterior_covariance"]
    assert found.summary1 == found.run1.get_summary()
    first, second = found.run1, found.run2
    assert found.get_summary() == {
        "run1": {"run_id": 0, "timestamp": first.timestamp, "result_key": "kompot_de"},
        "run2": {"run_id": 1, "timestamp": second.timestamp, "result_key": "kompot_de"},
        "parameters": {
            "same_count": len(found.param_comparison["same"]),
            "different_count": 3,
            "only_in_run1_count": 0,
            "only_in_run2_count": 0,
        },
        "fields": {"same": 9, "only_in_run1": 5, "only_in_run2": 0},
    }


def test_comparison_of_different_conditions(with_runs):
    found = kompot.RunComparison(with_runs, 0, -1, "de")
    assert found.run2.adjusted_run_id == 2
    assert found.field_comparison["totals"]["same"] == 0
    assert {"condition1", "condition2", "storage.result_key"} <= set(
        found.param_comparison["different"]
    )
    with pytest.raises(ValueError, match="Run ID 5 not found"):
        found.run1.compare_with(5)


def test_arrays_are_told_apart_in_a_comparison(small, da):
    da(small, groups=np.arange(120) < 60)
    da(small, groups=np.arange(120) < 70, overwrite=True)
    found = kompot.RunComparison(small, 0, 1, "da")
    assert set(found.param_comparison["different"]) == {"filter.groups", "storage.overwrite"}


def test_all_runs_in_a_table(with_runs):
    table = kompot.runs(with_runs)
    assert table[["analysis_type", "run_id"]].to_numpy().tolist() == [
        *(["de", 0], ["de", 1], ["de", 2], ["da", 0], ["da", 1]),
    ]
    assert table["conditions"].tolist()[1:3] == ["control to treated", "treated to control"]
    assert table["result_key"].tolist() == [
        *("kompot_de", "kompot_de", "back", "kompot_da", "back"),
    ]
    assert table[["present", "missing", "overwritten"]].to_numpy().tolist() == [
        *([5, 0, 9], [9, 0, 0], [9, 0, 0], [8, 0, 0], [10, 0, 0]),
    ]
    assert table.loc[3, "groups"] == ", ".join(with_runs.obs["branch"].cat.categories)
    assert table["sample_col"].isna().all()
    assert (table["kompot_version"] == kompot.__version__).all()
    assert (table["seconds"] > 0).all()
    assert list(table["timestamp"]) == sorted(table["timestamp"])
    kompot.cleanup(with_runs)
    assert kompot.runs(with_runs, "de")["missing"].tolist() == [5, 3, 3]
    assert len(kompot.runs(with_runs, "da")) == 2
    with pytest.raises(ValueError, match="Invalid analysis_type"):
        kompot.runs(with_runs, "dd")


def test_reading_changes_nothing(with_runs):
    before = json.dumps(
        {key: dict(with_runs.uns[key]) for key in ("kompot_de", "kompot_da")}, default=repr
    )
    run = RunInfo(with_runs, 0)
    run.get_summary(), run.get_data(), run.get_raw_data(), run._repr_html_(), run.call_args()
    kompot.runs(with_runs), kompot.get_field_status(with_runs), run.compare_with(1)
    after = json.dumps(
        {key: dict(with_runs.uns[key]) for key in ("kompot_de", "kompot_da")}, default=repr
    )
    assert after == before
