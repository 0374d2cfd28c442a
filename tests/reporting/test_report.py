import json
import subprocess
import sys
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import kompot
from kompot.plot.stored_abundance import read_abundance_run
from kompot.reporting.abundance_section import group_shares
from kompot.reporting.tables import number

KEY = "kompot_de_control_to_treated"
NASTY = "</script><script>window.broken=1</script><img src=x onerror=alert(1)>"


class Outline(HTMLParser):
    """Elements of a page, with their attributes and direct texts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))
        if tag not in {"meta", "img", "input", "br", "link"}:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.open[-1][2].append(data)

    def of(self, tag):
        return [
            (attributes, "".join(texts)) for name, attributes, texts in self.elements if name == tag
        ]


def test_page_has_all_parts_and_nothing_from_elsewhere(page):
    outline = Outline(page)
    assert not outline.open
    ids = [attributes["id"] for _, attributes, _ in outline.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    sections = [attributes["id"] for attributes, _ in outline.of("section")]
    parts = ["overview", "abundance", "genes", "top-genes", "diagnostics", "repeat"]
    assert sections == parts
    for attributes, _ in outline.of("a"):
        assert attributes["href"].removeprefix("#") in ids
    sources = [attributes["src"] for attributes, _ in outline.of("img")]
    assert len(sources) >= 7
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not outline.of("link")
    assert "Not drawn" not in page


def test_images_tables_and_controls_can_be_read_aloud(page):
    outline = Outline(page)
    assert outline.of("html")[0][0]["lang"] == "en"
    assert all(len(attributes["alt"]) > 30 for attributes, _ in outline.of("img"))
    assert len(outline.of("caption")) == len(outline.of("table"))
    assert all("scope" in attributes for attributes, _ in outline.of("th"))
    assert len(outline.of("h1")) == 1
    levels = [int(tag[1]) for tag, _, _ in outline.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert max(np.diff(levels)) <= 1
    scrolling = [one for tag, one, _ in outline.elements if one.get("class") == "scroll"]
    assert all(one["tabindex"] == "0" and one["aria-label"] for one in scrolling)


def test_gene_table_is_whole(page, analysed):
    data = next(text for attributes, text in Outline(page).of("script") if attributes.get("id"))
    found = json.loads(data)
    order = analysed.var[f"{KEY}_mahalanobis"].sort_values(ascending=False).index
    assert found["genes"] == list(order)
    distance = next(one for one in found["columns"] if one["key"] == "mahalanobis")["values"]
    np.testing.assert_allclose(distance, analysed.var.loc[order, f"{KEY}_mahalanobis"], rtol=1e-4)


def test_script_is_known_by_its_hash(page):
    outline = Outline(page)
    policies = [one["content"] for one, _ in outline.of("meta") if "http-equiv" in one]
    assert "default-src 'none'" in policies[0]
    assert "unsafe" not in policies[0]
    assert policies[0].count("'sha256-") == 2
    assert not [one for _, one, _ in outline.elements if "style" in one or "onclick" in one]


def test_what_was_compared_and_how_to_repeat_it(page, analysed):
    text = " ".join(" ".join(texts) for _, _, texts in Outline(page).elements)
    cells = analysed.obs["condition"].value_counts()
    assert f"{cells['control']}" in text
    assert "control (first) and treated (second)" in text
    assert "Cell level." in text
    assert "Significance of genes and of abundance describes" in text
    assert "Donor level." not in text
    assert "kompot.compute_differential_expression(" in text
    assert "store_additional_stats=True" in text
    assert "sample_col='donor'" in text


def test_shares_of_groups_are_those_of_the_cells(analysed):
    run = read_abundance_run(analysed)
    conditions = {
        name: (analysed.obs["condition"] == name).to_numpy() for name in ("control", "treated")
    }
    found = group_shares(analysed, run, analysed.obs["branch"], conditions)
    counts = pd.crosstab(analysed.obs["branch"], analysed.obs["condition"])
    np.testing.assert_array_equal(found["cells of control"], counts["control"])
    np.testing.assert_allclose(
        found["share of treated"], counts["treated"] / counts["treated"].sum()
    )
    mean = analysed.obs.groupby("branch", observed=False)[run.lfc].mean()
    np.testing.assert_allclose(found["mean change"], mean)
    assert "P(changed)" in found


def test_names_from_the_data_are_escaped(analysed, tmp_path):
    names = list(analysed.var_names)
    best = int(np.argmax(analysed.var[f"{KEY}_mahalanobis"]))
    names[best] = NASTY
    analysed.var_names = names
    branch = analysed.obs["branch"]
    analysed.obs["branch"] = branch.cat.rename_categories({"root": NASTY, "branch_1": "$x^{$"})
    renamed = analysed.uns["kompot_de"]["run_history"].replace('"treated"', json.dumps(NASTY))
    analysed.uns["kompot_de"]["run_history"] = renamed
    path = kompot.report(analysed, tmp_path / "r.html", title=NASTY, n_genes=1)
    text = path.read_text(encoding="utf-8")
    assert "<script>window" not in text
    assert "<img src=x" not in text
    scripts = Outline(text).of("script")
    assert len(scripts) == 2
    data = next(inner for attributes, inner in scripts if attributes.get("id") == "gene-data")
    assert json.loads(data)["genes"][0] == NASTY


def test_runs_of_one_kind_are_enough(analysed, tmp_path):
    da = analysed.uns.pop("kompot_da")
    path = kompot.report(analysed, tmp_path / "de.html", n_genes=0)
    text = path.read_text(encoding="utf-8")
    assert "No run is recorded." in text
    assert 'id="top-genes"' not in text
    del analysed.uns["kompot_de"]
    analysed.uns["kompot_da"] = da
    text = kompot.report(analysed, tmp_path / "da.html").read_text(encoding="utf-8")
    assert "gene-data" not in text.partition("<script>")[0]
    assert "Abundance by branch" in text


def test_what_is_gone_is_explained(analysed, tmp_path):
    del analysed.layers["kompot_de_control_imputed"]
    del analysed.obsm["X_tree"]
    del analysed.obs["branch"]
    del analysed.obs["kompot_da_control_to_treated_lfc"]
    text = kompot.report(analysed, tmp_path / "r.html", n_genes=1).read_text(encoding="utf-8")
    assert "layers=&#x27;dense&#x27;" in text
    assert "No groups of cells are known" in text
    assert text.count("Not drawn") >= 3


def test_donor_level_runs_say_so_and_rank_by_donors(analysed, tmp_path):
    history = json.loads(analysed.uns["kompot_de"]["run_history"])
    history[0] |= {"inference_level": "donor"}
    history[0]["params"]["sample_col"] = "donor"
    for name, values in (
        ("pvalue", np.linspace(0.9, 0.001, 60)),
        ("fdr", np.linspace(1, 0.01, 60)),
    ):
        analysed.var[f"{KEY}_donor_{name}"] = values
        entry = {"location": "var", "type": f"donor_{name}", "description": ""}
        history[0]["field_mapping"][f"{KEY}_donor_{name}"] = entry
    analysed.var[f"{KEY}_donor_region"] = ["all", "k4_1"] * 30
    entry = {"location": "var", "type": "donor_region", "description": ""}
    history[0]["field_mapping"][f"{KEY}_donor_region"] = entry
    analysed.uns["kompot_de"]["run_history"] = json.dumps(history)
    text = kompot.report(analysed, tmp_path / "r.html", n_genes=1).read_text(encoding="utf-8")
    assert "Donor level. </strong>Significance of genes compares" in text
    assert "Cell level. </strong>Significance of abundance describes" in text
    data = next(inner for one, inner in Outline(text).of("script") if one.get("id"))
    found = json.loads(data)
    assert found["genes"][0] == analysed.var_names[-1]
    regions = next(one for one in found["columns"] if one["key"] == "donor_region")
    assert regions["values"] == ["k4_1", "all"] * 30
    assert "2 of control, 2 of treated" in text


def test_abundance_between_donors_says_so(analysed, tmp_path):
    history = json.loads(analysed.uns["kompot_da"]["run_history"])
    history[0] |= {"inference_level": "donor"}
    analysed.uns["kompot_da"]["run_history"] = json.dumps(history)
    text = kompot.report(analysed, tmp_path / "both.html", n_genes=0).read_text(encoding="utf-8")
    assert "Donor level. </strong>Significance of abundance compares" in text
    assert "Cell level. </strong>Significance of genes describes" in text
    del analysed.uns["kompot_de"]
    text = kompot.report(analysed, tmp_path / "da.html").read_text(encoding="utf-8")
    assert "Donor level." in text
    assert "Cell level." not in text


def test_genes_are_those_of_the_run(analysed, tmp_path):
    for genes in (analysed.var_names[:12], analysed.var_names[12:24]):
        kompot.compute_differential_expression(
            *(analysed, "condition", "control", "treated"),
            genes=list(genes),
            null_genes=30,
            result_key="chosen",
            layers="none",
            overwrite=True,
            progress=False,
        )
    assert analysed.var["chosen_control_to_treated_is_de"].notna().sum() >= 24
    text = kompot.report(analysed, tmp_path / "r.html", n_genes=0).read_text(encoding="utf-8")
    data = next(inner for one, inner in Outline(text).of("script") if one.get("id"))
    assert set(json.loads(data)["genes"]) == set(analysed.var_names[12:24])
    assert "of 12 genes called" in text
    assert "of 12 genes are called" in text


def test_data_and_matplotlib_are_not_changed(analysed, tmp_path):
    obs, var, keys = analysed.obs.copy(), analysed.var.copy(), set(analysed.layers)
    with plt.style.context("dark_background"):
        first = kompot.report(analysed, tmp_path / "a.html", n_genes=1)
        assert plt.rcParams["figure.facecolor"] == "black"
    second = kompot.report(analysed, tmp_path / "b.html", n_genes=1)
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(analysed.obs, obs)
    pd.testing.assert_frame_equal(analysed.var, var)
    assert set(analysed.layers) == keys
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"path": "report.pdf"}, ValueError, "html"),
        ({"path": "nowhere/report.html"}, ValueError, "nowhere"),
        ({"n_genes": -1}, ValueError, "n_genes"),
        ({"n_genes": 1.5}, TypeError, "n_genes"),
        ({"basis": "X_umap"}, ValueError, "X_umap"),
        ({"groupby": "nothing"}, ValueError, "nothing"),
        ({"de_run": 5}, ValueError, "No DE run found with run_id=5"),
    ],
)
def test_what_cannot_be_used_is_refused(analysed, tmp_path, monkeypatch, arguments, error, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=text):
        kompot.report(analysed, **{"path": "report.html", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_data_without_runs_are_refused(adata, tmp_path):
    with pytest.raises(ValueError, match="no recorded run"):
        kompot.report(adata, tmp_path / "r.html")


def test_numbers_for_people():
    texts = [number(value) for value in (True, 0, 1234567, 0.12345, 1e-20, None, float("nan"))]
    assert texts == ["yes", "0", "1,234,567", "0.123", "1e-20", "–", "–"]
    assert number(0.5, "+.2f") == "+0.50"


def test_import_costs_nothing():
    code = (
        "import sys, kompot; kompot.report; "
        "print([name for name in ('matplotlib', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
