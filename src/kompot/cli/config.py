"""Options from a file: ``-c config.yaml``."""

import json
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import click

from kompot.cli.values import Value

__all__ = ["config_option"]

_SUFFIXES = (".yaml", ".yml", ".json")
_Command = TypeVar("_Command", bound=Callable[..., object])


def config_option(command: _Command) -> _Command:
    """Give a command ``-c``, a file whose values stand in for options that are not given."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_use,
        help="Take options from a .yaml or .json file with a line 'name: value' for each, named "
        "as the arguments in Python. What is given on the command line wins.",
    )(command)


def _use(context: click.Context, _option: click.Parameter, path: Path | None) -> None:
    """Make the values of a file the defaults of a command."""
    if path is None:
        return
    values = _read(path)
    options = {str(option.name): option for option in context.command.params}
    for name in ("config", "help"):
        options.pop(name, None)
    _refuse_unknown(values, options, context, path)
    context.default_map = {
        name: _checked(value, options[name], path)
        for name, value in values.items()
        if value is not None or _is_nullable(options[name], path)
    }


def _read(path: Path) -> dict[str, Any]:
    """The mapping in a file; empty files hold none."""
    if path.suffix not in _SUFFIXES:
        msg = f"{str(path)!r} must end in {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]}."
        raise click.BadParameter(msg)
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        msg = f"{str(path)!r} cannot be read: {error}"
        raise click.BadParameter(msg) from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        msg = f"{str(path)!r} must hold lines 'name: value', got a {type(values).__name__}."
        raise click.BadParameter(msg)
    return values


def _refuse_unknown(
    values: dict[str, Any], options: dict[str, click.Parameter], context: click.Context, path: Path
) -> None:
    """Refuse keys that no option has, with the nearest name."""
    for key in values:
        if key not in options:
            near = get_close_matches(str(key), options, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            msg = (
                f"{str(path)!r}: {key!r} is no option of '{context.command_path}'.{hint} "
                "Names are those of the options, with '_' for '-'."
            )
            raise click.BadParameter(msg)


def _is_nullable(option: click.Parameter, path: Path) -> bool:
    """Whether null means None; where it could only mean "not given", it is skipped.

    Raises
    ------
    click.BadParameter
        If it can mean neither.
    """
    if isinstance(option.type, Value) and option.type.is_optional:
        return True
    if option.default is None and not option.required:
        return False
    msg = f"{str(path)!r}: {option.name!r} cannot be null; leave the line out for the default."
    raise click.BadParameter(msg)


def _checked(value: Any, option: click.Parameter, path: Path) -> Any:
    """A value of a file as an option takes it.

    Raises
    ------
    click.BadParameter
        If it is of the wrong type.
    """
    kind, wanted = option.type, ""
    if value is None:
        return "none"
    if isinstance(kind, Value):
        if isinstance(value, list) and kind.is_list:
            return [_item(one, kind, option, path) for one in value]
        return _item(value, kind, option, path)
    if isinstance(kind, click.types.BoolParamType):
        wanted = "" if isinstance(value, bool) else "true or false"
    elif isinstance(kind, click.IntRange):
        wanted = "" if type(value) is int else "a whole number"
    elif isinstance(kind, click.Path):
        wanted = "" if isinstance(value, str) else "a path"
    if wanted:
        msg = f"{str(path)!r}: {option.name!r} must be {wanted}, got {value!r}."
        raise click.BadParameter(msg)
    return value


def _item(value: Any, kind: Value, option: click.Parameter, path: Path) -> Any:
    """One number or text; a number is a text where one is wanted."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(value, str) or (is_number and kind.item is float):
        return value
    if is_number and kind.item is str:
        return str(value)
    if is_number and value == int(value):
        return int(value)
    hint = "; put texts such as yes, no, on and dates in quotes" if kind.item is str else ""
    msg = f"{str(path)!r}: {option.name!r} must be {kind.metavar}, got {value!r}{hint}."
    raise click.BadParameter(msg)
