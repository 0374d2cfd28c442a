import pickle
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest

import kompot
from kompot import cluster

WHO = ("condition", "control", "treated")
QUIET = {"progress": False}
OBJECTS = {
    "de": {
        "gp": kompot.GPSettings(ls_factor=5.0, n_landmarks=60, random_state=1),
        "fdr": kompot.FDRSettings(null_genes=40, threshold=0.1),
        "filter": kompot.FilterSettings(groups="branch", group_variance=0.7),
        "storage": kompot.StorageSettings(result_key="k", store_additional_stats=True),
        "output": kompot.OutputSettings(progress=False),
    },
    "da": {
        "gp": kompot.GPSettings(ls_factor=5.0, n_landmarks=60, random_state=1, ls=2.0),
        "threshold": kompot.DAThresholdSettings(lfc_threshold=0.5, ptp_threshold=0.1),
        "filter": kompot.FilterSettings(groups="branch"),
        "storage": kompot.StorageSettings(result_key="k"),
        "output": kompot.OutputSettings(progress=False),
    },
}
KEYWORDS = {
    "de": {
        "ls_factor": 5.0,
        "n_landmarks": 60,
        "random_state": 1,
        "null_genes": 40,
        "fdr_threshold": 0.1,
        "groups": "branch",
        "group_variance": 0.7,
        "result_key": "k",
        "store_additional_stats": True,
        **QUIET,
    },
    "da": {
        "ls_factor": 5.0,
        "n_landmarks": 60,
        "random_state": 1,
        "ls": 2.0,
        "batch_size": 100,
        "log_fold_change_threshold": 0.5,
        "ptp_threshold": 0.1,
        "groups": "branch",
        "result_key": "k",
        **QUIET,
    },
}
SHORT = {"de": kompot.de, "da": kompot.da}
LONG = {
    "de": kompot.compute_differential_expression,
    "da": kompot.compute_differential_abundance,
}
CLASSES = [
    getattr(kompot, name)
    for name in kompot.__all__
    if name.endswith("Settings") or name == "DonorAbundanceOptions"
]
pytestmark = pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning")


def assert_same_results(one, other):
    """Every field and the parameters of the last run."""
    pd.testing.assert_frame_equal(one.var, other.var, check_exact=True)
    pd.testing.assert_frame_equal(one.obs, other.obs, check_exact=True)
    assert one.layers.keys() == other.layers.keys()
    for name in (name for name in one.layers if name.startswith("k")):
        np.testing.assert_array_equal(one.layers[name], other.layers[name])
    for name in one.varm:
        pd.testing.assert_frame_equal(one.varm[name], other.varm[name], check_exact=True)
    first, second = kompot.RunInfo(one), kompot.RunInfo(other)
    assert first.params == second.params
    assert first.run_info["function"] == second.run_info["function"]
    assert first.field_names == second.field_names


@pytest.mark.parametrize("kind", ["de", "da"])
def test_objects_keywords_and_documented_function_are_the_same_run(adata, kind):
    by_object, by_keyword, documented = (adata[::2].copy() for _ in range(3))
    SHORT[kind](by_object, *WHO, **OBJECTS[kind])
    SHORT[kind](by_keyword, *WHO, **KEYWORDS[kind])
    LONG[kind](documented, *WHO, **KEYWORDS[kind])
    assert_same_results(by_object, by_keyword)
    assert_same_results(by_object, documented)


@pytest.mark.parametrize("kind", ["de", "da"])
def test_defaults_are_those_of_the_documented_function(adata, kind):
    adata = adata[::2, :10].copy()
    short, documented = adata.copy(), adata
    SHORT[kind](short, *WHO, random_state=0, **QUIET)
    LONG[kind](documented, *WHO, random_state=0, **QUIET)
    assert_same_results(short, documented)


@pytest.mark.parametrize("kind", ["de", "da"])
def test_settings_of_a_run_repeat_it(adata, kind):
    first, again = adata[::2].copy(), adata[::2].copy()
    SHORT[kind](first, *WHO, **OBJECTS[kind])
    settings = kompot.RunInfo(first).to_settings()
    expected = {"gp", "filter", "storage", "output", "samples"}
    assert set(settings) == expected | ({"fdr"} if kind == "de" else {"threshold", "donor"})
    SHORT[kind](again, *WHO, **settings)
    pd.testing.assert_frame_equal(first.var, again.var, check_exact=True)
    pd.testing.assert_frame_equal(first.obs, again.obs, check_exact=True)
    # What says where results go is open.
    assert SHORT[kind](again, *WHO, overwrite=True, copy=True, **settings) is not None


