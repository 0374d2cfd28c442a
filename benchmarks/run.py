"""Benchmarks of kompot, alone and side by side with the original package.

    python benchmarks/run.py expression --kang kang_ifnb.h5ad

This program and the modules beside it need nothing but Python: the environments with the two
packages are made under ``benchmarks/.venvs`` when they are first needed, and everything that
imports numpy or either package runs in a process of its own (``benchmarks/children``).
The report is printed to standard output; raw results are appended to ``benchmarks/work``.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import alone
import atlas
import compilation
import density
import groups
import peers
import plan
import plots
import replicates
import sidebyside
import truth
from bench import WORK, Bench, ChildFailedError
from environments import python_with

_NAMES_PYTHON = re.compile("--[a-z]+-python").match
"""Options with the Python of a package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark. 0: done; 1: a stated criterion is not met; 2: something failed."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser().parse_args(words)
    try:
        pythons = {"kompot": options.kompot_python or python_with("kompot")}
        if options.needs_original or getattr(options, "original", False):
            pythons["original"] = options.original_python or python_with("original")
        for peer in getattr(options, "peers", ()):
            pythons[peer] = getattr(options, f"{peer}_python") or python_with(peer)
        bench = Bench(options.benchmark, pythons, tuple(_repeatable(words)), WORK)
        return 0 if options.function(bench, options) else 1
    except ChildFailedError as error:
        print(error, file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with one subcommand for each benchmark."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    commands = parser.add_subparsers(dest="benchmark", required=True)

    command = _add(commands, "expression", sidebyside.expression, needs_original=True)
    _add_simulation(command)
    _add_repeats(command, 3)
    command.add_argument("--null-genes", type=int, help="both packages' default (2000) if absent")

    command = _add(commands, "parity", sidebyside.parity, needs_original=True)
    _add_simulation(command)
    command.add_argument("--landmarks", type=int, default=1000)

    command = _add(commands, "scaling", alone.scaling)
    sizes = [10_000, 20_000, 50_000, 100_000, 200_000]
    command.add_argument("--sizes", type=int, nargs="+", default=sizes, help="numbers of cells")
    command.add_argument("--genes", type=int, default=2000)
    command.add_argument("--null-genes", type=int, help="the default (2000) if absent")
    _add_repeats(command, 3)

    command = _add(commands, "import", alone.imports)
    _add_repeats(command, 11)

    command = _add(commands, "accuracy", alone.accuracy)
    command.add_argument("--sizes", type=int, nargs="+", default=[2_000, 10_000])
    command.add_argument("--genes", type=int, default=1000)
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    command.add_argument("--kang", type=read_path, help="kang_ifnb.h5ad, if it is to be included")
    _add_plan(commands)
    command = _add(commands, "jax", compilation.jax)
    command.set_defaults(peers=("jax",))
    command.add_argument("--jax-python", type=read_path, help="Python with kompot and JAX")
    command.add_argument("--cells", type=int, default=20_000)
    command.add_argument("--genes", type=int, default=1000)
    _add_repeats(command, 3)
    _add_abundance(commands)
    _add_groups(commands)
    _add_atlas(commands)
    _add_plots(commands)
    peers.add_options(_add(commands, "peers", peers.peers), read_path)
    return parser


def _repeatable(words: Sequence[str]) -> list[str]:
    """The command line without options that name places of this machine."""
    found, is_place = [], False
    for word in words:
        if not is_place and not word.startswith("--page") and not _NAMES_PYTHON(word):
            found.append(word)
        is_place = word == "--page" or bool(_NAMES_PYTHON(word) and "=" not in word)
    return found


def _add_plan(commands: Any) -> None:
    """Benchmark of dry runs."""
    command = _add(commands, "plan", plan.plan)
    command.add_argument("--most-cells", type=int, default=100_000, help="leave out larger runs")
    command.add_argument("--rows", type=int, nargs="+", help="only these rows of the table")
    command.add_argument("--page", type=Path, help="file to write the report to as well")


def _add_plots(commands: Any) -> None:
    """Benchmark of large plots."""
    command = _add(commands, "plots", plots.plots)
    command.set_defaults(peers=("scanpy",))
    command.add_argument("--cells", type=int, default=1_000_000)
    command.add_argument("--genes", type=int, default=20_000)
    command.add_argument("--scanpy-python", type=read_path, help="Python with scanpy")
    _add_repeats(command, 3)


def _add_groups(commands: Any) -> None:
    """Benchmarks of groups of cells."""
    command = _add(commands, "groups", groups.groups)
    command.add_argument("--effect", choices=groups.EFFECTS, default="branch", help="what changes")
    command.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    command.add_argument("--genes", type=int, default=1000)
    command.add_argument("--cells-per-donor", type=int, default=500)
    command.add_argument("--mean-count", type=float, default=0.7, help="counts per gene and cell")
    command.add_argument("--options", type=json.loads, default={}, help="of kompot, as JSON")
    command.add_argument("--original", action="store_true", help="run the original beside it")
    command.add_argument("--original-python", type=read_path, help="Python with the original")
    command.add_argument(
        "--original-options", type=json.loads, default={"n_landmarks": 500}, help="as JSON"
    )
    command.add_argument("--kang", type=read_path, help="kang_ifnb.h5ad, if it is to be included")

    command = _add(commands, "group-cost", groups.group_cost)
    command.add_argument("--cells", type=int, default=20_000)
    command.add_argument("--genes", type=int, default=5000)
    command.add_argument("--groups", type=int, default=50)
    command.add_argument("--layers", choices=("dense", "none"), default="none")
    _add_repeats(command, 3)

    command = _add(commands, "replicates", replicates.replicates)
    command.add_argument("--cells", type=int, default=20_000)
    command.add_argument("--genes", type=int, default=20_000)
    command.add_argument("--layers", choices=("dense", "factored", "none"), default="none")
    command.add_argument("--original", action="store_true", help="ask the original's dry run")
    command.add_argument("--original-python", type=read_path, help="Python with the original")
    _add_repeats(command, 3)


def _add_atlas(commands: Any) -> None:
    """The benchmark of files on disk."""
    command = _add(commands, "atlas", atlas.atlas)
    command.add_argument("--cells", type=int, default=1_000_000)
    command.add_argument("--genes", type=int, default=20_000)
    command.add_argument("--density", type=float, default=0.05, help="share of values not zero")
    command.add_argument("--layers", choices=("factored", "none"), default="none")
    command.add_argument("--runs", nargs="*", choices=atlas.RUNS, default=list(atlas.RUNS))
    command.add_argument("--no-abundance", dest="abundance", action="store_false")
    command.add_argument("--keep", action="store_true", help="keep the file for the next time")


def _add_abundance(commands: Any) -> None:
    """Benchmarks of differential abundance."""
    command = _add(commands, "abundance", density.abundance, needs_original=True)
    command.add_argument("--cells", type=int, default=10_000)
    command.add_argument("--large", type=int, default=200_000, help="cells of the large data set")
    _add_repeats(command, 3)

    command = _add(commands, "truth", truth.truth, needs_original=True)
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])

    command = _add(commands, "localisation", density.localisation)
    command.add_argument("--cells", type=int, default=3000)
    command.add_argument("--seeds", type=int, nargs="+", default=list(range(10)))
    command.add_argument("--original", action="store_true", help="run the original beside it")
    command.add_argument("--original-python", type=read_path, help="Python with the original")
    command.add_argument("--peers", nargs="*", choices=("meld", "milo"), default=["meld", "milo"])
    for peer in ("meld", "milo"):
        command.add_argument(f"--{peer}-python", type=read_path, help=f"Python with {peer}")


