import json

import pandas as pd
import pytest

from kompot.cli.differential_expression import command
from kompot.cli.files import read_data

CONDITIONS = "groupby: condition\ncondition1: control\ncondition2: treated\n"


@pytest.fixture
def config(tmp_path):
    """Write a configuration; a mapping becomes JSON."""

    def write(content, name="config.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def parsed(config, cells_file):
    """What the options make of a configuration, without running it."""

    def parse(content, *args):
        path = config(CONDITIONS + content)
        context = command.make_context("de", [str(cells_file), "-c", str(path), *args])
        return context.params

    return parse


def test_run_with_a_configuration_alone(shell, config, cells_file, tmp_path):
    path = config(
        CONDITIONS
        + f"input: {cells_file}\noutput: {tmp_path}/out.h5ad\ntable_output: {tmp_path}/t.csv\n"
        "null_genes: 50\nprogress: false\ngenes: [gene_0001, gene_0002]\nrandom_state: 0\n"
    )
    code, _, err = shell("de", "-c", path)
    assert code == 0, err
    assert len(pd.read_csv(tmp_path / "t.csv")) == 2
    assert "kompot_de" in read_data(tmp_path / "out.h5ad").uns


def test_json_says_the_same(shell, config, cells_file, tmp_path):
    options = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
    path = config(options | {"table_output": str(tmp_path / "t.csv")}, "c.json")
    assert shell("da", cells_file, "-c", path, "-q") == (0, "", "")
    assert len(pd.read_csv(tmp_path / "t.csv")) == 150


def test_diffusion_maps_take_one_too(shell, config, cells_file, tmp_path):
    path = config("pca_key: DM_EigenVectors\nknn: 12\noverwrite: true\n")
    code, out, err = shell("dm", cells_file, "-o", tmp_path / "out.h5ad", "-c", path)
    assert code == 0, err
    assert "150 x 10" in out


def test_command_line_wins(parsed):
    assert parsed("sigma: 2.0\n")["sigma"] == 2.0
    assert parsed("sigma: 2.0\n", "--sigma", "3")["sigma"] == 3.0
    assert parsed("progress: false\n", "--progress")["progress"] is True


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [
        ("n_landmarks: 70", "n_landmarks", 70),
        ("n_landmarks: null", "n_landmarks", None),
        ("n_landmarks: 70.0", "n_landmarks", 70),
        ("ls: null", "ls", None),
        ("eps: 1e-8", "eps", 1e-8),
        ("sigma: 2", "sigma", 2),
        ("null_genes: [3, 1]", "null_genes", [3, 1]),
        ("genes: ISG15", "genes", ["ISG15"]),
        ("genes: [ISG15, IFI6]", "genes", ["ISG15", "IFI6"]),
        ("cell_filter: {phase: [S]}", "cell_filter", {"phase": ["S"]}),
        ("overwrite: true", "overwrite", True),
        ("overwrite: null", "overwrite", None),
        ("layer: 3", "layer", "3"),
        ("threads: 2", "threads", 2),
    ],
)
def test_values_are_those_of_python(parsed, content, name, value):
    found = parsed(content + "\n")[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("n_landmark: 5", "Did you mean 'n_landmarks'?"),
        ("xyzzy: 5", "'xyzzy' is no option of 'kompot de'"),
        ("config: other.yaml", "'config' is no option"),
        ("adata: 1", "'adata' is no option"),
        ("n_landmarks: many", "'many' is no INTEGER"),
        ("n_landmarks: 2.5", "'n_landmarks' must be INTEGER, got 2.5"),
        ("sigma: true", "'sigma' must be NUMBER, got True"),
        ("sigma: null", "'sigma' cannot be null"),
        ("progress: 3", "'progress' must be true or false, got 3"),
        ("layer: yes", "put texts such as yes, no, on and dates in quotes"),
        ("layer: 2020-01-01", "in quotes"),
        ("threads: some", "'threads' must be a whole number"),
        ("output: 3", "'output' must be a path"),
        ("sigma: [1, 2]", "'sigma' must be NUMBER"),
        ("- a\n- b", "must hold lines 'name: value', got a list"),
        ("a: [", "cannot be read"),
    ],
)
def test_mistakes_are_usage_errors(shell, config, cells_file, tmp_path, content, text):
    conditions = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]
    path = config(content + "\n")
    code, out, err = shell("de", cells_file, "-t", tmp_path / "t.csv", *conditions, "-c", path)
    assert (code, out) == (2, "")
    assert text in " ".join(err.split())


def test_broken_json_and_other_kinds_of_file(shell, config):
    for name, text in (("c.json", "cannot be read"), ("c.toml", "must end in .yaml, .yml or")):
        code, _, err = shell("de", "-c", config("{", name))
        assert code == 2
        assert text in " ".join(err.split())


def test_absent_configuration(shell, tmp_path):
    code, _, err = shell("de", "-c", tmp_path / "no.yaml")
    assert code == 2
    assert "does not exist" in err


def test_empty_configuration_changes_nothing(shell, config):
    code, _, err = shell("de", "-c", config(""))
    assert code == 2
    assert "Missing argument 'INPUT'" in err