@pytest.mark.parametrize(
    ("objects", "keywords", "message"),
    [
        ({"gp": kompot.GPSettings(sigma=1.0)}, {"sigma": 2.0}, r"`sigma=2.0` and `gp.sigma=1.0`"),
        ({"fdr": kompot.FDRSettings(threshold=0.1)}, {"fdr_threshold": 0.2}, "`fdr.threshold=0.1`"),
        ({"output": kompot.OutputSettings(copy=True)}, {"copy": False}, "`output.copy=True`"),
        ({"gp": kompot.GPSettings(landmarks=np.ones((3, 2)))}, {"landmarks": None}, "`landmarks="),
        ({"fdr": kompot.FDRSettings(null_genes=[1, 2])}, {"null_genes": [1, 3]}, "null_genes"),
    ],
)
def test_an_option_given_twice_must_be_the_same(adata, objects, keywords, message):
    before = adata.copy()
    with pytest.raises(ValueError, match=message):
        kompot.de(adata, *WHO, **objects, **keywords)
    assert list(adata.uns) == list(before.uns)


def test_an_option_given_twice_alike_is_fine_and_defaults_leave_it_open(adata):
    adata = adata[::3, :8].copy()
    gp = kompot.GPSettings(landmarks=adata.obsm["DM_EigenVectors"][:20], ls_factor=4.0)
    kompot.de(
        adata, *WHO, gp=gp, landmarks=gp.landmarks, sigma=0.5, ls_factor=4, null_genes=0, **QUIET
    )
    run = kompot.RunInfo(adata)
    assert run.params["gp"]["sigma"] == 0.5
    assert run.params["gp"]["ls_factor"] == 4.0


def test_abundance_has_no_limit_of_landmarks_unless_told(adata):
    kompot.da(adata, *WHO, random_state=0, **QUIET)
    assert kompot.RunInfo(adata).params["gp"]["n_landmarks"] is None
    kompot.da(adata, *WHO, gp=kompot.GPSettings(random_state=0), overwrite=True, **QUIET)
    assert kompot.RunInfo(adata).params["gp"]["n_landmarks"] == kompot.GPSettings.n_landmarks


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sgma": 1}, TypeError, r"Unknown arguments: \['sgma'\]"),
        ({"gp": {"sigma": 1}}, TypeError, "'gp' must be GPSettings or None, got dict"),
        ({"fdr": kompot.GPSettings()}, TypeError, "'fdr' must be FDRSettings or None"),
    ],
)
def test_mistakes_are_named(adata, options, error, message):
    with pytest.raises(error, match=message):
        kompot.de(adata, *WHO, **options)


def test_unknown_keywords_of_abundance_are_named(adata):
    with pytest.raises(TypeError, match=r"Unknown arguments: \['sgma'\]"):
        kompot.da(adata, *WHO, sgma=1)
    with pytest.raises(TypeError, match="'gp' must be GPSettings or DensitySettings or None"):
        kompot.da(adata, *WHO, gp=kompot.FDRSettings())