def read_path(word: str) -> Path:
    """Absolute path of a file that exists, links unresolved (a Python in an environment is one)."""
    path = Path(word).absolute()
    if not path.is_file():
        msg = f"{word} is no file."
        raise argparse.ArgumentTypeError(msg)
    return path


def _add(
    commands: Any,
    name: str,
    function: Callable[[Bench, argparse.Namespace], bool],
    *,
    needs_original: bool = False,
) -> argparse.ArgumentParser:
    """Add a subcommand with the options that all have."""
    command = commands.add_parser(name, help=str(function.__doc__).split("\n")[0])
    command.set_defaults(function=function, needs_original=needs_original)
    command.add_argument("--kompot-python", type=read_path, help="Python with kompot installed")
    if needs_original:
        command.add_argument("--original-python", type=read_path, help="Python with the original")
    else:
        command.set_defaults(original_python=None)
    return command


def _add_simulation(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cells", type=int, default=10_000, help="simulated cells")
    command.add_argument("--genes", type=int, default=1000, help="simulated genes")
    command.add_argument("--kang", type=read_path, help="kang_ifnb.h5ad, if it is to be included")


def _add_repeats(command: argparse.ArgumentParser, default: int) -> None:
    command.add_argument("--repeats", type=int, default=default, help="runs of each")


if __name__ == "__main__":
    sys.exit(main())
