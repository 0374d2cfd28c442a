"""``--use-gpu``, another name of ``--jit-compile``, and on which device JAX computes."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kompot.cli.console import say
from kompot.gp.backend import find_device

__all__ = ["choose_device", "gpu_option"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def gpu_option(command: _Command) -> _Command:
    """Give a command ``--use-gpu``, which is not listed: ``--jit-compile`` is the same."""
    return click.option("--use-gpu", is_flag=True, hidden=True)(command)


def choose_device(parameters: dict[str, Any], *, use_gpu: bool = False) -> None:
    """Turn ``--use-gpu`` into ``jit_compile``, and say on which device JAX will compute.

    Raises
    ------
    ImportError
        If JAX is wanted and not installed.
    """
    parameters["jit_compile"] |= use_gpu
    if not parameters["jit_compile"]:
        return
    description, has_gpu = find_device()
    missing = "" if has_gpu or not use_gpu else ": it finds no GPU"
    say(f"kompot: products are computed by {description}{missing}")
