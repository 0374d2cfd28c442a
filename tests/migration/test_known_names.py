"""Names at the addresses that users of the original import, and that each does its work."""

import importlib
import io
import json
import logging
import subprocess
import sys

import numpy as np
import pytest
from anndata import AnnData

import kompot
from kompot.anndata import utils
from kompot.batch_utils import apply_batched, batch_process, batched, merge_batch_results
from kompot.utils import compute_mahalanobis_distance, compute_mahalanobis_distances, find_landmarks

WHO = ("condition", "control", "treated")
pytestmark = pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning")

TOP_LEVEL = [
    "__version__",
    "DensityEstimator",
    "FunctionEstimator",
    "Predictor",
    "DifferentialAbundance",
    "DifferentialExpression",
    "SampleVarianceEstimator",
    "compute_mahalanobis_distance",
    "find_landmarks",
    "batch_process",
    "apply_batched",
    "compute_differential_abundance",
    "compute_differential_expression",
    "check_underrepresentation",
    "RunInfo",
    "RunComparison",
    "cleanup",
    "get_field_status",
    "plot",
    "anndata",
    "de",
    "da",
    "GPSettings",
    "FDRSettings",
    "DAThresholdSettings",
    "FilterSettings",
    "StorageSettings",
    "OutputSettings",
    "ModelSettings",
    "configure_logging",
    "compute_fdr",
    "recompute_fdr",
    "extract_null_distribution",
]
MODULES = {
    "kompot.anndata.differential_abundance": ["compute_differential_abundance"],
    "kompot.anndata.differential_expression": ["compute_differential_expression"],
    "kompot.anndata.utils": [
        "RunInfo", "RunComparison", "get_run_history", "get_last_run_info",
        "append_to_run_history", "get_run_from_history", "generate_output_field_names",
        "detect_output_field_overwrite", "get_environment_info", "validate_field_run_id",
        "parse_groups", "apply_cell_filter", "refine_filter_for_underrepresentation",
        "to_json_string", "from_json_string", "get_json_metadata", "set_json_metadata",
    ],
    "kompot.differential": [
        "DifferentialAbundance", "DifferentialExpression", "SampleVarianceEstimator",
        "compute_weighted_mean_fold_change", "update_direction_column",
    ],
    "kompot.utils": [
        "compute_mahalanobis_distance", "compute_mahalanobis_distances", "find_landmarks",
    ],
    "kompot.batch_utils": ["batch_process", "batched", "apply_batched"],
    "kompot.settings": [
        "GPSettings", "FDRSettings", "DAThresholdSettings", "FilterSettings", "StorageSettings",
        "OutputSettings", "ModelSettings",
    ],
    "kompot.plot": [
        "volcano_de", "volcano_da", "multi_volcano_da", "heatmap", "direction_barplot",
        "plot_gene_expression", "embedding", "dotplot", "KOMPOT_COLORS",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_top_level_names_exist(name):
    assert getattr(kompot, name) is not None


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, names in MODULES.items() for name in names]
)
def test_names_exist_at_their_addresses(module, name):
    assert getattr(importlib.import_module(module), name) is not None


def test_modules_are_there_without_importing_them(tmp_path):
    code = "import kompot; " + "; ".join(f"{module}" for module in MODULES)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


# Distances and landmarks


def test_distance_of_a_vector_is_the_textbook_one(rng):
    root = rng.normal(size=(4, 4))
    covariance, vectors = root @ root.T + np.eye(4), rng.normal(size=(3, 4))
    expected = [np.sqrt(v @ np.linalg.solve(covariance + 1e-8 * np.eye(4), v)) for v in vectors]
    found = compute_mahalanobis_distances(vectors, covariance, progress=False)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert compute_mahalanobis_distance(vectors[0], covariance) == pytest.approx(expected[0])
    own = np.stack([covariance * (g + 1) for g in range(3)], axis=-1)
    of_each = compute_mahalanobis_distances(vectors, own, batch_size=2, eps=0, progress=False)
    plain = compute_mahalanobis_distances(vectors, covariance, eps=0, progress=False)
    np.testing.assert_allclose(of_each, plain / np.sqrt([1, 2, 3]))
    variance = rng.random((3, 4))
    wider = compute_mahalanobis_distances(
        vectors, covariance, eps=0, diagonal_variance=variance, progress=False
    )
    expected = [
        np.sqrt(v @ np.linalg.solve(covariance + np.diag(d), v))
        for v, d in zip(vectors, variance, strict=True)
    ]
    np.testing.assert_allclose(wider, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0]], np.eye(3)), r"`covariance` must have shape \(2, 2\)"),
        (([[1.0, np.nan]], np.eye(2)), "`diff_values` holds NaN"),
        (([[1.0, 2.0]], np.eye(2), 500, False, -1.0), "'eps' must be finite"),
        (([[1.0, 2.0]], np.eye(2), 500, False, 0, True, np.ones(2)), "`diagonal_variance` must"),
    ],
)
def test_mistakes_in_distances_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        compute_mahalanobis_distances(*arguments)


