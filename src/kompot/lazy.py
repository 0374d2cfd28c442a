"""Names of a package that are loaded when first used, so that importing it costs nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, homes: Mapping[str, str], subpackages: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package
        Its name.
    homes
        For each public name the module that defines it.
    subpackages
        For each public name of a subpackage, its module.
    """

    def load(name: str) -> Any:
        if subpackages and name in subpackages:
            return import_module(subpackages[name])
        if name in homes:
            return getattr(import_module(homes[name]), name)
        msg = f"module {package!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *homes, *(subpackages or ())})

    return load, names
