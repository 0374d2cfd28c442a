"""Docstrings of this project as napoleon reads them.

Here "Returns" is prose, while napoleon takes its lines for types; and several names share an
entry under "Raises" and "Attributes".
"""

import re
from collections.abc import Iterable
from typing import Any, get_args, get_origin

import numpy as np
from sphinx.application import Sphinx

_LISTS = ("Attributes", "Raises")
_SEVERAL = re.compile(r"\w[\w.]*(, \w[\w.]*)+( : .*)?")
_PROSE = {"Returns": "Returned", "Yields": "Returned"}


def _is_underline(text: str) -> bool:
    return len(text) > 2 and set(text.strip()) == {"-"}


def prose_sections(lines: Iterable[str]) -> list[str]:
    """Rename sections of prose, and give every exception and attribute an entry of its own."""
    result: list[str] = []
    old, section = list(lines), ""
    for number, line in enumerate(old):
        following = old[number + 1] if number + 1 < len(old) else ""
        if _is_underline(following):
            section = line.strip()
            result.append(line.replace(section, _PROSE.get(section, section)))
        elif section in _PROSE and _is_underline(line):
            result.append("-" * len(_PROSE[section]))
        elif section in _LISTS and _SEVERAL.fullmatch(line):
            body = []
            for text in old[number + 1 :]:
                if text and not text.startswith(" "):
                    break
                body.append(text)
            names, colon, kind = line.partition(" : ")
            *first, last = names.split(", ")
            for name in first:
                result += [name + colon + kind, *body]
            result.append(last + colon + kind)
        else:
            result.append(line)
    return result


def _process(
    _app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    lines[:] = prose_sections(lines)


def _escape(
    _app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Keep the underscore at the end of ``ls_``, which else makes a link of it."""
    lines[:] = [re.sub(r"^:(ivar|vartype) (\w+)_:", r":\1 \2\\_:", line) for line in lines]


class ArrayLike:
    """Stands for what NumPy makes an array of."""

    __module__ = "numpy.typing"


def _shortened(annotation: Any) -> Any:
    """``NDArray[...]`` as ``ndarray`` and ``ArrayLike`` as such; their full forms are long."""
    if get_origin(annotation) is np.ndarray:
        return np.ndarray
    arguments = get_args(annotation)
    if "_SupportsArray" in str(arguments):
        return ArrayLike | None if type(None) in arguments else ArrayLike
    if arguments and hasattr(annotation, "copy_with"):
        return annotation.copy_with(tuple(_shortened(one) for one in arguments))
    if arguments and type(annotation).__name__ == "UnionType":
        whole = _shortened(arguments[0])
        for one in arguments[1:]:
            whole = whole | _shortened(one)
        return whole
    return annotation


def _shorten_annotations(_app: Sphinx, obj: Any, _bound_method: bool) -> None:
    target = obj.__init__ if isinstance(obj, type) else obj
    annotations = getattr(target, "__annotations__", None)
    if isinstance(annotations, dict):
        for name, annotation in annotations.items():
            annotations[name] = _shortened(annotation)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the handlers, the first before napoleon's and the second after it."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-docstring", _escape, priority=600)
    app.connect("autodoc-before-process-signature", _shorten_annotations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
