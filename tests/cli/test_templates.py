"""Configurations that come with the package."""

import inspect
from pathlib import Path

import pytest
import yaml

import kompot.cli
from kompot.anndata import (
    compute_differential_abundance,
    compute_differential_expression,
    diffusion_maps,
)
from kompot.cli.application import LazyGroup
from kompot.cli.differential_abundance import DENSITY_OPTIONS

TEMPLATES = Path(kompot.cli.__file__).parent / "templates"
FUNCTIONS = {
    "de": compute_differential_expression,
    "da": compute_differential_abundance,
    "dm": diffusion_maps,
}
NAMES = [f"{kind}_config_{size}.yaml" for kind in FUNCTIONS for size in ("minimal", "template")]


@pytest.mark.parametrize("name", NAMES)
def test_template_is_accepted_as_it_is(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.h5ad").touch()
    command = LazyGroup("kompot").get_command(None, name[:2])
    context = command.make_context(name[:2], ["-c", str(TEMPLATES / name)])
    values = yaml.safe_load((TEMPLATES / name).read_text())
    for key, value in values.items():
        if key not in ("input", "output"):
            assert context.params[key] == value, key


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_template_lists_every_option_with_its_default(kind):
    text = (TEMPLATES / f"{kind}_config_template.yaml").read_text()
    values = yaml.safe_load(text)
    for name, parameter in inspect.signature(FUNCTIONS[kind]).parameters.items():
        if name in values and parameter.default is not parameter.empty:
            assert values[name] == parameter.default, name
        elif parameter.default is parameter.empty and not name.endswith(("adata", "kwargs")):
            assert name in values
    if kind == "da":
        for option in DENSITY_OPTIONS:
            assert values.get(option.name) == option.default
            assert f"{option.name}:" in text
    command = LazyGroup("kompot").get_command(None, kind)
    missing = [
        option.name
        for option in command.params
        if not getattr(option, "hidden", False)
        and option.name in inspect.signature(FUNCTIONS[kind]).parameters
        and f"\n{option.name}:" not in text
        and f"\n# {option.name}:\n" not in text
    ]
    assert not missing
