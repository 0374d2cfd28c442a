"""Tables and other pieces that several parts of a page have."""

from collections.abc import Iterable, Sequence
from typing import Any

from kompot.reporting.markup import Markup, element

__all__ = ["code_block", "facts", "help_note", "number", "section", "table"]


def number(value: Any, digits: str = ".3g") -> str:
    """A number for people; a dash for none.

    >>> number(12345), number(0.00012), number(float("nan"))
    ('12,345', '0.00012', '–')
    """
    if value is None or value != value:  # NaN
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_whole = float(value).is_integer() and abs(value) < 1e15 and "+" not in digits
    return f"{int(value):,}" if is_whole else format(float(value), digits)


def section(name: str, title: str, *children: str | None) -> Markup:
    """A part of the page with a heading that links can lead to."""
    heading = element("h2", title, id=f"{name}-title")
    return element("section", heading, *children, id=name, aria_labelledby=f"{name}-title")


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, is_text: bool = False
) -> Markup:
    """A table whose first column names the rows; it scrolls where it is too wide."""
    head = element("tr", *(element("th", text, scope="col") for text in heads))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", one) for one in row[1:]))
        for row in rows
    ]
    inner = element(
        "table",
        element("caption", caption),
        element("thead", head),
        element("tbody", *body),
        class_="words" if is_text else None,
    )
    return element("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(pairs: Iterable[tuple[str, str | None]]) -> Markup:
    """Names with their values; those without a value are left out."""
    items = [
        element("div", element("dt", name), element("dd", value)) for name, value in pairs if value
    ]
    return element("dl", *items, class_="facts")


def help_note(*paragraphs: str) -> Markup:
    """How to read what stands above, to be opened."""
    inner = [element("p", text) for text in paragraphs]
    return element("details", element("summary", "How to read this"), *inner, class_="help")


def code_block(name: str, title: str, text: str) -> Markup:
    """Code with a button to copy it."""
    button = element("button", "Copy", type="button", class_="copy", data_copy=name, hidden=True)
    heading = element("div", element("h4", title), button, class_="code-head")
    return element("div", heading, element("pre", element("code", text), id=name, tabindex="0"))
