"""What people see on stderr while a command runs."""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

__all__ = ["console", "is_quiet", "say", "verbosity_options"]

_log = logging.getLogger("kompot")
_QUIET = "kompot.quiet"
_Command = TypeVar("_Command", bound=Callable[..., object])


@contextmanager
def console() -> Iterator[None]:
    """Show log lines and warnings of the package on stderr, and clean up afterwards."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("kompot: %(message)s"))
    level = _log.level
    _log.addHandler(handler)
    _log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    finally:
        _log.removeHandler(handler)
        _log.setLevel(level)


def verbosity_options(command: _Command) -> _Command:
    """Give a command the options ``-v`` and ``-q``; they may stand before or after its name."""
    command = click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_quiet,
        help="Only warnings and errors; no progress, no summary.",
    )(command)
    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_set_verbose,
        help="Say what is done, and where an error arose.",
    )(command)


def is_quiet() -> bool:
    """Whether only warnings and errors are wanted."""
    return bool(click.get_current_context().meta.get(_QUIET))


def say(text: str) -> None:
    """A line on stderr, unless quiet."""
    if not is_quiet():
        click.echo(text, err=True)


def _set_quiet(context: click.Context, _option: click.Parameter, is_given: bool) -> None:
    """Remember ``-q``, which the contexts of group and command share."""
    if is_given:
        context.meta[_QUIET] = True


def _set_verbose(_context: click.Context, _option: click.Parameter, is_given: bool) -> None:
    """Let informative log lines through."""
    if is_given:
        _log.setLevel(logging.INFO)


def _show_warning(message: Warning | str, *_where: object) -> None:
    """One line for a warning; where in the code it arose says little in a shell."""
    click.echo(f"kompot: warning: {message}", err=True)
