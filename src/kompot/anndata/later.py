"""Parameters that are refused: of features still to come, and unknown ones."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kompot.settings import ExpressionSettings

__all__ = ["refuse_given", "refuse_later_features", "refuse_unknown"]


def refuse_later_features(settings: ExpressionSettings) -> None:
    """Refuse parameters whose feature is not available yet, rather than ignore them.

    Raises
    ------
    NotImplementedError
        If one of them is given.
    """
    refuse_given(
        jit_compile=settings.gp.jit_compile,
        use_empirical_variance=settings.gp.use_empirical_variance,
    )


def refuse_given(**is_given: bool) -> None:
    """Refuse the arguments that are given, by their names.

    Raises
    ------
    NotImplementedError
        If any is.
    """
    names = [f"`{name}`" for name, given in is_given.items() if given]
    if names:
        msg = f"{', '.join(names)} cannot be used yet; leave out what is named."
        raise NotImplementedError(msg)


def refuse_unknown(unknown: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Refuse keyword arguments that a function does not know.

    Raises
    ------
    TypeError
        Naming them and listing the known ones.
    """
    if unknown:
        known = [name for name in inspect.signature(function).parameters if "kwargs" not in name]
        msg = f"Unknown arguments: {sorted(unknown)}. Known arguments: {known}"
        raise TypeError(msg)