# The settings


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda: kompot.GPSettings(sigma=-3), ValueError, "^'sigma' must be finite and greater"),
        (lambda: kompot.GPSettings(sigma="a"), TypeError, "^'sigma' must be a number"),
        (lambda: kompot.GPSettings(ls=0), ValueError, "^'ls'"),
        (lambda: kompot.GPSettings(n_landmarks=1.5), TypeError, "^'n_landmarks'"),
        (lambda: kompot.GPSettings(batch_size=-1), ValueError, "^'batch_size'"),
        (lambda: kompot.GPSettings(eps=-1), ValueError, "^'eps'"),
        (lambda: kompot.GPSettings(jit_compile=1), TypeError, "^'jit_compile'"),
        (lambda: kompot.GPSettings(use_empirical_variance=0), TypeError, "^'use_empirical_var"),
        (lambda: kompot.GPSettings(random_state=-1), ValueError, "^'random_state'"),
        (lambda: kompot.GPSettings(param_scheme="both"), ValueError, "^'param_scheme'"),
        (lambda: kompot.FDRSettings(threshold=1.5), ValueError, "^'threshold' .*at most 1"),
        (lambda: kompot.FDRSettings(null_genes="all"), ValueError, "^'null_genes'"),
        (lambda: kompot.FDRSettings(null_genes=1.5), TypeError, "^'null_genes'"),
        (lambda: kompot.FDRSettings(null_genes=-1), ValueError, "^'null_genes'"),
        (lambda: kompot.FDRSettings(null_genes=[0, -1]), ValueError, "^'null_genes'.*negative"),
        (lambda: kompot.FDRSettings(null_seed="x"), TypeError, "^'null_seed'"),
        (lambda: kompot.FDRSettings(combine_with_internal=True), ValueError, "^'combine_with"),
        (
            lambda: kompot.FDRSettings(null_mahalanobis=[1], null_expression=(1, 2)),
            ValueError,
            "^'",
        ),
        (lambda: kompot.DAThresholdSettings(lfc_threshold=-1), ValueError, "^'lfc_threshold'"),
        (lambda: kompot.DAThresholdSettings(ptp_threshold=0), ValueError, "^'ptp_threshold'"),
        (lambda: kompot.FilterSettings(min_cells=-1), ValueError, "^'min_cells'"),
        (lambda: kompot.FilterSettings(min_percentage="a"), TypeError, "^'min_percentage'"),
        (lambda: kompot.FilterSettings(check_representation=1), TypeError, "^'check_representa"),
        (lambda: kompot.FilterSettings(check_representation=True), ValueError, "^'check_represen"),
        (lambda: kompot.StorageSettings(result_key="a/b"), ValueError, "^'result_key'"),
        (lambda: kompot.StorageSettings(max_memory_ratio=2), ValueError, "^'max_memory_ratio'"),
        (lambda: kompot.StorageSettings(store_landmarks="no"), TypeError, "^'store_landmarks'"),
        (lambda: kompot.StorageSettings(disk_storage_dir=3), TypeError, "^'disk_storage_dir'"),
        (lambda: kompot.StorageSettings(store_arrays_on_disk=3), TypeError, "^'store_arrays_on"),
        (lambda: kompot.OutputSettings(copy=1), TypeError, "^'copy'"),
        (lambda: kompot.OutputSettings(return_null_data=1), TypeError, "^'return_null_data'"),
        (lambda: kompot.ModelSettings(function_predictor1=3), TypeError, "^'function_predictor1'"),
        (
            lambda: kompot.ModelSettings(function_predictor1=abs),
            ValueError,
            "^'function_predictor2",
        ),
        (
            lambda: kompot.ModelSettings(
                model1=abs, model2=abs, variance_predictor1=abs, variance_predictor2=abs
            ),
            ValueError,
            "^'model1' and 'model2' have their own",
        ),
        (
            lambda: kompot.DensitySettings(sync_parameters=True, param_scheme="pooled"),
            ValueError,
            "^'sync_parameters'",
        ),
    ],
)
def test_settings_refuse_what_cannot_be_used(made, error, message):
    with pytest.raises(error, match=message):
        made()


