"""Which options of a settings object were given, and which only have their default."""

from dataclasses import fields
from typing import Any, Self

__all__ = ["Options"]


class Options:
    """Base of the settings classes, which are frozen dataclasses: remembers what was given.

    ``GPSettings(ls_factor=5)`` says nothing of ``sigma``, so that ``sigma`` may be given elsewhere;
    ``GPSettings(sigma=1.0)`` does.
    """

    _given: frozenset[str]

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Note the names before the dataclass fills in the rest."""
        made = super().__new__(cls)
        names = [option.name for option in fields(cls)]  # type: ignore[arg-type]
        object.__setattr__(made, "_given", frozenset(names[: len(args)]) | options.keys())
        return made

    def given(self) -> dict[str, Any]:
        """Options that were given, by name, in the order of the class."""
        names = [option.name for option in fields(self)]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names if name in self._given}
