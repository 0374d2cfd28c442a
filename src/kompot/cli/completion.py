"""``kompot completion``: completion of commands, options and files by the Tab key."""

import click
from click.shell_completion import get_completion_class

from kompot.cli.options import SectionedCommand

__all__ = ["command"]

_HELP = """Print the script that completes commands and options with the Tab key.

\b
Example, for bash:
  kompot completion bash > ~/.kompot-completion
  echo '. ~/.kompot-completion' >> ~/.bashrc

For zsh put the same line into ~/.zshrc, and for fish write the script to
~/.config/fish/completions/kompot.fish. It works in shells that are opened afterwards.
"""


@click.command(
    "completion",
    cls=SectionedCommand,
    sections={},
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script that click makes."""
    kind = get_completion_class(shell)
    if kind is None:
        msg = f"This version of click cannot complete in {shell}."
        raise click.UsageError(msg)
    group = context.find_root().command
    click.echo(kind(group, {}, "kompot", "_KOMPOT_COMPLETE").source())
