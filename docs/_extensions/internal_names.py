"""References to our own names by any of their addresses.

A docstring may name an object by the module that defines it, or without a module; the API pages
list it by its public address. What exists but has no entry is shown as text. What does not exist
stays a broken reference, of which Sphinx warns.
"""

import sys
from importlib import import_module
from typing import Any

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_NOTHING = object()


def _imported(address: str) -> Any:
    """The object at a dotted address, or a mark that there is none."""
    parts = address.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value: Any = import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for name in parts[end:]:
            annotations = getattr(value, "__annotations__", {})
            value = getattr(value, name, annotations.get(name, _NOTHING))
        return value
    return _NOTHING


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    if node.get("refdomain") != "py":
        return None
    domain = env.get_domain("py")
    target, page = node["reftarget"].lstrip("."), node["refdoc"]

    def link(name: str) -> Element | None:
        kind = domain.objects[name].objtype
        role = domain.role_for_objtype(kind) or "obj"
        return domain.resolve_xref(env, page, app.builder, role, name, node, content)

    suffix = f".{target}"
    endings = [name for name in domain.objects if name.endswith(suffix)]
    if len(endings) == 1:
        return link(endings[0])
    contexts = [one for one in (node.get("py:module"), node.get("py:class")) if one]
    prefixes = ["", *(f"{context}." for context in contexts)]
    if contexts and (home := getattr(_imported(".".join(contexts)), "__module__", None)):
        prefixes.append(f"{home}.")
    found = next((f for p in prefixes if (f := _imported(p + target)) is not _NOTHING), _NOTHING)
    if found is _NOTHING and "." not in target:  # as in "ScaleEvidence or None"
        modules = (module for name, module in sys.modules.items() if name.startswith("kompot."))
        found = next((vars(one)[target] for one in modules if target in vars(one)), _NOTHING)
    if found is _NOTHING:
        return None
    for name in domain.objects:
        if _imported(name) is found:
            return link(name)
    return content if "kompot" in f"{target} {getattr(found, '__module__', '')}" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the resolver."""
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
