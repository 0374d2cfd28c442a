import json

import pytest

CONDITIONS = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]


@pytest.mark.parametrize("analysis", ["de", "da"])
def test_the_report_is_printed_and_nothing_is_written(shell, cells_file, tmp_path, analysis):
    before = cells_file.read_bytes()
    target = tmp_path / "out.h5ad"
    code, out, err = shell(analysis, cells_file, "-o", target, *CONDITIONS, "--dry-run")
    assert code == 0, err
    assert out.splitlines()[1] == "RESOURCE USAGE PLAN"
    assert out.splitlines()[-2] == "STATUS: FEASIBLE"
    assert f"kompot_{analysis}_control_to_treated_" in out
    assert not target.exists()
    assert cells_file.read_bytes() == before


@pytest.mark.parametrize("analysis", ["de", "da"])
def test_the_plan_comes_as_json(shell, cells_file, analysis):
    code, out, err = shell(analysis, cells_file, *CONDITIONS, "--dry-run", "--json", "-q")
    assert (code, err) == (0, "")
    plan = json.loads(out)
    assert plan["feasible"]
    assert plan["memory"]["total_bytes"] > 0


def test_a_table_alone_needs_no_layers(shell, cells_file, tmp_path):
    dense, table = (
        json.loads(shell("de", cells_file, *CONDITIONS, "--dry-run", "--json", *more)[1])
        for more in ([], ["-t", tmp_path / "genes.csv"])
    )
    assert len(dense["output_fields"]["adata.layers"]) == 3
    assert "adata.layers" not in table["output_fields"]


def test_what_is_not_feasible_ends_with_1(shell, cells_file):
    small = ["--max-memory-ratio", "1e-9"]
    code, out, err = shell("de", cells_file, *CONDITIONS, "--dry-run", *small)
    assert code == 1
    assert "STATUS: NOT FEASIBLE" in out
    assert "Insufficient memory" in out
    assert err == ""


def test_mistakes_are_those_of_a_run(shell, cells_file):
    code, out, err = shell("de", cells_file, *CONDITIONS[:-1], "nobody", "--dry-run")
    assert (code, out) == (1, "")
    assert "Condition 'nobody' not found" in err


def test_json_without_a_dry_run_is_refused(shell, cells_file, tmp_path):
    target = tmp_path / "out.h5ad"
    code, _, err = shell("de", cells_file, "-o", target, *CONDITIONS, "--json")
    assert code != 0
    assert "--json prints the plan of a --dry-run" in err
    assert not target.exists()


@pytest.mark.parametrize("analysis", ["de", "da"])
def test_plan_is_the_dry_run(shell, cells_file, analysis):
    planned = shell("plan", analysis, cells_file, *CONDITIONS, "--json", "-q")
    dry = shell(analysis, cells_file, *CONDITIONS, "--dry-run", "--json", "-q")
    assert planned[0] == dry[0] == 0
    one, other = (json.loads(run[1]) for run in (planned, dry))
    assert one["output_fields"] == other["output_fields"]


def test_plan_ends_as_the_dry_run_does(shell, cells_file):
    small = ("--max-memory-ratio", "1e-9")
    code, out, _ = shell("plan", "de", cells_file, *CONDITIONS, *small)
    assert code == 1
    assert "Insufficient memory" in out
    assert shell("plan", "dm", cells_file)[0] == 2
    assert "No such option" in shell("plan", "de", cells_file, "--no-such")[2]
