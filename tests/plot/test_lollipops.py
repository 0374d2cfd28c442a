import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from kompot.plot import lollipop


@pytest.fixture
def terms():
    return pd.DataFrame(
        {
            "Term": [f"term {i}" for i in range(6)],
            "Adjusted P-value": [1e-3, 0.2, 1e-60, 0.04, 1e-2, 1e-4],
            "Overlap": ["3/20", "9/20", "12/40", "1/9", "5/20", "7/30"],
            "Combined Score": [3.0, 1.0, 9.0, 2.0, 4.0, 8.0],
        }
    )


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def dots(ax):
    return ax.collections[1]


def test_terms_are_drawn_by_their_rates_largest_first(terms, ax):
    assert lollipop(terms, ax=ax) is ax
    assert labels(ax) == ["term 2", "term 5", "term 0", "term 4", "term 3"]
    expected = -np.log10([1e-50, 1e-4, 1e-3, 1e-2, 0.04])
    np.testing.assert_allclose(dots(ax).get_offsets()[:, 0], expected)
    np.testing.assert_array_equal(dots(ax).get_offsets()[:, 1], np.arange(5))
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    areas = dots(ax).get_sizes()
    assert areas.argmax() == 0
    assert (areas.max(), areas.min()) == (320, 40)
    assert [text.get_text() for text in ax.texts] == ["12", "7", "3", "5", "1"]
    assert ax.lines[0].get_xdata()[0] == pytest.approx(-np.log10(0.05))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["1", "5", "12"]


def test_scores_and_own_columns(terms, ax):
    own = terms.rename(columns={"Adjusted P-value": "rate", "Term": "what"})
    lollipop(
        own,
        term_col="what",
        fdr_col="rate",
        score_col="Combined Score",
        x_metric="score",
        n_terms=2,
        fdr_threshold=None,
        color_by="Combined Score",
        annotate=False,
        legend=False,
        title="Title",
        xlabel="score of the term",
        ax=ax,
    )
    assert labels(ax) == ["term 2", "term 5"]
    assert (ax.get_title(), ax.get_xlabel()) == ("Title", "score of the term")
    np.testing.assert_allclose(dots(ax).get_array(), [9.0, 8.0])
    assert not ax.texts
    assert not ax.lines
    assert ax.get_legend() is None


@pytest.mark.parametrize("ascending", [None, True, False])
def test_order(terms, ax, ascending):
    lollipop(terms, sort_by="Adjusted P-value", ascending=ascending, ax=ax)
    assert labels(ax)[0] == ("term 3" if ascending is False else "term 2")


def test_names_of_the_index_and_no_counts(ax):
    table = pd.DataFrame({"padj": [0.01, 0.02]}, index=["first", "second"])
    lollipop(table, ax=ax)
    assert labels(ax) == ["first", "second"]
    assert len(set(dots(ax).get_sizes())) == 1


def test_objects_that_give_a_table_are_asked(terms, ax):
    class Report:
        def get_functional_enrichment(self, category, fdr_threshold):
            self.asked = category, fdr_threshold
            return terms

    report = Report()
    lollipop(report, category="KEGG", fdr_threshold=0.01, ax=ax)
    assert report.asked == ("KEGG", 0.01)
    assert len(labels(ax)) == 4


def test_nothing_below_the_threshold_is_said(terms, ax):
    lollipop(terms, fdr_threshold=1e-70, ax=ax)
    assert "below the threshold" in ax.texts[0].get_text()


def test_figure_file_and_unchanged_input(terms, tmp_path):
    before = terms.copy()
    figure = lollipop(terms, return_fig=True, save=tmp_path / "terms.svg")
    assert isinstance(figure, Figure)
    assert "term 2" in (tmp_path / "terms.svg").read_text()
    pd.testing.assert_frame_equal(terms, before)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"term_col": "x"}, ValueError, "`term_col`: 'x' is no column"),
        ({"x_metric": "nothing"}, ValueError, "'nothing' is no column"),
        ({"sort_by": "nothing"}, ValueError, "`sort_by` must be"),
        ({"color_by": "nothing"}, ValueError, "'nothing' is no column"),
    ],
)
def test_bad_input_is_named(terms, ax, options, error, text):
    with pytest.raises(error, match=text):
        lollipop(terms, ax=ax, **options)


def test_missing_columns_and_other_objects_are_named(ax):
    with pytest.raises(ValueError, match="`fdr_col`"):
        lollipop(pd.DataFrame({"Term": ["a"]}), ax=ax)
    with pytest.raises(TypeError, match="`data` must be a table"):
        lollipop([1, 2], ax=ax)