def test_fields_and_defaults_are_those_that_users_know():
    known = {
        kompot.GPSettings: {
            "sigma": 1.0, "ls": None, "ls_factor": 10.0, "n_landmarks": 5000, "landmarks": None,
            "use_empirical_variance": False, "batch_size": 100, "eps": 1e-8, "jit_compile": False,
            "random_state": None,
        },
        kompot.FDRSettings: {
            "null_genes": "auto", "null_seed": 42, "threshold": 0.05, "null_mahalanobis": None,
            "null_expression": None, "combine_with_internal": False,
        },
        kompot.DAThresholdSettings: {"lfc_threshold": 1.0, "ptp_threshold": 0.05},
        kompot.FilterSettings: {
            "cell_filter": None, "groups": None, "min_cells": 2, "min_percentage": None,
            "check_representation": None,
        },
        kompot.StorageSettings: {
            "result_key": None, "overwrite": None, "store_landmarks": False,
            "store_posterior_covariance": False, "store_additional_stats": False,
            "store_arrays_on_disk": None, "disk_storage_dir": None, "max_memory_ratio": 0.8,
        },
        kompot.OutputSettings: {
            "copy": False, "inplace": True, "return_full_results": False,
            "return_null_data": False, "compute_mahalanobis": True,
            "allow_single_condition_variance": False, "progress": True,
        },
        kompot.ModelSettings: dict.fromkeys(
            f"{kind}{number}"
            for kind in (
                "model", "function_predictor", "obs_variance_predictor", "variance_predictor",
                "density_predictor",
            )
            for number in (1, 2)
        ),
    }  # fmt: skip
    for made_of, expected in known.items():
        made = made_of()
        assert {name: getattr(made, name) for name in expected} == expected
        assert {field.name for field in fields(made_of)} >= set(expected)


@pytest.mark.parametrize("made_of", CLASSES)
def test_settings_remember_what_was_given(made_of):
    assert made_of().given() == {}
    name = fields(made_of)[0].name
    value = getattr(made_of(), name)
    for made in (made_of(**{name: value}), made_of(value)):
        for same in (made, deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert same.given() == {name: value}
            assert same == made
    assert set(replace(made_of()).given()) == {field.name for field in fields(made_of)}


# Exchanging the conditions


@pytest.mark.parametrize(("scheme", "swapped"), [
    ("condition1", "condition2"), ("condition2", "condition1"), ("symmetric", "symmetric"),
    ("pooled", "pooled"), ("separate", "separate"),
])  # fmt: skip
def test_expression_of_exchanged_conditions_has_the_other_sign(adata, scheme, swapped):
    adata = adata[np.r_[0:350]].copy()  # of unequal sizes
    options = {"null_genes": 50, "random_state": 3, "store_additional_stats": True, **QUIET}
    first, second = "control", "treated"
    here, there = adata.copy(), adata.copy()
    kompot.de(here, "condition", first, second, param_scheme=scheme, **options)
    kompot.de(there, "condition", second, first, param_scheme=swapped, **options)
    one, other = "kompot_de_control_to_treated_", "kompot_de_treated_to_control_"
    assert (one + "ptp" in here.var) == (scheme != "separate")
    for name, sign in [("mean_lfc", -1), ("mahalanobis", 1), ("mahalanobis_pvalue", 1), ("ptp", 1)]:
        if one + name not in here.var:
            continue
        np.testing.assert_allclose(
            here.var[one + name], sign * there.var[other + name], rtol=1e-9, atol=1e-9
        )
    assert (here.var[one + "is_de"] == there.var[other + "is_de"]).all()
    np.testing.assert_allclose(  # single precision
        here.layers[one + "fold_change"], -there.layers[other + "fold_change"], atol=1e-6
    )


@pytest.mark.parametrize(("scheme", "swapped"), [
    ("condition1", "condition2"), ("condition2", "condition1"), ("symmetric", "symmetric"),
    ("pooled", "pooled"),
])  # fmt: skip
def test_abundance_of_exchanged_conditions_has_the_other_sign(adata, scheme, swapped):
    adata = adata[np.r_[0:350]].copy()
    here, there = adata.copy(), adata.copy()
    kompot.da(here, "condition", "control", "treated", param_scheme=scheme, **QUIET)
    kompot.da(there, "condition", "treated", "control", param_scheme=swapped, **QUIET)
    one, other = "kompot_da_control_to_treated_", "kompot_da_treated_to_control_"
    for name, sign in [("lfc", -1), ("lfc_zscore", -1), ("neg_log10_lfc_ptp", 1)]:
        np.testing.assert_allclose(
            here.obs[one + name], sign * there.obs[other + name], rtol=1e-9, atol=1e-9
        )
    turned = there.obs[other + "lfc_direction"].astype(str)
    turned = turned.map({"up": "down", "down": "up", "neutral": "neutral"})
    assert (here.obs[one + "lfc_direction"].astype(str) == turned).all()


def test_schemes_differ_where_conditions_do(adata):
    """Cells of one condition lie closer together, and cells of both closer still."""
    adata.obsm["DM_EigenVectors"][adata.obs["condition"] == "treated"] *= 1.05
    scales = {}
    for scheme in ("condition1", "condition2", "symmetric", "pooled"):
        run = adata.copy()
        kompot.da(run, *WHO, param_scheme=scheme, **QUIET)
        scales[scheme] = kompot.RunInfo(run).run_info["numerics"]["ls"]
    assert len({round(scale, 6) for scale in scales.values()}) == 4
    assert scales["pooled"] < scales["condition1"] < scales["symmetric"] < scales["condition2"]
    same = adata.copy()
    kompot.da(same, *WHO, sync_parameters=True, **QUIET)
    assert kompot.RunInfo(same).run_info["numerics"]["ls"] == scales["symmetric"]


def test_separate_scales_are_those_of_each_condition(adata):
    adata = adata[::2, :10].copy()
    states = np.asarray(adata.obsm["DM_EigenVectors"])
    states[(adata.obs["condition"] == "treated").to_numpy()] *= 2.0
    adata.obsm["DM_EigenVectors"] = states
    result = kompot.de(
        adata, *WHO, param_scheme="separate", null_genes=20, random_state=0, groups="branch",
        return_full_results=True, return_null_data=True, **QUIET,
    )  # fmt: skip
    means, scales = [], []
    expression = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X)
    for condition in WHO[1:]:
        own = (adata.obs["condition"] == condition).to_numpy()
        fitted = kompot.FunctionEstimator(tol=1e-6, random_state=0).fit(
            states[own], expression[own]
        )
        scales.append(fitted.ls_)
        means.append(fitted.predict(states))
    found = kompot.RunInfo(adata).run_info["numerics"]["functions"]
    assert [found[f"condition{c}"]["ls"] for c in (1, 2)] == pytest.approx(scales)
    assert scales[1] == pytest.approx(2 * scales[0], rel=0.2)
    table = result["table"]
    np.testing.assert_allclose(table["mean_lfc"], (means[1] - means[0]).mean(axis=0), atol=1e-8)
    assert result["null"]["mahalanobis"].shape == (20,)
    assert table["pvalue"].between(0, 1).all()
    assert result["group_mahalanobis_distances"].shape == (10, 3)
    # A run repeats, and what needs common features is refused.
    again = kompot.de(
        adata, *WHO, **kompot.RunInfo(adata).to_settings(), overwrite=True, return_full_results=True
    )
    np.testing.assert_array_equal(again["table"]["mahalanobis"], table["mahalanobis"])
    with pytest.raises(ValueError, match="features that both conditions share"):
        kompot.de(adata, *WHO, param_scheme="separate", sample_col="donor")
    with pytest.raises(ValueError, match="'param_scheme' must be one of"):
        kompot.da(adata, *WHO, param_scheme="separate")


