"""The warning where an embedding keeps the conditions apart."""

import pytest

import kompot
from kompot.datasets import simulate


@pytest.mark.parametrize("shift", [0.0, 4.0])
@pytest.mark.parametrize("analysis", ["differential_expression", "differential_abundance"])
@pytest.mark.parametrize("samples", ["none", "samples"])
def test_an_embedding_that_keeps_conditions_apart_is_named(caplog, analysis, samples, shift):
    adata = simulate(
        **{"n_cells": 600, "n_genes": 160, "n_donors": 3, "abundance_log_odds": 2.0},
        embedding_shift=shift,
        random_state=0,
    )
    run = getattr(kompot, f"compute_{analysis}")
    options = {} if samples == "none" else {"sample_col": "sample"}
    if samples == "none":
        adata.obs = adata.obs[["condition"]]
    if analysis == "differential_expression":
        options |= {"null_genes": 50, "layers": "none"}
    run(adata, "condition", "control", "treated", progress=False, **options)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    told = [text for text in warnings if "apart" in text or "hardly overlap" in text]
    if not shift:
        assert not [text for text in told if "apart" in text]
        return
    assert len(told) == 1
    assert "embedding integrated over samples?" in told[0]
    if "apart" in told[0]:
        assert "'DM_EigenVectors': 100% of a cell's 15 nearest neighbours" in told[0]
