import inspect
from collections.abc import Sequence
from typing import Any

import click
import pytest

from kompot.anndata import compute_differential_expression
from kompot.cli.application import LazyGroup
from kompot.cli.differential_expression import NO_OPTIONS, command
from kompot.cli.numpydoc import parameter_texts
from kompot.cli.options import signature_options

PARAMETERS = {
    name: parameter
    for name, parameter in inspect.signature(compute_differential_expression).parameters.items()
    if parameter.kind is not parameter.VAR_KEYWORD
}
OF_THE_COMMAND = {
    *("input", "output", "table_output", "group_table", "config", "threads", "quiet", "verbose"),
    *("dry_run", "as_json"),
    "use_gpu",
}


def parsed(*args):
    """What the options make of a command line, without running it."""
    context = command.make_context("de", [str(arg) for arg in args])
    return context.params


@pytest.fixture
def required(cells_file):
    return [cells_file, "--groupby", "g", "--condition1", "a", "--condition2", "b"]


def test_every_parameter_is_an_option_or_left_out_on_purpose():
    options = {option.name for option in command.params} - OF_THE_COMMAND
    assert options | set(NO_OPTIONS) == set(PARAMETERS)
    assert not options & set(NO_OPTIONS)


def test_defaults_are_those_of_the_function(required):
    values = parsed(*required)
    for name in set(PARAMETERS) - set(NO_OPTIONS) - {"groupby", "condition1", "condition2"}:
        default = PARAMETERS[name].default
        assert values[name] == default, name
        assert type(values[name]) is type(default), name


def test_required_are_the_parameters_without_default():
    required = {option.name for option in command.params if option.required} - {"input"}
    without = {name for name, one in PARAMETERS.items() if one.default is one.empty}
    assert required == without - {"adata"}


def test_help_is_the_docstring():
    texts = parameter_texts(compute_differential_expression)
    for option in command.params:
        if option.name in PARAMETERS:
            assert texts[option.name]
            assert option.help.startswith(texts[option.name])


def test_all_parameters_are_listed():
    assert not any(option.hidden for option in command.params if option.name in PARAMETERS)


@pytest.mark.parametrize("name", ["de", "da", "smooth"])
def test_every_argument_of_an_analysis_stands_under_a_title(name):
    analysis = LazyGroup("kompot").get_command(None, name)
    listed = {one for names in analysis.sections.values() for one in names}
    shown = {one.name for one in analysis.params if not getattr(one, "hidden", False)}
    assert shown - listed <= OF_THE_COMMAND


@pytest.mark.parametrize(
    ("args", "name", "value"),
    [
        (["--n-landmarks", "70"], "n_landmarks", 70),
        (["--n-landmarks", "none"], "n_landmarks", None),
        (["--ls", "0.5"], "ls", 0.5),
        (["--ls", "evidence"], "ls", "evidence"),
        (["--null-genes", "30"], "null_genes", 30),
        (["--null-genes", "3,1,2"], "null_genes", [3, 1, 2]),
        (["--null-genes", "None"], "null_genes", None),
        (["--genes", "ISG15"], "genes", ["ISG15"]),
        (["--genes", "ISG15,IFI6"], "genes", ["ISG15", "IFI6"]),
        (["--layer", "counts"], "layer", "counts"),
        (["--sample-col", "none"], "sample_col", "none"),
        (["--layers", "none"], "layers", "none"),
        (["--layers", "factored"], "layers", "factored"),
        (["--disk-storage-dir", "/scratch"], "disk_storage_dir", "/scratch"),
        (["--store-arrays-on-disk"], "store_arrays_on_disk", True),
        (["--no-store-arrays-on-disk"], "store_arrays_on_disk", False),
        (["--overwrite"], "overwrite", True),
        (["--no-overwrite"], "overwrite", False),
        (["--no-progress"], "progress", False),
        (["--store-landmarks"], "store_landmarks", True),
        (["--groups", "leiden"], "groups", "leiden"),
        (["--cell-filter", '{"phase": ["S"]}'], "cell_filter", {"phase": ["S"]}),
    ],
)
def test_texts_become_values(required, args, name, value):
    assert parsed(*required, *args)[name] == value


@pytest.mark.parametrize(
    "args",
    [
        ["--n-landmarks", "many"],
        ["--sigma", "none"],
        ["--null-genes", "1,x"],
        ["--cell-filter", "{broken"],
    ],
)
def test_what_is_no_value_is_a_usage_error(required, args):
    with pytest.raises(click.BadParameter):
        parsed(*required, *args)


def test_any_documented_function_gives_options():
    def function(name: str, *, sizes: Sequence[float] | None = None, fast: bool = True) -> None:
        """Do nothing.

        Parameters
        ----------
        name
            A name, as in :class:`kompot.thing` or ``code``.
        sizes
            Sizes,
            on two lines.
        fast
            Whether to hurry.

        Returns
        -------
        Nothing.
        """

    name, sizes, fast = signature_options(function, short={"name": "-n"})
    assert name.opts == ["-n", "--name"]
    assert name.required
    assert name.help == "A name, as in kompot.thing or code."
    assert sizes.help == "Sizes, on two lines."
    assert sizes.type.convert("1,2.5", None, None) == [1.0, 2.5]
    assert fast.help == "Whether to hurry.  [default: yes]"
    assert fast.secondary_opts == ["--no-fast"]


def test_unknown_annotation_is_refused():
    def function(thing: dict[str, int], other: Any) -> None:
        """Do nothing.

        Parameters
        ----------
        thing, other
            What no text can give.
        """

    with pytest.raises(TypeError, match="no rule"):
        signature_options(function)
