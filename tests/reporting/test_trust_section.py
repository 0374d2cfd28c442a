"""What the report says of the null that genes were judged against."""

import numpy as np
import pytest

import kompot


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
