"""What a numpydoc docstring says, as plain text for a terminal."""

import inspect
import re
from collections.abc import Callable

__all__ = ["parameter_texts", "summary"]


def summary(function: Callable[..., object]) -> str:
    """First paragraph of a docstring.

    >>> summary(summary)
    'First paragraph of a docstring.'
    """
    return plain((inspect.getdoc(function) or "").split("\n\n")[0])


def parameter_texts(function: Callable[..., object]) -> dict[str, str]:
    """Description of each parameter; parameters that share an entry share its text.

    >>> parameter_texts(plain)
    {'text': 'Any text.'}
    """
    texts: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", _section(inspect.getdoc(function) or "", "Parameters")):
        heading, _, body = entry.partition("\n")
        for name in heading.partition(":")[0].split(","):
            texts[name.strip(" *")] = plain(body)
    return texts


def plain(text: str) -> str:
    """Remove the marks of reStructuredText and fill the lines.

    Parameters
    ----------
    text
        Any text.
    """
    text = re.sub(r":[a-z:]+:`~?([^`]*)`", r"\1", text)
    text = re.sub(r"``([^`]*)``", r"\1", text)
    return " ".join(text.replace("`", "").replace("*", "").split())


def _section(docstring: str, title: str) -> str:
    """Text under an underlined title, up to the next one."""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[^\n]*\n--|\Z)", docstring, re.M | re.S)
    return found[1].strip("\n") if found else ""
