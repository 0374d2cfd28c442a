import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import anndata
import pytest

import kompot

SOURCE = Path(kompot.__file__).parent


def test_subpackage_does_not_shadow_the_library():
    assert kompot.anndata is not anndata
    assert kompot.anndata.__name__ == "kompot.anndata"
    assert not anndata.AnnData.__module__.startswith("kompot")


@pytest.mark.parametrize("name", kompot.__all__)
def test_public_names_exist(name):
    value = getattr(kompot, name)
    assert inspect.ismodule(value) or value.__doc__
    assert name in dir(kompot)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'kompot' has no attribute 'nothing'"):
        kompot.nothing  # noqa: B018


@pytest.mark.parametrize(
    "module", ["anndata", "pandas", "scipy", "sklearn", "matplotlib", "numpy", "click", "jax"]
)
def test_import_loads_nothing_heavy(module, tmp_path):
    code = f"import sys, kompot; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_analysis_does_not_load_plotting_or_learning_libraries(tmp_path):
    code = (
        "import sys, kompot; kompot.compute_differential_expression; "
        "sys.exit(any(m in sys.modules for m in ('matplotlib', 'sklearn', 'scipy.stats')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_no_module_has_the_name_of_a_function():
    for path in SOURCE.rglob("*.py"):
        name = ".".join(["kompot", *path.relative_to(SOURCE).with_suffix("").parts])
        parent = importlib.import_module(name.removesuffix(".__init__").rpartition(".")[0] or name)
        assert not inspect.isfunction(getattr(parent, path.stem, None)), path


def test_files_and_functions_are_small():
    import ast

    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body:
                assert body[-1].end_lineno - body[0].lineno < 60, (path, node.name)
