"""The commands one after the other in a shell, and each of them interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import kompot
from kompot.anndata import compute_differential_expression
from kompot.cli.files import read_data

PIPELINE = """
set -euo pipefail
kompot() { "$PYTHON" -m kompot.cli "$@"; }
compared=(--groupby condition --condition1 ctrl --condition2 stim)
kompot dm cells.h5ad -o result.h5ad --overwrite
kompot de result.h5ad -o result.h5ad -t genes.csv "${compared[@]}" --sample-col donor --no-progress
kompot da result.h5ad -o result.h5ad -t cells.csv "${compared[@]}" --groups cell_type --no-progress
kompot report result.h5ad -o report.html
kompot runs result.h5ad
"""


def environment(**more):
    """Nothing of the environment but what it takes to run this Python and this kompot."""
    found = str(Path(kompot.__file__).parents[1])
    needed = {"PATH": os.environ["PATH"], "PYTHONPATH": found, "PYTHON": sys.executable}
    return {**needed, "OMP_NUM_THREADS": "1", **more}


def test_pipeline_of_real_data_in_a_shell(kang, tmp_path):
    rng = np.random.default_rng(0)
    known = ["ISG15", "IFI6", "IFIT3", "LY6E", "MX1"]
    others = rng.choice(kang.var_names.difference(known), 120, replace=False)
    cells = np.sort(rng.choice(kang.n_obs, 600, replace=False))
    small = kang[cells, [*known, *others]].copy()
    del small.obsm["DM_EigenVectors"]
    small.write_h5ad(tmp_path / "cells.h5ad")
    done = subprocess.run(
        ["bash", "-c", PIPELINE],
        cwd=tmp_path,
        env=environment(HOME=str(tmp_path), MPLCONFIGDIR=mpl.get_cachedir()),  # known fonts
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "genes.csv").read_text().splitlines()
    assert len(lines) == 1 + small.n_vars
    leading = [line.partition(",")[0] for line in lines[1:6]]
    assert set(leading) <= {*known, "PLSCR1"}  # one of the others, which answers as well
    assert len((tmp_path / "cells.csv").read_text().splitlines()) == 1 + small.n_obs
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "ISG15" in page
    assert page.rstrip().endswith("</html>")
    assert [line[:4] for line in done.stdout.splitlines()[-6:] if line[:2] in {"de", "da"}] == [
        "de 0",
        "da 0",
    ]
    made = {"cells.h5ad", "result.h5ad", "genes.csv", "cells.csv", "report.html"}
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert left - {"__pycache__"} == made


# Every writer writes a part, says so and waits: the process is interrupted in the middle.
INTERRUPTED = """
import os, pathlib, signal, sys, time
import anndata, pandas
import kompot.anndata.stored_data
from kompot.cli import main

def wait():
    os.write(1, b"begun\\n")
    for _ in range(600):  # in pieces: a signal just before one sleep does not end it
        time.sleep(0.1)

def write(self, path, *args, **kwargs):
    with open(path, "w") as file:
        file.write("half")
    wait()

def write_half(path, text, *args, **kwargs):
    path.write_bytes(text[: len(text) // 2].encode())
    wait()

def copy_half(element, group, key):
    wait()

anndata.AnnData.write_h5ad = pandas.DataFrame.to_csv = write
kompot.anndata.stored_data._copy = copy_half
pathlib.Path.write_text = write_half
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs in the background
main(sys.argv[1:])
"""
COMPARED = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]
COMMANDS = {
    "dm": ["dm", "in.h5ad", "-o", "out.h5ad", "--overwrite"],
    "de": ["de", "in.h5ad", "-o", "out.h5ad", *COMPARED, "--null-genes", "0"],
    "de, table": ["de", "in.h5ad", "-t", "out.csv", *COMPARED, "--null-genes", "0"],
    "da": ["da", "in.h5ad", "-o", "out.h5ad", *COMPARED],
    "smooth": ["smooth", "in.h5ad", "-o", "out.h5ad"],
    "report": ["report", "in.h5ad", "-o", "out.html", "--n-genes", "0"],
    "cleanup": ["cleanup", "in.h5ad", "-o", "out.h5ad"],
    "demo": ["demo", "-o", ".", "--n-cells", "200", "--n-genes", "40", "--n-donors", "2"],
}


@pytest.fixture(scope="module")
def analysed(cells):
    adata = cells.copy()
    adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(adata.n_obs, 5))
    options = {"null_genes": 0, "random_state": 0, "progress": False}
    compute_differential_expression(adata, "condition", "control", "treated", **options)
    return adata


@pytest.mark.parametrize("name", COMMANDS)
def test_ctrl_c_leaves_every_file_as_it_was(analysed, tmp_path, name):
    args = COMMANDS[name]
    analysed.copy().write_h5ad(tmp_path / "in.h5ad")
    before = read_data(tmp_path / "in.h5ad")
    output = tmp_path / (args[args.index("-o" if "-o" in args else "-t") + 1])
    if output.suffix:
        output.write_text("precious")
    there = sorted(path.name for path in tmp_path.iterdir())
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", INTERRUPTED, "-q", *args],
        cwd=tmp_path,
        env=environment(HOME=str(Path.home())),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "begun\n", process.stderr.read()
            os.kill(process.pid, signal.SIGINT)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, err
    assert err.endswith("kompot: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == there
    if output.suffix:
        assert output.read_text() == "precious"
    assert list(read_data(tmp_path / "in.h5ad").var) == list(before.var)
