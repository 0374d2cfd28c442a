"""What the report says of the null that genes were judged against."""

import json

import numpy as np
import pytest

import kompot
from kompot.datasets import simulate


@pytest.mark.parametrize("when", ["never", "in the run", "afterwards"])
def test_report_says_where_the_null_comes_from(adata, tmp_path, when):
    null = np.linspace(0, 5, 150)
    kompot.compute_differential_expression(
        adata,
        *("condition", "control", "treated"),
        null_genes=50,
        null_mahalanobis=null if when == "in the run" else None,
        layers="none",
        random_state=0,
        progress=False,
    )
    if when == "afterwards":
        kompot.recompute_fdr(adata, null)
    kompot.report(adata, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    said = {
        "never": "50 genes shuffled over cells",
        "in the run": "judged against a null from elsewhere",
        "afterwards": "judged again, against 150 distances from elsewhere",
    }
    assert [name for name, words in said.items() if words in text] == [when]


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_report_says_where_samples_are_not_adjusted_for_state(tmp_path, shift):
    adata = simulate(
        n_cells=900,
        n_genes=200,
        n_donors=3,
        embedding_shift=shift,
        abundance_log_odds=0.0,
        random_state=0,
    )
    kompot.compute_differential_expression(
        adata,
        *("condition", "control", "treated"),
        sample_col="sample",
        layers="none",
        random_state=0,
        progress=False,
    )
    test = json.loads(adata.uns["kompot_de"]["last_run_info"])["donor_test"]
    statuses = {region["status"] for region in test["regions"]}
    assert (test["adjusted_share"] > 0) == ("adjusted" in statuses) == (shift == 0)
    kompot.report(adata, tmp_path / "report.html")
    said = "regions means are not adjusted for state" in (tmp_path / "report.html").read_text()
    assert said == bool(statuses & {"standardised", "unadjusted", "dropped"})
