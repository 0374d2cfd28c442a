import json

import numpy as np
import pytest
from matplotlib.figure import Figure

from kompot.plot import DiagnosticPanels, diagnostics
from kompot.records.encoding import decoded

KEY = "kompot_de_control_to_treated"


def changed(adata, **entries):
    history = json.loads(adata.uns["kompot_de"]["run_history"])
    history[-1] |= entries
    adata.uns["kompot_de"]["run_history"] = json.dumps(history)


def test_panels_show_what_the_run_recorded(analysed):
    figure = Figure(figsize=(11, 8), layout="constrained")
    found = diagnostics(analysed, null=[], sample_col="donor", figure=figure)
    assert isinstance(found, DiagnosticPanels)
    numerics = json.loads(analysed.uns["kompot_de"]["run_history"])[0]["numerics"]
    heights = [bar.get_height() for bar in found.numerics.patches]
    np.testing.assert_allclose(heights, [numerics["residual_mean"], numerics["residual_max"]])
    assert found.numerics.get_xlabel() == f"rank {numerics['rank']}"
    assert found.length_scale.lines[0].get_xdata()[0] == numerics["ls"]
    counts = analysed.obs["donor"].value_counts()
    bars = [bar.get_height() for bar in found.samples.patches[: len(counts)]]
    names = [text.get_text() for text in found.samples.get_xticklabels()]
    assert bars == [counts[name] for name in names]
    drawn = sum(bar.get_height() for bar in found.distances.patches)
    assert drawn >= analysed.n_vars
    figure.canvas.draw()


def test_null_distances_are_scaled_to_the_number_of_genes(analysed):
    null = np.random.default_rng(0).gamma(2, 1, 500)
    found = diagnostics(analysed, null=null)
    stairs = next(one for one in found.distances.patches if hasattr(one, "get_data"))
    counts, _, _ = stairs.get_data()
    np.testing.assert_allclose(counts.sum(), analysed.n_vars)


def test_null_distances_of_the_run_are_drawn(analysed):
    found = diagnostics(analysed).distances
    stairs = next(one for one in found.patches if hasattr(one, "get_data"))
    counts, edges, _ = stairs.get_data()
    stored = json.loads(analysed.uns["kompot_de"]["run_history"])[0]["arrays"]["null_mahalanobis"]
    expected, _ = np.histogram(decoded(stored), edges)
    np.testing.assert_allclose(counts, expected * analysed.n_vars / len(decoded(stored)))
    assert not found.texts
    assert "null genes (200), scaled" in [text.get_text() for text in found.legend_.get_texts()]


@pytest.mark.parametrize("arrays", [None, {"null_mahalanobis": {"kind": "unkept"}}])
def test_a_run_that_stored_no_null_distances_says_so(analysed, arrays):
    changed(analysed, arrays=arrays)
    texts = diagnostics(analysed).distances.texts
    assert [text.get_text() for text in texts] == ["no distances of null genes"]


@pytest.mark.parametrize("null", [[], [np.nan]])
def test_no_null_distance_is_the_same_as_none(analysed, null):
    found = diagnostics(analysed, null=null)
    assert "no distances of null genes" in found.distances.texts[0].get_text()


def test_rank_at_its_limit_is_said(analysed):
    history = json.loads(analysed.uns["kompot_de"]["run_history"])[-1]
    history["params"]["gp"]["n_landmarks"] = history["numerics"]["rank"]
    changed(analysed, params=history["params"])
    assert "raise n_landmarks" in diagnostics(analysed).numerics.get_xlabel()


def test_what_is_missing_is_explained(analysed):
    changed(analysed, numerics=None, mahalanobis_key=None)
    del analysed.obs["condition"]
    found = diagnostics(analysed)
    texts = [ax.texts[0].get_text() for ax in found.figure.axes]
    assert "no residual" in texts[0]
    assert "no length scale" in texts[1]
    assert "'condition'" in texts[2]
    assert "no distances" in texts[3]


def test_unknown_column_of_samples_is_refused(analysed):
    with pytest.raises(ValueError, match="nothing"):
        diagnostics(analysed, sample_col="nothing")
