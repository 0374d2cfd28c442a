"""The documented examples of cleanup and get_field_status, as written, and what they promise."""

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import kompot
from kompot import cleanup, get_field_status

KEY = "kompot_de_control_to_treated"
LARGE = {
    *("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"),
    f"{KEY}_fold_change_zscores",
}
BACK = {
    *("back_control_imputed", "back_treated_imputed", "back_treated_to_control_fold_change"),
}
NOTHING = {
    "keep_layers": False,
    "keep_var_fields": False,
    "keep_obs_fields": False,
    "keep_obsp_fields": False,
    "keep_varm_fields": False,
}
EXTRA = {f"{KEY}_{name}" for name in ("ptp", "mahalanobis_pvalue", "mahalanobis_tail_fdr")}


def names(adata):
    places = ("obs", "var", "layers", "obsm", "varm", "obsp", "varp", "uns")
    return {place: set(getattr(adata, place).keys()) for place in places}


def removed(before, after):
    """What is gone, by location; nothing may be new."""
    old, new = names(before), names(after)
    assert all(new[place] <= old[place] for place in old)
    return {place: old[place] - new[place] for place in old if old[place] - new[place]}


def history(adata):
    return {
        key: {name: text for name, text in adata.uns[key].items() if isinstance(text, str)}
        for key in ("kompot_de", "kompot_da")
        if key in adata.uns
    }


# The documented examples


def test_example_remove_all_layers_from_all_runs(with_runs):
    adata = with_runs.copy()
    assert cleanup(adata) is None
    assert removed(with_runs, adata) == {
        "layers": LARGE | BACK,
        "obsp": {f"{KEY}_posterior_covariance"},
    }


def test_example_remove_layers_from_a_specific_run(with_runs):
    adata = with_runs.copy()
    cleanup(adata, run_ids=2)
    assert removed(with_runs, adata) == {"layers": BACK}


def test_example_a_run_that_was_overwritten_leaves_the_results_of_the_later(with_runs, caplog):
    adata = with_runs.copy()
    with caplog.at_level(logging.INFO, "kompot"):
        cleanup(adata, run_ids=0)
    assert removed(with_runs, adata) == {
        "layers": {f"{KEY}_fold_change_zscores"},
        "obsp": {f"{KEY}_posterior_covariance"},
    }
    assert "3 that later runs wrote stay" in caplog.text
    cleanup(adata, run_ids=1)
    assert removed(with_runs, adata)["layers"] == LARGE


def test_example_remove_layers_from_multiple_runs(small, de):
    for number in range(6):
        de(small, result_key=f"run{number}")
    adata = small.copy()
    cleanup(adata, run_ids=[0, 2, 5])
    assert {name[:4] for name in removed(small, adata)["layers"]} == {"run0", "run2", "run5"}
    assert kompot.runs(adata)["missing"].tolist() == [3, 0, 3, 0, 0, 3]


def test_example_keep_only_the_fold_change_layer(with_runs):
    adata = with_runs.copy()
    cleanup(adata, keep_layers=["fold_change"])
    kept = {f"{KEY}_fold_change", "back_treated_to_control_fold_change"}
    assert removed(with_runs, adata)["layers"] == (LARGE | BACK) - kept


def test_example_remove_layers_and_covariances(with_runs):
    adata = with_runs.copy()
    cleanup(adata, keep_layers=False, keep_obsp_fields=False)
    assert set(removed(with_runs, adata)) == {"layers", "obsp"}


def test_example_keep_only_essential_statistics(with_runs):
    adata = with_runs.copy()
    cleanup(
        adata,
        run_ids=0,
        keep_layers=False,
        keep_var_fields=["mahalanobis", "mahalanobis_local_fdr", "is_de", "mean_log_fold_change"],
        keep_obs_fields=False,
    )
    gone = removed(with_runs, adata)
    assert gone["var"] == EXTRA
    assert "obs" not in gone  # a later run wrote them
    cleanup(
        adata,
        run_ids=[0, 1],
        keep_layers=False,
        keep_var_fields=["mahalanobis", "mahalanobis_local_fdr", "is_de", "mean_log_fold_change"],
        keep_obs_fields=False,
    )
    gone = removed(with_runs, adata)
    assert gone["obs"] == {"kompot_de_control_std", "kompot_de_treated_std"}
    assert gone["var"] == EXTRA


def test_example_field_status(with_runs):
    adata = with_runs
    del adata.layers["back_treated_imputed"]
    status = get_field_status(adata)
    assert status["layers"]["imputed"] == {
        "back_treated_imputed": False,
        "back_control_imputed": True,
    }
    assert list(status) == ["var", "layers", "obs"]
    assert status["var"]["is_de"] == {"back_treated_to_control_is_de": True}


