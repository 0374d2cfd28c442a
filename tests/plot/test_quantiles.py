import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kompot.plot import qq

KEY = "kompot_de_control_to_treated"


def points(ax):
    return [one for one in ax.collections if one.get_rasterized()]


def test_uniform_p_values_lie_on_the_line(ax):
    n = 999
    qq(np.arange(1, n + 1) / (n + 1), ax=ax)
    expected, observed = points(ax)[0].get_offsets().T
    np.testing.assert_allclose(observed, expected)
    assert len(expected) == n


def test_band_is_that_of_order_statistics(ax):
    qq(np.random.default_rng(0).uniform(size=100), band=0.9, ax=ax)
    band = ax.collections[0].get_paths()[0].vertices
    first = -np.log10(1 / 101)
    heights = np.sort(band[np.isclose(band[:, 0], first), 1])
    low, high = stats.beta(1, 100).ppf([0.05, 0.95])
    np.testing.assert_allclose(heights[[0, -1]], [-np.log10(high), -np.log10(low)])
    other = qq(np.random.default_rng(0).uniform(size=100), band=None)
    assert len(other.collections) == 1


def test_run_gives_its_p_values_donors_first(compared, ax):
    qq(compared, ax=ax)
    stored = compared.var[f"{KEY}_mahalanobis_pvalue"].to_numpy()
    observed = points(ax)[0].get_offsets()[:, 1]
    assert ax.get_legend().get_texts()[0].get_text() == "p from shuffled genes (60)"
    np.testing.assert_allclose(np.sort(observed), np.sort(-np.log10(stored)))
    history = json.loads(compared.uns["kompot_de"]["run_history"])
    name = f"{KEY}_donor_pvalue"
    history[0]["field_mapping"][name] = {"location": "var", "type": "donor_pvalue"}
    compared.uns["kompot_de"]["run_history"] = json.dumps(history)
    compared.var[name] = 0.5
    donor = qq(compared)
    np.testing.assert_allclose(points(donor)[0].get_offsets()[:, 1], -np.log10(0.5))


def test_several_sets_and_missing_and_zero_values(ax):
    qq({"one": [0.0, 0.01, np.nan, 1.0], "two": [0.5, 0.2]}, ax=ax)
    first, second = points(ax)
    assert (len(first.get_offsets()), len(second.get_offsets())) == (3, 2)
    assert first.get_offsets()[0, 1] == 2
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one (3)", "two (2)"]


def test_many_p_values_are_thinned_but_not_the_smallest(ax):
    values = np.random.default_rng(0).uniform(size=100_000)
    qq(values, ax=ax)
    drawn = points(ax)[0].get_offsets()
    assert len(drawn) < 5000
    np.testing.assert_allclose(drawn[:20, 1], -np.log10(np.sort(values)[:20]))


def test_no_p_values_are_explained(ax, adata):
    qq([], ax=ax)
    assert ax.texts[0].get_text() == "there are no p-values"
    with pytest.raises(ValueError, match="between 0 and 1"):
        qq([1.5])
    with pytest.raises(ValueError, match="first"):
        qq(adata)


def test_run_without_p_values_says_how_to_get_them(compared):
    history = json.loads(compared.uns["kompot_de"]["run_history"])
    history[0]["fdr_keys"], history[0]["ptp_key"] = None, None
    compared.uns["kompot_de"]["run_history"] = json.dumps(history)
    with pytest.raises(ValueError, match="store_additional_stats=True"):
        qq(compared)
    with pytest.raises(ValueError, match=r"p-values of groups.*store_additional_stats=True"):
        qq(compared, groups=True)


def test_a_column_called_p_values_is_a_column(ax, rng):
    qq(pd.DataFrame({"p_values": rng.uniform(size=30)}), ax=ax)
    assert len(ax.collections[-1].get_offsets()) == 30
