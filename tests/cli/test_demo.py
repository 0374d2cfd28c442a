import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
import pytest

from kompot.cli.application import LazyGroup
from kompot.cli.demo import command, run_demo
from kompot.cli.demo_report import demo_report
from kompot.cli.files import read_data
from kompot.reporting.repetition import shell_call

NAMES = [
    "kompot_demo.h5ad",
    "kompot_demo_abundance.png",
    "kompot_demo_fold_change.png",
    "kompot_demo_volcano.png",
]
CALLED = "kompot_de_control_to_treated_is_de_sample_var"
DISTANCE = "kompot_de_control_to_treated_mahalanobis_sample_var"
PVALUE = "kompot_de_control_to_treated_donor_pvalue"


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(str(folder), n_cells=300, n_genes=80, n_donors=2, seed=5, progress=False)


def test_demo_end_to_end(shell, demonstration, tmp_path):
    folder = tmp_path / "new" / "demo"
    args = ["--n-cells", "300", "--n-genes", "80", "--n-donors", "2", "--seed", "5"]
    code, out, err = shell("demo", "-o", folder, *args, "--no-progress")
    first, *others = err.splitlines()
    assert (code, first) == (0, "kompot: simulating and analysing")
    assert all("3 or more donors per condition are recommended" in line for line in others)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    for name in NAMES:
        assert str(folder / name) in out
    assert max(len(line) for line in out.splitlines() if str(folder) not in line) <= 80
    for name in NAMES[1:]:
        assert matplotlib.image.imread(folder / name).shape[0] > 500
    assert plt.get_fignums() == []
    again = read_data(folder / NAMES[0]).var[DISTANCE]
    assert again.equals(demonstration.adata.var[DISTANCE])


def test_runs_of_the_demo_can_be_repeated_in_a_shell(demonstration, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.h5ad").touch()
    for kind in ("de", "da"):
        call = shell_call(demonstration.adata, 0, kind)
        words = shlex.split(call.replace("\\\n", " "), comments=True)[2:]
        LazyGroup("kompot").get_command(None, kind).make_context(kind, words)
    assert "--ls evidence" in call


def test_report_counts_what_is_in_the_file(demonstration):
    assert sorted(path.name for path in demonstration.files) == NAMES
    genes = read_data(demonstration.files[0]).var
    planted = genes["effect"] != "none"
    called = genes[CALLED]
    text = " ".join(demonstration.report.split())
    assert called.sum() > 1
    assert f"{called.sum()} genes were called" in text
    assert f"{(called & planted).sum()} of them planted" in text
    by_distance = genes.sort_values(DISTANCE, ascending=False)
    in_order = list(by_distance.sort_values(PVALUE, kind="stable").index)
    assert list(demonstration.table.index) == in_order
    assert re.findall(r"^ *(gene_\d+) ", demonstration.report, re.M) == in_order[:10]


@pytest.mark.parametrize("n_false", [0, 1, 4])
def test_report_says_how_many_called_genes_were_not_planted(demonstration, n_false):
    table = demonstration.table.copy()
    is_planted = table["effect"] != "none"
    table["is_de"] = is_planted
    table.loc[table.index[~is_planted][:n_false], "is_de"] = True
    report = demo_report(
        demonstration.adata,
        table,
        demonstration.abundance,
        table.index[0],
        demonstration.files,
        seconds=(1.0, 2.0),
    )
    text = " ".join(report.split())
    n_planted = is_planted.sum()
    assert f"{n_planted + n_false} genes were called" in text
    assert ("Not planted:" in text) == (n_false > 0)
    if n_false:
        assert f"Not planted: {n_false} of the {n_planted + n_false} called genes" in text


def test_report_tells_abundance_beside_its_truth(demonstration):
    cells = read_data(demonstration.files[0]).obs
    lfc = cells["kompot_da_control_to_treated_lfc"]
    truth = cells["true_log_abundance_ratio"]
    correlation = np.corrcoef(lfc, truth)[0, 1]
    text = " ".join(demonstration.report.split())
    assert f"{len(cells)} cells correlates {correlation:.2f} with the planted one" in text
    for branch in cells["branch"].cat.categories:
        assert re.search(rf"^ *{branch} ", demonstration.report, re.M)
    planted = demonstration.abundance.groups["true_lfc"]
    assert planted["branch_1"] == pytest.approx(truth[cells["branch"] == "branch_1"].mean())
    assert planted["branch_1"] > 0 > planted["branch_2"]


def test_options_have_the_defaults_of_the_function():
    defaults = {option.name: option.default for option in command.params}
    for name, parameter in inspect.signature(run_demo).parameters.items():
        assert defaults[name] == parameter.default


def test_impossible_data_are_refused(shell, tmp_path):
    code, out, err = shell("demo", "-o", tmp_path / "x", "--n-cells", "2")
    assert (code, out) == (1, "")
    assert "n_cells" in err
    assert not (tmp_path / "x").exists()


def test_donors_are_compared(shell, demonstration, tmp_path):
    data = read_data(demonstration.files[0])
    assert {"kompot_de_control_to_treated_donor_fdr"} <= set(data.var)
    assert {"kompot_da_control_to_treated_donor_direction"} <= set(data.obs)
    code, out, err = shell("demo", "-o", tmp_path / "x", "--n-donors", "1")
    assert (code, out) == (1, "")
    assert "`n_donors` must be at least 2" in err


def test_quiet_demo_prints_nothing(shell, demonstration, monkeypatch):
    seen = {}

    def run(**parameters):
        seen.update(parameters)
        return demonstration

    monkeypatch.setattr("kompot.cli.demo.run_demo", run)
    assert shell("demo", "-q") == (0, "", "")
    assert seen["progress"] is False
    assert shell("demo")[1] == f"{demonstration.report}\n"


def test_help_imports_no_analysis():
    code = "import sys, kompot.cli.demo; print({'anndata', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_nothing_is_written_if_a_figure_fails(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OSError("No space left on device")  # noqa: EM101

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="No space"):
        run_demo(str(tmp_path), n_cells=60, n_genes=20, n_donors=2, progress=False)
    assert list(Path(tmp_path).iterdir()) == []
