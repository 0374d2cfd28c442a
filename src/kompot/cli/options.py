"""Options made from the signature and docstring of a function."""

import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any

import click

from kompot.cli.numpydoc import parameter_texts
from kompot.cli.values import JSONText, Value, YesNoList

__all__ = ["SectionedCommand", "signature_options"]

_WIDTH = 26
_TIE = "\N{NO-BREAK SPACE}"


def signature_options(
    function: Callable[..., object],
    *,
    left_out: Collection[str] = (),
    short: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[click.Option]:
    """An option for each parameter: type, default and help are the function's own.

    Parameters
    ----------
    function
        A function with annotations and a numpydoc docstring, or a class whose constructor has them.
    left_out
        Names of parameters without an option.
    short
        Short spellings, such as ``{"directory": "-o"}``.
    defaults
        Defaults that the command has instead of the function's.
    """
    annotated = function.__init__ if inspect.isclass(function) else function
    kinds, texts = typing.get_type_hints(annotated), parameter_texts(function)
    parameters = {
        name: one.replace(default=(defaults or {}).get(name, one.default))
        for name, one in inspect.signature(function).parameters.items()
        if name not in left_out and one.kind is not one.VAR_KEYWORD
    }
    return [
        _option(one, kinds[name], texts[name], (short or {}).get(name))
        for name, one in parameters.items()
    ]


class SectionedCommand(click.Command):
    """A command whose options are listed under titles.

    Parameters
    ----------
    sections
        Names of options by title, in the order in which they are listed. Other options come last.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Collection[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections

    def get_help(self, ctx: click.Context) -> str:
        """The help, in which the default of an option stands on one line."""
        return super().get_help(ctx).replace(_TIE, " ")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options."""
        options = (one for one in self.get_params(ctx) if isinstance(one, click.Option))
        rest = {option.name: option.get_help_record(ctx) for option in options}
        for title, names in self.sections.items():
            records = [rest.pop(name, None) for name in names]
            _write_section(formatter, title, records)
        _write_section(formatter, "General", list(rest.values()))


def _write_section(
    formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str] | None]
) -> None:
    """Write what is to be seen of some options, the texts of all sections in one column."""
    shown = [
        (record[0].ljust(_WIDTH), record[1].replace("[default: ", f"[default:{_TIE}"))
        for record in records
        if record is not None
    ]
    if shown:
        with formatter.section(title):
            formatter.write_dl(shown, col_max=_WIDTH)


def _option(
    parameter: inspect.Parameter, annotation: Any, text: str, short: str | None
) -> click.Option:
    """The option of a parameter."""
    dashed, default = parameter.name.replace("_", "-"), parameter.default
    declarations = [*([short] if short else []), f"--{dashed}", parameter.name]
    is_required = default is parameter.empty
    settings: dict[str, Any] = {
        "help": text,
        "required": is_required,
    }
    if not is_required:  # a default of None would count as given
        settings["default"] = default
    if _alternatives(annotation) == {bool}:
        declarations[-2] = f"--{dashed}/--no-{dashed}"
        if default is not None:
            settings["help"] += f"  [default: {'yes' if default else 'no'}]"
    else:
        settings["type"] = _value(annotation, default)
        settings["metavar"] = settings["type"].metavar
        settings["show_default"] = not is_required and default is not None
        if isinstance(settings["type"], YesNoList):
            settings["show_default"] = False
            settings["help"] += f"  [default: {'yes' if default else 'no'}]"
    return click.Option(declarations, **settings)


def _alternatives(annotation: Any) -> set[Any]:
    """The types of a union, without None."""
    is_union = typing.get_origin(annotation) in (typing.Union, UnionType)
    return set(typing.get_args(annotation) if is_union else [annotation]) - {NoneType}


def _value(annotation: Any, default: Any = None) -> Value | JSONText | YesNoList:
    """How a text of the shell becomes a value of an annotated type.

    Where None is the default anyway, the text ``none`` is a name: of untreated cells, for example.

    Raises
    ------
    TypeError
        If there is no rule for the type.
    """
    if annotation is Any:
        return JSONText()
    kinds = _alternatives(annotation)
    if kinds == {bool, list[str]}:
        return YesNoList()
    lists = {kind for kind in kinds if typing.get_origin(kind) in (list, Sequence)}
    items = {typing.get_args(kind)[0] for kind in lists} | (kinds - lists)
    is_word = items == {float, str} and not lists
    items -= {str} if is_word else set()
    if len(items) != 1 or not items <= {int, float, str}:
        msg = f"There is no rule that makes {annotation} from a text."
        raise TypeError(msg)
    item = items.pop()
    is_nullable = NoneType in typing.get_args(annotation)
    return Value(
        item,
        is_single=bool(kinds - lists),
        is_list=bool(lists),
        is_optional=is_nullable and not (item is str and default is None),
        is_word=is_word,
    )