def test_examples_after_a_rerun_with_samples(with_samples):
    adata = with_samples
    shared = {f"{KEY}_mean_lfc", f"{KEY}_fold_change"} | {
        *("kompot_de_control_imputed", "kompot_de_treated_imputed"),
    }
    first = kompot.RunInfo(adata, 0, "de")
    assert {entry["field"] for entry in first.overwritten_fields} == shared
    assert first.missing_fields == []
    assert get_field_status(adata)["layers"]["std_with_sample_var"] == {
        "kompot_de_control_std": True,
        "kompot_de_treated_std": True,
    }
    earlier = adata.copy()
    cleanup(adata, run_ids=0)
    assert removed(earlier, adata) == {}  # its layers are the second run's
    cleanup(adata, run_ids=0, keep_var_fields=False, keep_obs_fields=False)
    assert removed(earlier, adata) == {
        "var": {f"{KEY}_{name}" for name in ("mahalanobis", "mahalanobis_local_fdr", "is_de")},
        "obs": {"kompot_de_control_std", "kompot_de_treated_std"},
    }
    cleanup(adata, keep_layers=["fold_change"], keep_varm_fields=["mahalanobis"])
    assert [name for name in adata.layers if str(name).startswith("kompot")] == [
        f"{KEY}_fold_change"
    ]
    assert list(adata.varm) == [f"{KEY}_mahalanobis_sample_var_groups"]
    status = get_field_status(adata)
    assert status["var"]["donor_pvalue"] == {f"{KEY}_donor_pvalue": True}
    assert not any(status["layers"]["std_with_sample_var"].values())
    info = kompot.RunInfo(adata, analysis_type="de")
    assert info.get_summary()["uses_sample_variance"]
    found = first.compare_with(1)
    assert {"sample_col", "filter.groups"} == set(found.param_comparison["different"])


def test_colours_follow_their_own_column(with_samples):
    adata = with_samples.copy()
    cleanup(adata, analysis_type="da", keep_obs_fields=["direction"])
    gone = removed(with_samples, adata)
    assert gone["uns"] == {"kompot_da_control_to_treated_donor_direction_colors"}
    cleanup(adata, analysis_type="da", keep_obs_fields=False)
    assert not [name for name in adata.uns if name.endswith("_colors")]
    assert not [name for name in adata.obs if name.startswith("kompot_da")]


def test_examples_after_a_rerun_with_samples_of_the_original(original):
    """The third run of the original's file repeats the first with samples and groups."""
    with_samples = {"kompot_de_Young_adult_std", "kompot_de_Old_std"}
    adata = original.copy()
    cleanup(adata, run_ids=2)
    gone = removed(original, adata)
    assert gone["layers"] >= with_samples
    assert len(gone["varm"]) == 4
    status = get_field_status(adata, 2)
    assert status["layers"]["std_with_sample_var"] == dict.fromkeys(sorted(with_samples)[::-1], 0)
    assert all(get_field_status(adata, 0)["obs"]["std"].values())
    adata = original.copy()
    cleanup(adata, run_ids=0)
    assert removed(original, adata) == {
        "layers": {"kompot_de_Young_adult_to_Old_fold_change_zscores"},
        "obsp": {"kompot_de_Young_adult_to_Old_posterior_covariance"},
    }
    adata = original.copy()
    cleanup(adata, keep_layers=["std_with_sample_var"], keep_varm_fields=["mahalanobis"])
    assert with_samples <= set(adata.layers)
    assert list(adata.varm) == ["kompot_de_Young_adult_to_Old_mahalanobis_sample_var_groups"]


# What else it promises


@pytest.mark.parametrize("kind", ["de", "da"])
def test_history_is_never_changed(with_runs, kind):
    before = history(with_runs)
    run = kompot.RunInfo(with_runs, 0, kind).get_raw_data()
    cleanup(with_runs, analysis_type=kind, **NOTHING)
    assert history(with_runs) == before
    info = kompot.RunInfo(with_runs, 0, kind)
    assert info.get_raw_data() == run
    assert len(info.missing_fields) == info.get_summary()["field_count"]
    present = [
        here
        for types in get_field_status(with_runs, 0, kind).values()
        for fields in types.values()
        for here in fields.values()
    ]
    assert present
    assert not any(present)


def test_a_copy_leaves_the_data_alone(with_runs):
    before = names(with_runs)
    copy = cleanup(with_runs, inplace=False)
    assert isinstance(copy, AnnData)
    assert names(with_runs) == before
    assert set(removed(with_runs, copy)) == {"layers", "obsp"}


