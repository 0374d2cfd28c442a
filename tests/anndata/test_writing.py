import json
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import ImplicitModificationWarning

import kompot
from kompot.anndata.writing import existing_fields, refuse_overwrite, spread_frame, spread_genes
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import AbundanceFields

CONDITIONS = ("condition", "control", "treated")
NAMES = {"de": ExpressionFields, "da": AbundanceFields}


def run(adata, kind, **options):
    options = {"progress": False, "random_state": 0} | options
    if kind == "de":
        kompot.compute_differential_expression(adata, *CONDITIONS, null_genes=5, **options)
    else:
        kompot.compute_differential_abundance(adata, *CONDITIONS, **options)


@pytest.fixture(params=["de", "da"])
def rerun(adata, request):
    """Data with a run, its fields, and the settings of the same run with samples."""
    kind = request.param
    adata = adata[:150].copy()
    run(adata, kind)
    made = kompot.RunInfo(adata).to_settings()
    fields = [*NAMES[kind](f"kompot_{kind}", "control", "treated")]
    settings = {"de": kompot.settings.ExpressionSettings, "da": kompot.settings.AbundanceSettings}
    settings = settings[kind](kompot.settings.Comparison(*CONDITIONS), **made)
    with_samples = replace(settings, comparison=replace(settings.comparison, sample_col="donor"))
    return adata, fields, settings, with_samples


def test_adding_samples_is_logged_and_not_warned_of(rerun, caplog):
    adata, fields, _, with_samples = rerun
    with caplog.at_level(logging.INFO, "kompot"):
        refuse_overwrite(adata, fields, with_samples)
    kind = "de" if "kompot_de" in adata.uns else "da"
    what = "Differential expression results" if kind == "de" else "Results"
    said = f"{what} with result_key='kompot_{kind}' already exist in the dataset. Fields that will"
    assert said in caplog.text
    assert "Samples are added; what does not depend on them stays the same." in caplog.text


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("comparison", {"groupby": "branch"}),
        ("comparison", {"condition2": "other"}),
        ("comparison", {"obsm_key": "X_tree"}),
        ("comparison", {"layer": "counts"}),
        ("gp", {"ls_factor": 5.0}),
        ("gp", {"random_state": 7}),
        ("filter", {"cell_filter": {"branch": "root"}}),
        ("comparison", {"sample_col": None}),
    ],
)
def test_any_other_rerun_is_warned_of(rerun, part, change):
    adata, fields, _, with_samples = rerun
    changed = replace(with_samples, **{part: replace(getattr(with_samples, part), **change)})
    with pytest.warns(UserWarning, match="already exist in the dataset"):
        refuse_overwrite(adata, fields, changed)


def test_samples_that_were_there_before_are_warned_of(rerun):
    adata, fields, _, with_samples = rerun
    key = "kompot_de" if "kompot_de" in adata.uns else "kompot_da"
    runs = json.loads(adata.uns[key]["run_history"])
    runs[0]["params"]["sample_col"] = "donor"
    adata.uns[key]["run_history"] = json.dumps(runs)
    with pytest.warns(UserWarning, match="already exist"):
        refuse_overwrite(adata, fields, with_samples)


def test_without_a_readable_history_the_rule_is_the_same(rerun):
    adata, fields, settings, with_samples = rerun
    for broken in ("text", {"run_history": "["}, {}):
        adata.uns["kompot_de"] = adata.uns["kompot_da"] = broken
        with pytest.warns(UserWarning, match=r"overwritten: .* more fields\. Give"):
            refuse_overwrite(adata, fields, with_samples)
    refused = replace(settings, storage=replace(settings.storage, overwrite=False))
    with pytest.raises(ValueError, match=r"already exist.*Set overwrite=True to overwrite or"):
        refuse_overwrite(adata, fields, refused)


def test_the_earlier_run_is_named(rerun):
    adata, fields, settings, _ = rerun
    timestamp = kompot.RunInfo(adata).timestamp
    with pytest.warns(UserWarning, match="already exist") as caught:
        refuse_overwrite(adata, fields, settings)
    said = f"Previous run: run_id=0, {timestamp}, comparing control to treated. Give overwrite=True"
    assert said in str(caught[0].message)


def test_users_are_told_in_their_line_in_documented_words(adata):
    adata = adata[:150].copy()
    for kind, words in {
        "de": r"Differential expression results with result_key='kompot_de' already exist in the "
        r"dataset\.",
        "da": "Results with result_key='kompot_da' already exist",
    }.items():
        run(adata, kind)
        with pytest.warns(
            UserWarning, match=words + ".*Fields that will be overwritten:"
        ) as caught:
            run(adata, kind)
        assert caught[0].filename == __file__
        with pytest.raises(ValueError, match=words + r".*use a different result_key\.$"):
            run(adata, kind, overwrite=False)
        run(adata, kind, overwrite=True)


def test_partial_rerun_keeps_other_genes_and_is_tracked(adata):
    adata = adata[:150].copy()
    run(adata, "de")
    before = adata.var["kompot_de_control_to_treated_mahalanobis"].copy()
    genes = list(adata.var_names[:3])
    run(adata, "de", genes=genes, sigma=2.0, overwrite=True)
    after = adata.var["kompot_de_control_to_treated_mahalanobis"]
    np.testing.assert_array_equal(after.iloc[3:], before.iloc[3:])
    assert (after.iloc[:3] != before.iloc[:3]).all()
    first, second = (kompot.RunInfo(adata, number) for number in (0, 1))
    assert len(first.overwritten_fields) == first.get_summary()["field_count"]
    assert second.params["genes"] == genes
    assert second.overwritten_fields == second.missing_fields == []


def test_the_same_name_in_another_place_is_no_overwrite(adata):
    fields = ExpressionFields("k", "a", "b")
    adata.layers["k_a_std"] = np.zeros(adata.shape)
    assert existing_fields(adata, fields) == []
    adata.obs["k_a_std"] = 0.0
    assert existing_fields(adata, fields) == [fields.std1]


def test_a_view_that_has_no_name_loses_its_results_not_silently(adata):
    with pytest.warns(ImplicitModificationWarning, match="written to a view") as caught:
        kompot.compute_differential_abundance(
            adata[:200], "condition", "control", "treated", sample_col="donor", progress=False
        )
    assert caught[0].filename == __file__
    assert "kompot_da" not in adata.uns


@pytest.mark.parametrize("kind", [object, "boolean"])
def test_genes_whose_earlier_call_is_missing_are_not_called(adata, kind):
    """As an outer join leaves them."""
    earlier = np.tile([True, False, None], adata.n_vars)[: adata.n_vars]
    adata.var["called"] = pd.array(earlier, dtype="boolean").astype(kind)
    genes = np.array([1], dtype=np.intp)
    expected = earlier == True  # noqa: E712
    expected[1] = True
    np.testing.assert_array_equal(spread_genes(adata, "called", np.array([True]), genes), expected)
    adata.varm["calls"] = pd.DataFrame({"g": adata.var["called"]})
    found = spread_frame(adata, "calls", pd.DataFrame({"g": [True]}), genes)
    np.testing.assert_array_equal(found["g"], expected)
