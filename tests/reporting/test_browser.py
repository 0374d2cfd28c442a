"""The page in headless Chromium; skipped where there is no browser."""

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

import kompot

playwright = pytest.importorskip("playwright.sync_api")

KEY = "kompot_de_control_to_treated"
NASTY = "</script><script>window.broken=1</script><img src=x onerror=window.broken=2>"
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def written(_analysed, record_tables, tmp_path_factory):
    """A page whose names are hostile, with results of groups."""
    adata = _analysed.copy()
    names = list(adata.var_names)
    order = np.argsort(-adata.var[f"{KEY}_mahalanobis"].to_numpy(), kind="stable")
    for place, name in zip(order, (NASTY, "=1+1", 'a,"b"'), strict=False):
        names[place] = name
    adata.var_names = names
    adata.obs["branch"] = adata.obs["branch"].cat.rename_categories({"root": NASTY})
    rng = np.random.default_rng(0)
    groups = ["branch_1", NASTY]
    for part, values in (
        ("mean_lfc", rng.normal(size=(60, 2))),
        ("mahalanobis", rng.gamma(2, 1, (60, 2))),
        ("is_de", rng.random((60, 2)) < 0.3),
    ):
        adata.varm[f"{KEY}_{part}_groups"] = pd.DataFrame(values, adata.var_names, groups)
    record_tables(adata, ("mean_lfc", "mahalanobis", "is_de"))
    path = tmp_path_factory.mktemp("browser") / "report.html"
    kompot.report(adata, path, n_genes=1, title=NASTY)
    return adata, path


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def opened(browser, written, request):
    """The page, opened; afterwards nothing went wrong and nothing was fetched."""
    adata, path = written
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda one: requests.append(one.url))
    page.goto(path.as_uri())
    yield adata, page
    assert problems == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.evaluate("window.broken") is None
    page.close()


def cells(page, column):
    return page.locator(f"#gene-table tbody tr > :nth-child({column})").all_inner_texts()


def test_page_fits_and_images_are_there(opened):
    _, page = opened
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert page.title() == NASTY
    assert page.locator("#gene-table tbody tr").count() == 25
    assert page.locator("#gene-count").inner_text() == "1–25 of 60 genes"


def test_sorting_by_any_column_both_ways(opened):
    adata, page = opened
    page.get_by_role("button", name="distance").click()
    expected = adata.var[f"{KEY}_mahalanobis"].sort_values(ascending=False)
    assert cells(page, 1) == list(expected.index[:25])
    page.get_by_role("button", name="distance").press("Enter")
    assert cells(page, 1) == list(expected.index[::-1][:25])
    head = page.locator("#gene-table thead th", has_text="distance")
    assert head.get_attribute("aria-sort") == "ascending"
    assert page.evaluate("document.activeElement.dataset.key") == "mahalanobis"
    page.get_by_role("button", name="gene", exact=True).click()
    assert {NASTY, "=1+1", 'a,"b"'} == set(cells(page, 1)[:3])
    page.get_by_role("button", name="gene", exact=False).first.click()
    assert cells(page, 1)[0] == max(name for name in adata.var_names if name.startswith("gene"))


def test_searching_paging_and_called_genes(opened):
    adata, page = opened
    page.get_by_label("Search genes").fill("GENE_001 gene_0020")
    found = [name for name in adata.var_names if "gene_001" in name or "gene_0020" in name]
    assert sorted(cells(page, 1)) == sorted(found)
    page.get_by_label("Search genes").fill("<img src=x")
    assert cells(page, 1) == [NASTY]
    page.get_by_label("Search genes").fill("TP53")
    assert page.locator("#gene-count").inner_text() == "0–0 of 0 genes (60 in all)"
    page.get_by_label("Search genes").fill("")
    page.get_by_label("called only").check()
    called = int(adata.var[f"{KEY}_is_de"].sum())
    assert page.locator("#gene-count").inner_text().endswith(f"of {called} genes (60 in all)")
    page.get_by_label("called only").uncheck()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()
    assert page.locator("#gene-count").inner_text() == "51–60 of 60 genes"
    assert page.get_by_role("button", name="Next").is_disabled()


