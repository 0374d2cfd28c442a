"""Write the configuration templates of the package anew: ``python tests/cli/make_templates.py``.

Needed when an argument of an analysis is added, renamed, or has another default or description.
"""

import inspect
import textwrap
from pathlib import Path

import yaml

import kompot.cli
from kompot.anndata import (
    compute_differential_abundance,
    compute_differential_expression,
    diffusion_maps,
)
from kompot.cli.analysis import LEFT_OUT
from kompot.cli.differential_abundance import DENSITY_OPTIONS
from kompot.cli.differential_expression import NO_OPTIONS
from kompot.cli.numpydoc import parameter_texts

COMPARED = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
COMMANDS = {
    "de": (compute_differential_expression, NO_OPTIONS, COMPARED),
    "da": (compute_differential_abundance, LEFT_OUT, COMPARED),
    "dm": (diffusion_maps, ("adata", "copy"), {}),
}
FILES = "input: cells.h5ad\noutput: result.h5ad\n"


def value_text(value):
    """A value as YAML; small numbers so that they stay numbers."""
    if isinstance(value, float):
        return f"{value:.1e}" if "e" in repr(value) else repr(value)
    return yaml.safe_dump(value).splitlines()[0]


def option_lines(function, left_out, required):
    """A comment and a line for each option; one whose default is None is commented out."""
    texts = parameter_texts(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if name in left_out or parameter.kind is parameter.VAR_KEYWORD:
            continue
        yield option_line(name, texts[name], required.get(name, parameter.default))
    if function is compute_differential_abundance:
        yield from (option_line(one.name, one.help, one.default) for one in DENSITY_OPTIONS)


def option_line(name, text, value):
    comment = "\n".join(f"# {line}" for line in textwrap.wrap(text, 92))
    line = f"# {name}:" if value is None else f"{name}: {value_text(value)}"
    return f"\n{comment}\n{line}\n"


def main():
    place = Path(kompot.cli.__file__).parent / "templates"
    for name, (function, left_out, required) in COMMANDS.items():
        head = (
            f"# Options of 'kompot {name}', used with -c/--config. "
            "What is given on the command line wins.\n"
        )
        minimal = head + FILES + "".join(f"{k}: {v}\n" for k, v in required.items())
        (place / f"{name}_config_minimal.yaml").write_text(minimal)
        hint = "# Every option with its default; leave out what you do not change.\n"
        lines = "".join(option_lines(function, left_out, required))
        (place / f"{name}_config_template.yaml").write_text(head + hint + FILES + lines)


if __name__ == "__main__":
    main()
