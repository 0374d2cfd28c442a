"""Options of other versions that are accepted and say why they change nothing."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kompot.cli.console import say

__all__ = ["accepted_options"]

_Command = TypeVar("_Command", bound=Callable[..., object])

_ON_DISK = "abundance keeps no arrays that would need files"
_OWN_RATIO = "abundance always stays below 0.8 of the available memory"
_KNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "--store-arrays-on-disk": ({"is_flag": True}, _ON_DISK),
    "--disk-storage-dir": ({"type": str}, _ON_DISK),
    "--max-memory-ratio": ({"type": float}, _OWN_RATIO),
}


def accepted_options(*names: str) -> Callable[[_Command], _Command]:
    """Give a command options that are not listed, have no effect, and say so when they are used.

    Parameters
    ----------
    *names
        Such as ``"--max-memory-ratio"``.
    """

    def decorate(command: _Command) -> _Command:
        for name in names:
            settings, reason = _KNOWN[name]

            def tell(
                _context: click.Context,
                _option: click.Parameter,
                value: Any,
                text: str = f"{name} has no effect: {reason}",
            ) -> None:
                if value:
                    say(f"kompot: {text}")

            command = click.option(
                name, **settings, hidden=True, expose_value=False, callback=tell
            )(command)
        return command

    return decorate
