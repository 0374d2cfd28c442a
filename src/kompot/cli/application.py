"""The command ``kompot``: its subcommands, and how it ends."""

import logging
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import NoReturn

import click

from kompot import __version__
from kompot.cli.console import console, verbosity_options

__all__ = ["application", "main"]

# Imported when used, since the analysis needs seconds to load.
_COMMANDS = {
    "dm": ("kompot.cli.diffusion", "Compute the cell states that de and da look for."),
    "de": ("kompot.cli.differential_expression", "Test genes between two conditions."),
    "da": ("kompot.cli.differential_abundance", "Find where cells became more or less abundant."),
    "plan": ("kompot.cli.plan", "Say what de or da would take, and run nothing."),
    "smooth": ("kompot.cli.smoothing", "Smooth expression over cell states."),
    "report": ("kompot.cli.report", "Write a page about results, to read and to send."),
    "runs": ("kompot.cli.recorded_runs", "List the runs that a file records."),
    "cleanup": ("kompot.cli.removal", "Remove the large results of runs from a file."),
    "demo": ("kompot.cli.demo", "Simulate a data set with known truth and analyse it."),
    "completion": ("kompot.cli.completion", "Let the Tab key complete commands and options."),
}

# What an analysis, a reader or a writer refuses with (h5py gives RuntimeError on a full disk).
# Anything else is a mistake of ours and shows its traceback.
_REFUSALS = (
    ValueError,
    TypeError,
    LookupError,
    OSError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    ImportError,
)


_HELP = """Compare two conditions over cell states, with Gaussian processes.

Data come as AnnData files, .h5ad or .zarr.

\b
To see what it does:  kompot demo -o kompot-demo
"""


class LazyGroup(click.Group):
    """Subcommands that are imported when they are used, listed from a table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; the nearest name is suggested for one that does not exist."""
        if args and args[0] not in _COMMANDS and not ctx.resilient_parsing:
            near = get_close_matches(args[0], _COMMANDS, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="'kompot COMMAND --help' lists the options of a command.",
)
@click.version_option(__version__, prog_name="kompot", message="%(prog)s %(version)s")
@verbosity_options
@click.pass_context
def application(ctx: click.Context) -> None:
    """Show the help if no command is given."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave the interpreter.

    The exit code is 0 if all went well, 1 after an error, 2 after a mistake in the command, and
    130 after Ctrl-C.

    Parameters
    ----------
    args
        Arguments; None takes those of the process.
    """
    with console():
        sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    """Run the command line and say on stderr why it failed."""
    try:
        code = application.main(args, prog_name="kompot", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.MissingParameter):
            text = "Missing required parameters may also stand in a file, -c/--config."
            click.echo(text, err=True)
        return error.exit_code
    except click.Abort:
        click.echo("kompot: interrupted", err=True)
        return 130
    except _REFUSALS as error:
        if logging.getLogger("kompot").isEnabledFor(logging.INFO):
            traceback.print_exc()
        click.echo(f"kompot: error: {_message(error)}", err=True)
        return 1
    return code if isinstance(code, int) else 0


def _message(error: BaseException) -> str:
    """What an error says, with its notes; its kind if it says nothing."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = [text or type(error).__name__, *getattr(error, "__notes__", ())]
    return "\n".join(lines)
