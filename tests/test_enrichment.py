"""The page that hands results to packages for gene sets, run as it is written."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

PAGE = Path(__file__).parents[1] / "docs" / "tutorials" / "6_enrichment.md"
CODE = re.compile(r"```\{code-cell\} python\n(?:---\n.*?---\n)?(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def names():
    """What the code of the page leaves."""
    if not PAGE.exists():
        pytest.skip("the documentation is not here")
    found = {}
    with mpl.rc_context({"backend": "agg"}):
        for code in CODE.findall(PAGE.read_text()):
            exec(compile(code, str(PAGE), "exec"), found)
        mpl.pyplot.close("all")
    return found


def test_rankings_have_the_forms_that_packages_take(names):
    ranking, scores, net = names["ranking"], names["scores"], names["net"]
    assert isinstance(ranking, pd.Series)
    assert ranking.is_monotonic_decreasing
    assert ranking.index.is_unique
    assert np.isfinite(ranking).all()
    assert scores.shape == (1, len(ranking))
    assert list(net.columns) == ["source", "target"]
    assert set(net["target"]) <= set(scores.columns)
    assert set(names["called"]) < set(names["tested"])


def test_sets_with_planted_genes_are_enriched_and_others_are_not(names):
    terms = names["terms"].set_index("term")
    assert terms.loc["changed everywhere", "fdr"] < 0.01
    assert (terms.loc[["unchanged, large", "unchanged, small"], "fdr"] > 0.2).all()


def test_the_test_by_hand_is_that_of_fisher(names):
    called, tested = set(names["called"]), set(names["tested"])
    for term, expected in zip(names["terms"]["term"], names["terms"]["pvalue"], strict=True):
        genes = set(names["gene_sets"][term])
        inside, outside = genes & called, called - genes
        table = [
            [len(inside), len(genes - called)],
            [len(outside), len(tested - genes - called)],
        ]
        assert stats.fisher_exact(table, alternative="greater")[1] == pytest.approx(expected)
