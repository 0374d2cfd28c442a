"""No code from data, no shell, private temporary files, no names of hosts or users in results."""

import ast
import os
import pickle
import platform
import socket
import stat
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import kompot
from kompot.cli import main
from kompot.cli.files import replaced

SOURCES = sorted(Path(kompot.__file__).parent.rglob("*.py"))
NEVER_IMPORTED = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "subprocess"),
    *("socket", "getpass", "pty", "urllib", "http", "requests", "ftplib", "smtplib", "xmlrpc"),
}
NEVER_CALLED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.spawnv"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "tempfile.mktemp", "os.getlogin"),
    *("platform.node", "os.uname", "pd.read_pickle", "np.save", "pd.eval"),
}


def named(node):
    """Dotted name of what is called."""
    if isinstance(node, ast.Attribute):
        return f"{named(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def faults(tree):
    """What a module does that none of ours may."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in NEVER_IMPORTED)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in NEVER_IMPORTED:
            yield node.module
        if not isinstance(node, ast.Call):
            continue
        name = named(node.func)
        given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
        if name in NEVER_CALLED or name.endswith((".to_pickle", ".eval")):
            yield name
        if given.get("shell") or given.get("allow_pickle"):
            yield f"{name} with shell or pickle"
        if name in ("np.load", "numpy.load", "np.savez") and given.get("allow_pickle") is not False:
            yield f"{name} without allow_pickle=False"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_code_is_made_of_data(path):
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from subprocess import run",
        "eval('1')",
        "os.system('ls')",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "run(x, shell=True)",
        "frame.eval(text)",
    ],
)
def test_the_check_sees_what_it_looks_for(code):
    assert list(faults(ast.parse(code)))


def test_a_pickle_in_place_of_a_model_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "harmed",))

    path = tmp_path / "model.npz"
    path.write_bytes(pickle.dumps(Harm()))
    with pytest.raises(ValueError, match="no model"):
        kompot.load_model(path)
    np.savez(path, header=np.array([Harm()], dtype=object))
    with pytest.raises(ValueError, match="no model"):
        kompot.load_model(path)
    assert not (tmp_path / "harmed").exists()


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_unfinished_files_are_private(tmp_path, monkeypatch, sound_data):
    with replaced(tmp_path / "out.h5ad") as written:
        assert mode(written.parent) == 0o700
        written.touch()
    modes, replace = [], os.replace

    def moved(source, target):
        modes.append((mode(source.parent), mode(target.parent) != 0o700))
        replace(source, target)

    tmp_path.chmod(0o755)
    monkeypatch.setattr(os, "replace", moved)
    adata = sound_data()
    kompot.compute_differential_abundance(adata, "condition", "a", "b", progress=False)
    model = kompot.FunctionEstimator().fit(adata.obsm["DM_EigenVectors"], adata.X)
    kompot.save_model(model, tmp_path / "model.npz")
    kompot.report(adata, tmp_path / "page.html")
    assert modes


def texts(value):
    """All texts in a record."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts(one)]
    if isinstance(value, list | tuple | np.ndarray):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


def test_records_name_no_host_and_no_user(tmp_path, monkeypatch, sound_data):
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "a-certain-user")
    host = "a-certain-host"
    monkeypatch.setattr(socket, "gethostname", lambda: host)
    monkeypatch.setattr(platform, "node", lambda: host)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", host, "1", "1", "x86_64")))
    home = tmp_path / "a-certain-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    adata = sound_data()
    pair = ("condition", "a", "b")
    kompot.compute_differential_expression(adata, *pair, null_genes=4, progress=False)
    kompot.compute_differential_abundance(adata, *pair, progress=False)
    kompot.compute_smoothed_expression(adata, progress=False)
    page = kompot.report(adata, tmp_path / "page.html").read_text(encoding="utf-8")
    model = kompot.FunctionEstimator().fit(adata.obsm["DM_EigenVectors"], adata.X)
    kompot.save_model(model, tmp_path / "model.npz")
    stored = "\n".join(texts(dict(adata.uns)))
    for secret in ("a-certain-user", host, str(home), str(Path.cwd())):
        assert secret not in stored
        assert secret not in page
        assert secret.encode() not in (tmp_path / "model.npz").read_bytes()


class Scripts(HTMLParser):
    """Tags and attributes that names could have made."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag == "harm" or any(name == "onharm" for name, _ in attributes):
            self.found.append(tag)


def test_names_are_text_in_pages(tmp_path, sound_data):
    adata = sound_data()
    harm = '"><harm onharm="1">&amp;</script><harm>'
    adata.obs["condition"] = adata.obs["condition"].cat.rename_categories({"a": f"a{harm}"})
    adata.obs["type"] = adata.obs["type"].cat.rename_categories({"T": f"T{harm}"})
    adata.var_names = [f"{name}{harm}" for name in adata.var_names]
    pair = ("condition", f"a{harm}", "b")
    kompot.compute_differential_expression(
        adata, *pair, null_genes=4, groups="type", min_cells=1, progress=False
    )
    kompot.compute_differential_abundance(adata, *pair, progress=False)
    page = kompot.report(adata, tmp_path / "page.html", title=harm).read_text(encoding="utf-8")
    run = kompot.RunInfo(adata, analysis_type="de")
    for text in (page, run._repr_html_()):
        parser = Scripts()
        parser.feed(text)
        assert parser.found == []
    assert "&lt;harm" in page


def test_paths_are_taken_as_given(tmp_path, monkeypatch, sound_data, capsys):
    """Nothing in a file name is expanded or run."""
    monkeypatch.chdir(tmp_path)
    name = "$(touch harmed) ; ~ *.h5ad"
    adata = sound_data()
    del adata.obsm["DM_EigenVectors"]
    adata.write_h5ad(name)
    with pytest.raises(SystemExit) as ended:
        main(["dm", name, "-o", name, "--knn", "5", "--n-components", "2", "-q"])
    capsys.readouterr()
    assert ended.value.code == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