@pytest.mark.parametrize("keep", [None, False, True])
@pytest.mark.parametrize("place", ["layers", "var", "obs", "obsp"])
def test_each_option_rules_its_place(with_runs, place, keep):
    everything = {
        "layers": LARGE | BACK,
        "var": {name for name in with_runs.var if name.startswith(("kompot_de", "back"))},
        "obs": {name for name in with_runs.obs if name.endswith("_std")},
        "obsp": {f"{KEY}_posterior_covariance"},
    }
    arguments = {f"keep_{name}_fields": True for name in ("var", "obs", "obsp", "varm")}
    arguments["keep_layers"] = True
    arguments["keep_layers" if place == "layers" else f"keep_{place}_fields"] = keep
    adata = with_runs.copy()
    cleanup(adata, **arguments)
    assert removed(with_runs, adata) == ({} if keep else {place: everything[place]})


def test_directions_go_with_their_colours(with_runs):
    directions = {
        f"{key}_lfc_direction"
        for key in ("kompot_da_control_to_treated", "back_treated_to_control")
    }
    documented = {"kompot_da_lfc_direction_colors", "back_lfc_direction_colors"}
    adata = with_runs.copy()
    cleanup(adata, analysis_type="da")
    assert removed(with_runs, adata) == {}
    cleanup(adata, analysis_type="da", keep_obs_fields=["direction"])
    gone = removed(with_runs, adata)
    assert set(gone) == {"obs"}
    assert not directions & gone["obs"]
    cleanup(adata, run_ids=1, analysis_type="da", keep_obs_fields=["density"])
    assert removed(with_runs, adata)["uns"] == {
        *("back_treated_to_control_lfc_direction_colors", "back_lfc_direction_colors"),
    }
    cleanup(adata, analysis_type="da", keep_obs_fields=False)
    assert removed(with_runs, adata)["uns"] == documented | {
        f"{name}_colors" for name in directions
    }


def test_colours_that_another_run_shares_stay(small, da):
    da(small)
    da(small, "condition", "treated", "control", overwrite=True)  # the same documented colours
    cleanup(small, run_ids=0, analysis_type="da", keep_obs_fields=False)
    assert "kompot_da_lfc_direction_colors" in small.uns
    assert "kompot_da_treated_to_control_lfc_direction_colors" in small.uns
    assert "kompot_da_control_to_treated_lfc_direction_colors" not in small.uns


def test_tables_of_groups_are_removed_unless_kept(small, de):
    small.obs["half"] = ["one", "two"] * 60
    de(small, groups="half", null_genes=20)
    status = get_field_status(small)["varm"]
    assert {"mean_log_fold_change", "mahalanobis"} <= set(status)
    assert all(here for fields in status.values() for here in fields.values())
    before = small.copy()
    cleanup(small, keep_layers=True, keep_varm_fields=["mahalanobis"])
    assert set(removed(before, small)) == {"varm"}
    assert list(small.varm) == list(status["mahalanobis"])
    assert kompot.RunInfo(small).get_summary()["groups"] == "one, two"
    cleanup(small, keep_layers=True)
    assert not list(small.varm)


def with_record(mapping):
    """Data with fields anywhere, and a run that says it wrote them."""
    adata = AnnData(np.zeros((4, 3), dtype="f4"))
    record = {"result_key": "k", "field_mapping": {}, "params": {}}
    for name, (location, kind, value) in mapping.items():
        getattr(adata, location)[name] = value
        record["field_mapping"][name] = {"location": location, "type": kind, "description": ""}
    adata.uns["kompot_de"] = {"run_history": json.dumps([record])}
    return adata


@pytest.mark.parametrize(
    ("keep", "kept"),
    [(None, False), (True, True), (["imputed"], True), (["basis"], True), (["is_de"], False)],
)
def test_factored_layers_are_layers(keep, kept):
    adata = with_record(
        {
            "k_basis": ("obsm", "basis", np.zeros((4, 2))),
            "k_a_weights": ("varm", "weights", np.zeros((3, 2))),
            "k_groups": ("varm", "mahalanobis", np.zeros((3, 2))),
        }
    )
    status = get_field_status(adata)
    assert status["obsm"] == {"basis": {"k_basis": True}}
    cleanup(adata, keep_layers=keep, keep_varm_fields=["mahalanobis"])
    assert ("k_basis" in adata.obsm) is kept
    assert "k_groups" in adata.varm
    if keep != ["basis"]:
        assert ("k_a_weights" in adata.varm) is kept


def test_places_without_an_option_are_kept_and_unknown_ones_are_absent():
    adata = with_record({"k_net": ("varp", "network", np.eye(3)), "k_t": ("uns", "table", [1])})
    runs = json.loads(adata.uns["kompot_de"]["run_history"])
    runs[0]["field_mapping"] |= {"x": {"location": "raw", "type": "t"}, "y": 3}
    adata.uns["kompot_de"]["run_history"] = json.dumps(runs)
    cleanup(adata, **NOTHING)
    assert "k_net" in adata.varp
    assert "k_t" in adata.uns
    assert get_field_status(adata)["raw"] == {"t": {"x": False}}