def test_results_of_a_group(opened):
    adata, page = opened
    page.get_by_label("Results of").select_option(label=NASTY)
    expected = adata.varm[f"{KEY}_mahalanobis_groups"][NASTY].sort_values(ascending=False)
    assert cells(page, 1) == list(expected.index[:25])
    heads = page.locator("#gene-table thead th").all_inner_texts()
    assert heads == ["gene", "mean log fold change", "called", "distance ▼"]


def test_download_is_the_table(opened):
    adata, page = opened
    page.get_by_label("Search genes").fill("gene_ = a,")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "genes.csv"
    text = waiting.value.path().read_text(encoding="utf-8")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0][:4] == ["gene", "mean log fold change", "called", "distance"]
    assert "branch_1: distance" in rows[0]
    # A spreadsheet would take the name for a formula.
    known = {row[0].removeprefix("'"): row for row in rows[1:]}
    assert set(known) == set(adata.var_names)
    assert "'=1+1" in {row[0] for row in rows}
    for gene in adata.var_names[::7]:
        assert float(known[gene][1]) == pytest.approx(
            adata.var.loc[gene, f"{KEY}_mean_lfc"], rel=1e-4
        )


def test_volcano_tells_names_and_finds_genes(opened):
    adata, page = opened
    canvas = page.locator("#volcano")
    assert canvas.is_visible()
    assert not page.locator("#volcano-static").is_visible()
    drawn = "(c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size)"
    assert page.evaluate(f"{drawn}(document.getElementById('volcano'))") > 10
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    lfc, distance = (adata.var[f"{KEY}_{name}"] for name in ("mean_lfc", "mahalanobis"))
    best = int(np.argmax(distance))
    reach, top = lfc.abs().max() * 1.08, distance.max() * 1.08
    left, right, upper, lower = 52, box["width"] - 12, 12, box["height"] - 42
    x = left + (lfc.iloc[best] + reach) / (2 * reach) * (right - left)
    y = lower - distance.iloc[best] / top * (lower - upper)
    page.mouse.move(box["x"] + x, box["y"] + y)
    assert page.locator("#volcano-tip").inner_text().startswith(adata.var_names[best][:20])
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert page.get_by_label("Search genes").input_value() == adata.var_names[best]


def test_code_can_be_copied(opened):
    _, page = opened
    page.locator("button.copy").first.click()
    assert page.locator("button.copy").first.inner_text() != "Copy"
    selected = page.evaluate("window.getSelection().toString()")
    assert selected.startswith("kompot.compute_differential_expression(")


def test_first_rows_can_be_read_without_scripts(browser, written):
    _, path = written
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#gene-table tbody tr").count() == 25
    assert page.locator("#volcano-static img").is_visible()
    assert not page.get_by_text("Download CSV").is_visible()
    context.close()


def test_large_table_opens_fast(browser, tmp_path):
    rng = np.random.default_rng(0)
    from anndata import AnnData
    from scipy import sparse

    n_genes, groups = 20_000, [f"group {number}" for number in range(10)]
    index = [f"gene_{number}" for number in range(n_genes)]
    stem = "kompot_de_a_to_b_"
    adata = AnnData(
        sparse.csr_array((100, n_genes)),
        obs=pd.DataFrame({"c": ["a", "b"] * 50}, index=[f"cell_{k}" for k in range(100)]),
        var=pd.DataFrame(
            {
                stem + "mean_lfc": rng.normal(size=n_genes),
                stem + "mahalanobis": rng.gamma(2, 1, n_genes),
            },
            index=index,
        ),
        varm={
            f"{stem}{name}_groups": pd.DataFrame(rng.random((n_genes, 10)), index, groups)
            for name in ("mean_lfc", "mahalanobis", "mahalanobis_local_fdr")
        },
        obsm={"X_umap": rng.normal(size=(100, 2))},
    )
    record = {
        "lfc_key": stem + "mean_lfc",
        "mahalanobis_key": stem + "mahalanobis",
        "params": {"groupby": "c", "condition1": "a", "condition2": "b"},
    }
    adata.uns["kompot_de"] = {"run_history": json.dumps([record])}
    path = kompot.report(adata, tmp_path / "large.html", n_genes=0)
    assert path.stat().st_size < 15e6
    page = browser.new_page()
    page.goto(path.as_uri())
    seconds = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    assert seconds < 3
    assert page.locator("#gene-count").inner_text() == "1–25 of 20000 genes"
    page.close()
