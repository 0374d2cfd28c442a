from html.parser import HTMLParser

import pytest

import kompot
from kompot.records.rendering import run_html

NASTY = "<script>alert('x')</script> & \"quoted\"/ü"


class Page(HTMLParser):
    """Texts of a page; an error if a tag is not closed, or not known."""

    KNOWN = {"div", "h3", "h4", "p", "span", "details", "summary"} | {
        *("table", "thead", "tbody", "tr", "th", "td"),
    }

    def __init__(self, html):
        super().__init__()
        self.open, self.texts = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert tag in self.KNOWN, tag
        assert {name for name, _ in attrs} <= {"class", "style"}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return "|".join(self.texts)


@pytest.fixture
def nasty(small, de, da):
    """Two runs whose conditions and groups have names that would break a page."""
    new = {"treated": NASTY, "control": "it's <b>"}
    small.obs["condition"] = small.obs["condition"].cat.rename_categories(new)
    conditions = ("condition", "it's <b>", NASTY)
    de(small, *conditions, result_key="<i>key")
    de(small, "condition", NASTY, "it's <b>", result_key="<i>key", overwrite=True)
    da(small, *conditions, groups={"branch": list(small.obs["branch"].cat.categories[:1])})
    return small


def test_run_page(with_runs):
    del with_runs.layers["kompot_de_treated_imputed"]
    html = kompot.RunInfo(with_runs, 0, "de")._repr_html_()
    assert html.startswith("<div class='kompot-runinfo'>")
    text = Page(html).text
    for part in (
        "Run 0 (DE Analysis)",
        "Run Summary",
        "conditions|control to treated",
        "5 present",
        "8 overwritten",
        "1 missing",
        "overwritten by run 1",
        "gp.random_state|0",
        "Parameters",
        "Environment",
        "python_version",
    ):
        assert part in text
    row = text.split("kompot_de_treated_imputed|layers")[1].split("|")
    assert row[3] == "missing"
    assert "Run 1 (DA Analysis)" in Page(kompot.RunInfo(with_runs, 1, "da")._repr_html_()).text


def test_comparison_page(with_runs):
    del with_runs.var["kompot_de_control_to_treated_is_de"]
    html = kompot.RunInfo(with_runs, 0, "de").compare_with(1)._repr_html_()
    assert html.startswith("<div class='kompot-comparison'>")
    text = Page(html).text
    for part in (
        "Comparison of Run 0 and Run 1",
        "Parameter Differences",
        "gp.random_state|0|1",
        "Field Differences",
        "Last Modified By",
        "kompot_de_control_to_treated_is_de|var|yes|yes|Run 1|missing",
        "kompot_de_control_to_treated_mahalanobis|var|yes|yes|Run 1|present",
        "kompot_de_control_to_treated_posterior_covariance|obsp|yes|Run 0|present",
        "9 fields are written by both runs, 5 by the first alone, 0 by the second alone.",
    ):
        assert part in text
    assert "Different Conditions" not in text
    other = kompot.RunComparison(with_runs, 0, 2, "de")._repr_html_()
    assert "Different Conditions" in Page(other).text


def test_everything_from_the_data_is_escaped(nasty):
    for kind in ("de", "da"):
        html = kompot.RunInfo(nasty, 0, kind)._repr_html_()
        page = Page(html)
        assert f"it's <b> to {NASTY}" in page.text
        assert "<script" not in html
        assert "<b>" not in html
    assert "<i>key" in Page(kompot.RunInfo(nasty, 0, "de")._repr_html_()).text
    html = kompot.RunComparison(nasty, 0, 1, "de")._repr_html_()
    assert NASTY in Page(html).text
    assert "<script" not in html
    assert "<script" not in kompot.runs(nasty)._repr_html_()


def test_pages_of_the_original(original):
    for kind in ("de", "da"):
        assert "Young adult to Old" in Page(kompot.RunInfo(original, 1, kind)._repr_html_()).text
    assert "A & <b>" in Page(kompot.RunInfo(original, 2, "de")._repr_html_()).text
    page = Page(kompot.RunComparison(original, 0, 2, "de")._repr_html_())
    assert "sample_col|None|donor" in page.text


def test_long_values_are_cut():
    summary = {"adjusted_run_id": 0, "analysis_type": "de", "conditions": "a to b"}
    html = run_html(summary, {"genes": ["gene"] * 10_000}, {"versions": {"numpy": "2"}}, [])
    assert len(html) < 3000
    assert "&#x27;gene&#x27;" in html
    assert "..." in html
    assert "numpy: 2" in Page(html).text