def test_bytes_freed_are_reported(caplog):
    values = {
        "dense": ("layers", "imputed", np.zeros((4, 3))),
        "sparse": ("layers", "fold_change", sparse.csr_matrix(np.eye(4, 3))),
        "table": ("varm", "mahalanobis", pd.DataFrame({"a": np.zeros(3)}, index=list("012"))),
        "cov": ("obsp", "covariance", np.zeros((4, 4))),
        "std": ("obs", "std", np.zeros(4)),
    }
    adata = with_record(values)
    matrix = adata.layers["sparse"]
    sparse_bytes = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    expected = 4 * 3 * 8 + sparse_bytes + 3 * 8 + 4 * 4 * 8 + 4 * 8
    with caplog.at_level(logging.INFO, "kompot"):
        cleanup(adata, keep_obs_fields=False)
    assert "5 fields of 1 runs of 'de' removed" in caplog.text
    assert f"({expected} bytes)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, "kompot"):
        cleanup(adata, keep_obs_fields=False)
    assert "0 fields of 1 runs of 'de' removed, 0 B freed (0 bytes)" in caplog.text


def test_smoothed_and_imputed_are_the_same_type(original):
    for name in ("imputed", "smoothed"):
        adata = cleanup(original, keep_layers=[name], inplace=False)
        kept = {name for name in adata.layers if str(name).startswith("kompot_de")}
        assert len(kept) == 2
        assert all(layer.endswith(("imputed", "smoothed")) for layer in kept)


def test_abundance_runs_without_a_recorded_mapping_are_cleaned_too(original):
    cleanup(original, analysis_type="da", keep_obs_fields=["log_fold_change"])
    left = {name for name in original.obs if name.startswith("kompot_da")}
    assert left == {"kompot_da_Young_adult_to_Old_lfc"}
    assert not any(name.endswith("_colors") for name in original.uns)


def test_runs_that_do_not_exist_are_skipped_with_a_warning(with_runs):
    adata = with_runs.copy()
    with pytest.warns(UserWarning, match="There is no run 7 of 'de'; 3 are recorded") as caught:
        cleanup(adata, run_ids=[7, -1])
    assert caught[0].filename == __file__
    assert removed(with_runs, adata) == {"layers": BACK}


@pytest.mark.parametrize("kind", ["de", "da"])
def test_data_without_runs_are_left_alone(small, kind, caplog):
    with pytest.warns(UserWarning, match="No run of .* is recorded") as caught:
        assert cleanup(small, analysis_type=kind) is None
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="No run of"):
        copy = cleanup(small, analysis_type=kind, inplace=False)
    assert isinstance(copy, AnnData)
    assert copy is not small
    assert get_field_status(small, analysis_type=kind) == {}
    assert "There is no run -1" in caplog.text


def test_status_of_a_run_that_does_not_exist_is_empty(with_runs, caplog):
    assert get_field_status(with_runs, 77) == {}
    assert "There is no run 77 of 'de'; 3 are recorded" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"keep_layers": "fold_change"}, TypeError, "`keep_layers` must be True, False, None or"),
        ({"keep_layers": ["fold_changes"]}, ValueError, r"\['fold_changes'\], no types.*imputed"),
        ({"keep_var_fields": [1]}, TypeError, "`keep_var_fields` must be"),
        ({"run_ids": [True]}, TypeError, "`run_ids` must be a whole number"),
        ({"run_ids": ["0"]}, TypeError, "`run_ids` must be a whole number"),
        ({"analysis_type": "dd"}, ValueError, "Invalid analysis_type: 'dd'"),
    ],
)
def test_mistakes_remove_nothing(with_runs, arguments, error, message):
    before = names(with_runs)
    with pytest.raises(error, match=message):
        cleanup(with_runs, **arguments)
    assert names(with_runs) == before


def test_views_and_backed_data(with_runs, tmp_path):
    view = with_runs[:50, :5]
    cleanup(view)
    assert not LARGE & set(view.layers)
    assert view.shape == (50, 5)
    assert set(with_runs.layers) >= LARGE
    with_runs.write_h5ad(tmp_path / "runs.h5ad")
    backed = ad.read_h5ad(tmp_path / "runs.h5ad", backed="r")
    copy = cleanup(backed, inplace=False)
    assert not copy.isbacked
    assert set(removed(with_runs, copy)) == {"layers", "obsp"}
    assert set(backed.layers) >= LARGE
    backed.file.close()
