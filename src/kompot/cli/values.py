"""Texts of the shell as Python values."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

__all__ = ["JSONText", "Value", "YesNoList"]

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:
    _ParamType = click.ParamType

_WORDS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}


@dataclass(frozen=True)
class Value(_ParamType):
    """A number or text, or a list of them separated by commas.

    Parameters
    ----------
    item
        Type of one value.
    is_single, is_list
        Whether one value is meant as such, and whether a list is allowed.
    is_optional
        Whether ``none`` means None.
    is_word
        Whether a text that is no number is meant as it is.
    """

    item: type[int] | type[float] | type[str]
    is_single: bool = True
    is_list: bool = False
    is_optional: bool = False
    is_word: bool = False

    @property
    def name(self) -> str:  # type: ignore[override]
        """What it is, in error messages."""
        return _WORDS[self.item].lower()

    @property
    def metavar(self) -> str:
        """What it is, in the help."""
        word = _WORDS[self.item]
        forms = [word] * self.is_single + [f"{word},..."] * self.is_list
        forms += [_WORDS[str]] * self.is_word
        return "|".join(forms)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text; a default stays what it is."""
        if not isinstance(value, str):
            return value
        if self.is_optional and value.lower() == "none":
            return None
        try:
            if self.is_list and ("," in value or not self.is_single):
                return [self.item(part) for part in value.split(",")]
            return self.item(value)
        except ValueError:
            if self.is_word:
                return value
            self.fail(f"{value!r} is no {self.metavar}.", param, ctx)


class JSONText(_ParamType):
    """A text, or what it means as JSON if it begins with a brace or bracket."""

    name = "text"
    metavar = "TEXT|JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text; a default stays what it is."""
        if not isinstance(value, str) or not value.startswith(("{", "[")):
            return value
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            self.fail(f"{value!r} is not readable as JSON: {error}.", param, ctx)


class YesNoList(_ParamType):
    """Yes, no, or a list of names separated by commas."""

    name = "text"
    metavar = "yes|no|TEXT,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a text; a default stays what it is."""
        if not isinstance(value, str):
            return value
        return {"yes": True, "no": False}.get(value.lower(), value.split(","))
