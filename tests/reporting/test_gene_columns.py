import json

import numpy as np
import pandas as pd
import pytest

from kompot.plot.stored_runs import read_expression_run
from kompot.reporting.gene_columns import GeneColumn, gene_columns, page_data, ranking

KEY = "kompot_de_control_to_treated"


def test_columns_are_what_the_run_stored(analysed):
    columns = gene_columns(analysed, read_expression_run(analysed))
    keys = ["mean_lfc", "is_de", "mahalanobis", "local_fdr", "tail_fdr", "pvalue", "ptp"]
    assert [column.key for column in columns] == keys
    np.testing.assert_array_equal(columns[2].values, analysed.var[f"{KEY}_mahalanobis"])
    assert columns[1].kind == "flag"
    assert set(columns[1].values) <= {0.0, 1.0}


def test_columns_of_groups_follow(analysed, record_tables):
    record_tables(analysed, ("mean_lfc", "mahalanobis"))
    for part in ("mean_lfc", "mahalanobis"):
        analysed.varm[f"{KEY}_{part}_groups"] = pd.DataFrame(
            {"a": 1.0, 3: np.nan}, index=analysed.var_names
        )
    columns = gene_columns(analysed, read_expression_run(analysed))
    assert [(one.group, one.key) for one in columns if one.group] == [
        ("a", "mean_lfc"),
        ("a", "mahalanobis"),
        ("3", "mean_lfc"),
        ("3", "mahalanobis"),
    ]


def test_strongest_genes_come_first_and_missing_ones_last(analysed):
    columns = gene_columns(analysed, read_expression_run(analysed))
    order = ranking(columns)
    distance = analysed.var[f"{KEY}_mahalanobis"].to_numpy()
    assert (np.diff(distance[order]) <= 0).all()
    values = GeneColumn("mean_lfc", "lfc", None, np.array([0.1, np.nan, -3.0]))
    np.testing.assert_array_equal(ranking([values]), [2, 0, 1])
    p = GeneColumn("donor_pvalue", "p", None, np.array([0.5, 0.01, np.nan]))
    np.testing.assert_array_equal(ranking([p, values]), [1, 0, 2])


def test_data_survive_the_way_into_the_page():
    names = ["</script><b>", "a\u2028b", "&amp;"]
    columns = [
        GeneColumn("x", "t<i>", "g>", np.array([1.5, np.nan, 1e-300])),
        GeneColumn("is_de", "called", None, np.array([1.0, 0.0, np.nan]), "flag"),
    ]
    text = page_data(names, columns, np.array([2, 0, 1]), ("a<", "b"))
    assert not set("<>&\u2028") & set(text)
    found = json.loads(text)
    assert found["genes"] == ["&amp;", "</script><b>", "a\u2028b"]
    assert found["conditions"] == ["a<", "b"]
    assert found["columns"][0] == {
        "key": "x",
        "title": "t<i>",
        "group": "g>",
        "kind": "number",
        "values": [1e-300, 1.5, None],
    }
    assert found["columns"][1]["values"] == [None, 1, 0]


def test_texts_are_columns_too():
    regions = np.array(["k<4", None, "all"], dtype=object)
    column = GeneColumn("donor_region", "strongest in", None, regions, "text")
    found = json.loads(page_data(["a", "b", "c"], [column], np.arange(3), ("", "")))
    assert found["columns"][0]["values"] == ["k<4", None, "all"]


@pytest.mark.parametrize("value", [0.0, -0.25, 123456.0, 1e-12, 3.14159265])
def test_numbers_keep_five_digits(value):
    column = GeneColumn("x", "x", None, np.array([value, np.inf]))
    found = json.loads(page_data(["a", "b"], [column], np.arange(2), ("", "")))
    kept, infinite = found["columns"][0]["values"]
    assert kept == pytest.approx(value, rel=1e-4)
    assert infinite is None
