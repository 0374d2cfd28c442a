from kompot.anndata import compute_differential_expression


def test_page_from_the_shell(shell, cells, tmp_path):
    adata = cells.copy()
    compute_differential_expression(
        adata, "condition", "control", "treated", null_genes=30, random_state=0, progress=False
    )
    adata.write_h5ad(tmp_path / "result.h5ad")
    page = tmp_path / "page.html"
    options = ["--n-genes", 1, "--title", "A & B", "--groupby", "branch"]
    code, out, err = shell("report", tmp_path / "result.h5ad", "-o", page, *options)
    assert (code, out) == (0, "")
    assert err == f"kompot: wrote {page}\n"
    text = page.read_text(encoding="utf-8")
    assert "<h1>A &amp; B</h1>" in text
    assert "Groups of cells" in text


def test_mistakes_of_the_command(shell, cells_file, tmp_path):
    code, _, err = shell("report", cells_file, "-o", tmp_path / "page.html")
    assert code == 1
    assert "no recorded run" in err
    code, _, err = shell("report", cells_file, "-o", tmp_path / "page.txt")
    assert code == 1
    assert "must end in .html" in err
    code, _, err = shell("report", cells_file)
    assert code == 2
    assert "--output" in err


def test_help_lists_the_options(shell):
    code, out, _ = shell("report", "--help")
    assert code == 0
    for option in ("--output", "--groupby", "--basis", "--n-genes", "--title", "--de-run"):
        assert option in out