def test_landmarks_are_cells_of_every_cluster(rng):
    centers = 20 * rng.normal(size=(6, 3))
    states = (centers[:, None] + rng.normal(size=(6, 30, 3))).reshape(-1, 3)
    landmarks, rows = find_landmarks(states, n_clusters=6, n_neighbors=10, random_state=0)
    np.testing.assert_array_equal(landmarks, states[rows])
    assert sorted(rows // 30) == list(range(6))
    every, rows = find_landmarks(states[:5], n_clusters=200)
    np.testing.assert_array_equal(every, states[:5])
    assert list(rows) == list(range(5))
    with pytest.raises(ValueError, match="`n_clusters` must be a positive whole number"):
        find_landmarks(states, n_clusters=0)
    with pytest.raises(ValueError, match="matrix of numbers"):
        find_landmarks(states[:, 0])


# Batches


def test_batches_are_put_together(rng):
    array = rng.normal(size=(7, 3))

    def parts(x):
        return {"sum": x.sum(axis=1), "both": (x, 2 * x)}

    found = apply_batched(parts, array, batch_size=3, show_progress=False)
    np.testing.assert_array_equal(found["sum"], array.sum(axis=1))
    np.testing.assert_array_equal(found["both"][1], 2 * array)
    columns = apply_batched(
        lambda x: x.T, array, batch_size=2, axis=1, concat_axis=0, show_progress=False
    )
    np.testing.assert_array_equal(columns, array.T)
    assert merge_batch_results([3]) == 3
    with pytest.raises(ValueError, match="no slices along axis 0"):
        apply_batched(len, np.empty((0, 2)))


def test_batches_shrink_until_memory_suffices():
    sizes = []

    def greedy(x):
        sizes.append(len(x))
        if len(x) > 3:
            raise MemoryError
        return x

    found = apply_batched(greedy, np.arange(10), show_progress=False)
    np.testing.assert_array_equal(found, np.arange(10))
    assert sizes[:3] == [10, 5, 2]

    def hopeless(_):
        raise MemoryError

    with pytest.raises(MemoryError):
        apply_batched(hopeless, np.arange(4), show_progress=False)


def test_decorated_methods_and_functions_work_in_batches():
    class Model:
        batch_size = None

        @batch_process(default_batch_size=4)
        def predict(self, X_new, factor=1):
            seen.append(len(X_new))
            return factor * X_new

    seen: list[int] = []
    model = Model()
    np.testing.assert_array_equal(model.predict(np.arange(9), factor=2), 2 * np.arange(9))
    assert seen == [4, 4, 1]
    seen.clear()
    model.batch_size = 0
    model.predict(np.arange(9))
    assert seen == [9]

    @batched(batch_size=2, show_progress=False)
    def total(x):
        return x.sum(axis=1)

    np.testing.assert_array_equal(total(np.ones((5, 3))), np.full(5, 3.0))


# Records


@pytest.fixture
def with_run(adata):
    adata = adata[::3, :8].copy()
    kompot.de(adata, *WHO, null_genes=5, progress=False)
    return adata


def test_history_is_read_and_extended(with_run):
    history = utils.get_run_history(with_run, "de")
    assert [run["result_key"] for run in history] == ["kompot_de"]
    assert utils.get_run_history(with_run) == []
    assert utils.get_last_run_info(with_run) is None
    assert utils.get_last_run_info(with_run, "de") == history[0]
    assert utils.get_run_from_history(with_run, 5, "de") is None
    assert utils.get_run_from_history(with_run, history_key="kompot_de") == history[0]
    with pytest.raises(ValueError, match="`history_key` must be one of"):
        utils.get_run_from_history(with_run, history_key="elsewhere")
    name = "kompot_de_control_to_treated_mean_lfc"
    mine = {"note": "mine", "field_mapping": {name: {"location": "var", "type": "x"}}}
    assert utils.validate_field_run_id(with_run, name, "var", 0, "kompot_de") == (True, 0, None)
    assert utils.append_to_run_history(with_run, mine, "de")
    assert utils.get_last_run_info(with_run, "de")["note"] == "mine"
    is_valid, last, message = utils.validate_field_run_id(with_run, name, "var", 0, "kompot_de")
    assert (is_valid, last) == (False, 1)
    assert "last written by run_id=1, but you requested run_id=0" in message
    assert utils.validate_field_run_id(with_run, "no", "var", 0, "kompot_de") == (True, None, None)
    assert kompot.RunInfo(with_run, 0).overwritten_fields[0]["field"] == name


def test_names_are_those_that_runs_write(with_run):
    names = utils.generate_output_field_names("kompot_de", "control", "treated", "de")
    for role, name in kompot.RunInfo(with_run).field_names.items():
        assert names[role] == name
    assert "kompot_de_control_imputed" in names["all_patterns"]["layers"]
    assert "mahalanobis_key" in names["sample_variance_impacted_fields"]
    assert "mean_lfc_key" not in names["sample_variance_impacted_fields"]
    suffixed = utils.generate_output_field_names("k", "A", "B", with_sample_suffix=True)
    assert suffixed["zscore_key"] == "k_A_to_B_lfc_zscore_sample_var"
    exists, found, run = utils.detect_output_field_overwrite(
        with_run, "de", field_names=names, result_key="kompot_de"
    )
    assert exists
    assert "var.kompot_de_control_to_treated_mean_lfc" in found
    assert run["result_key"] == "kompot_de"
    nothing = utils.detect_output_field_overwrite(with_run, "de", output_patterns=["no"])
    assert nothing[:2] == (False, [])
    with pytest.raises(ValueError, match="Invalid analysis_type"):
        utils.generate_output_field_names("k", "A", "B", "dx")


def test_json_in_uns_is_read_and_written(with_run):
    assert isinstance(utils.get_json_metadata(with_run, "kompot_de.run_history"), list)
    assert utils.get_json_metadata(with_run, "kompot_de.no") is None
    assert utils.set_json_metadata(with_run, "my.own.place", {"a": np.arange(2), 3: np.float32(1)})
    assert json.loads(with_run.uns["my"]["own"]["place"]) == {"a": [0, 1], "3": 1.0}
    assert utils.get_json_metadata(with_run, "my.own.place") == {"a": [0, 1], "3": 1.0}
    with pytest.raises(ValueError, match="is no dictionary"):
        utils.set_json_metadata(with_run, "my.own.place.further", 1)
    assert utils.from_json_string("not json") == "not json"
    with pytest.raises(TypeError):
        utils.to_json_string(object())
    assert not {"hostname", "username"} & set(utils.get_environment_info())


def test_filters_leave_out_what_matches(adata):
    kept, info = utils.apply_cell_filter(adata, {"condition": "control"})
    np.testing.assert_array_equal(kept, adata.obs["condition"] != "control")
    assert info["filtered_cells"] == kept.sum()
    assert info["filter_type"] == "dict"
    few = adata[(adata.obs["branch"] != "branch_1") | (adata.obs["condition"] == "control")].copy()
    kept, found, n_removed = utils.refine_filter_for_underrepresentation(
        few, None, "condition", "branch", min_cells=5
    )
    assert found == {"branch_1": ["treated"]}
    np.testing.assert_array_equal(kept, few.obs["branch"] != "branch_1")
    assert n_removed == (~kept).sum()
    same, info = utils.apply_cell_filter(
        few, None, check_representation=True, groupby="condition", groups="branch", min_cells=5
    )
    np.testing.assert_array_equal(same, kept)
    assert info["auto_filtered"]
    with pytest.raises(ValueError, match="needs `groupby` and `groups`"):
        utils.apply_cell_filter(few, None, check_representation=True)


# Logging and predictors


def test_logging_is_configured_only_when_asked(adata):
    logger = logging.getLogger("kompot")
    before = list(logger.handlers), logger.level, logger.propagate
    first, second = io.StringIO(), io.StringIO()
    try:
        kompot.configure_logging(first)
        kompot.configure_logging(second)  # replaces the first
        assert len(logger.handlers) == len(before[0]) + 1
        kompot.da(adata, *WHO, progress=False)
        assert first.getvalue() == ""
        assert "cells of 'control'" in second.getvalue()
        with pytest.raises(TypeError, match="`stream` must be open for writing"):
            kompot.configure_logging("out.txt")
    finally:
        logger.handlers[:], logger.propagate = before[0], before[2]
        logger.setLevel(before[1])


def test_models_are_predictors(rng):
    states = rng.normal(size=(30, 2))
    assert isinstance(kompot.FunctionEstimator(), kompot.Predictor)
    assert isinstance(kompot.DensityEstimator().fit(states), kompot.Predictor)
    assert not isinstance(AnnData(states), kompot.Predictor)
