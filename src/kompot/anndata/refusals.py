"""Options that are refused: unknown ones, and those that do not go together."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from kompot.settings import ExpressionSettings
from kompot.settings.checks import SEPARATE

__all__ = ["nearest", "refuse_factored", "refuse_own_noise", "refuse_unknown"]


def refuse_factored(settings: ExpressionSettings) -> None:
    """Refuse forms of layers that need features of the functions.

    Raises
    ------
    ValueError
        If layers are to be anything but dense, or none.
    """
    if settings.storage.layers not in ("dense", "none"):
        msg = (
            f"`layers={settings.storage.layers!r}` needs fitted features that both conditions "
            "share; give layers='dense' or 'none'."
        )
        raise ValueError(msg)


def refuse_own_noise(settings: ExpressionSettings) -> None:
    """Refuse `use_empirical_variance` where there is no place or no fit for it.

    Raises
    ------
    ValueError
        If layers are to be factored, or functions are given or fitted apart.
    """
    if not settings.gp.use_empirical_variance:
        return
    if settings.storage.layers == "factored":
        msg = (
            "use_empirical_variance=True makes standard deviations that layers='factored' cannot "
            "hold; use layers='dense' or 'none'."
        )
        raise ValueError(msg)
    if settings.model.names or settings.gp.param_scheme == SEPARATE:
        msg = (
            "use_empirical_variance=True estimates noise from a fit of both conditions together: "
            "with functions that are given or fitted apart, give `obs_variance_predictor1` and "
            "`obs_variance_predictor2` instead."
        )
        raise ValueError(msg)


def nearest(names: Iterable[str], known: Collection[str]) -> str:
    """A question after the known names that are most alike; empty if none are."""
    near = [found for name in names for found in get_close_matches(name, known, n=1)]
    return f"Did you mean {', '.join(map(repr, near))}? " if near else ""


def refuse_unknown(
    unknown: Mapping[str, Any], function: Callable[..., Any], further: Iterable[str] = ()
) -> None:
    """Refuse keyword arguments that a function does not know.

    Parameters
    ----------
    unknown
        The arguments; none if empty.
    function
        The function.
    further
        Names that it takes beside those of its signature.

    Raises
    ------
    TypeError
        Naming them and listing the known ones.
    """
    if unknown:
        known = [name for name in inspect.signature(function).parameters if "kwargs" not in name]
        known += further
        hint = nearest(sorted(unknown), known)
        msg = f"Unknown arguments: {sorted(unknown)}. {hint}Known arguments: {known}"
        raise TypeError(msg)