@pytest.mark.parametrize(
    "given", [{"store_arrays_on_disk": True}, {"disk_storage_dir": "somewhere"}]
)
def test_abundance_says_that_files_have_no_effect(adata, tmp_path, given):
    given = {name: str(tmp_path) if name.endswith("dir") else one for name, one in given.items()}
    storage = kompot.StorageSettings(**given)
    with pytest.warns(UserWarning, match=f"{next(iter(given))}.* have no effect: abundance keeps"):
        kompot.da(adata, "condition", "control", "treated", storage=storage, progress=False)
    assert list(tmp_path.iterdir()) == []
    assert "kompot_da" in adata.uns


@pytest.mark.parametrize("run", [kompot.de, kompot.compute_differential_expression])
@pytest.mark.parametrize("client", [{}, {"client": False}])
def test_a_cluster_is_used_by_either_form(adata, monkeypatch, run, client):
    used = []

    def watched(client=None):
        used.append(client)
        return nullcontext()

    monkeypatch.setattr(cluster, "used", watched)
    run(adata, *WHO, null_genes=0, **QUIET, **client)
    assert used == [client.get("client")]


def test_regions_of_samples_mean_nothing_for_abundance(adata):
    samples = kompot.SampleSettings(regions="branch")
    with pytest.raises(ValueError, match="`regions` only has a meaning for expression"):
        kompot.da(adata, *WHO, sample_col="donor", samples=samples)
