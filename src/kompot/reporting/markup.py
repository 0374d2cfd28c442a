"""HTML in which everything that comes from outside is escaped."""

import html
import re

__all__ = ["Markup", "element", "joined"]

_EMPTY = {"br", "col", "hr", "img", "input", "link", "meta"}
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class Markup(str):
    """HTML that is safe as it is; other text is escaped before it becomes part of it."""

    __slots__ = ()


def element(name: str, /, *children: str | None, **attributes: str | bool | None) -> Markup:
    """An element of HTML.

    Parameters
    ----------
    name
        Its name.
    *children
        What is in it: :class:`Markup` as it is, other text escaped; None is left out.
    **attributes
        Its attributes, escaped; ``class_`` is ``class``, other ``_`` are ``-``. None or False is
        left out, True has no value.

    Examples
    --------
    >>> str(element("p", "a < b", element("b", "bold"), class_="note"))
    '<p class="note">a &lt; b<b>bold</b></p>'
    """
    parts = [name]
    for key, value in attributes.items():
        attribute = key.rstrip("_").replace("_", "-")
        if not _NAME.fullmatch(attribute):
            msg = f"{key!r} is no name of an attribute."
            raise ValueError(msg)
        if value is True:
            parts.append(attribute)
        elif value is not None and value is not False:
            parts.append(f'{attribute}="{html.escape(str(value), quote=True)}"')
    opening = f"<{' '.join(parts)}>"
    if name in _EMPTY:
        return Markup(opening)
    return Markup(f"{opening}{joined(*children)}</{name}>")


def joined(*children: str | None) -> Markup:
    """Several pieces of HTML, one after the other.

    Parameters
    ----------
    *children
        :class:`Markup` as it is, other text escaped; None is left out.
    """
    return Markup(
        "".join(
            child if isinstance(child, Markup) else html.escape(str(child), quote=True)
            for child in children
            if child is not None
        )
    )
