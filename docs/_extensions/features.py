"""Passages and pages that are shown only if a feature is there.

A passage is between ``<!-- if NAME -->`` (or ``<!-- if not NAME -->``) and ``<!-- end if -->``,
each on a line of its own; a page of a feature holds the line ``<!-- page of NAME -->``. What is
there is said in ``FEATURES`` of ``conf.py``. (The directive ``only`` cannot hold headings.)
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

_PASSAGE = re.compile(
    r"^<!-- if (not )?(\w+) -->\n(.*?)^<!-- end if -->\n", re.DOTALL | re.MULTILINE
)


def chosen(text: str, features: dict[str, bool]) -> str:
    """The text without the passages that are not to be shown."""

    def passage(found: re.Match[str]) -> str:
        is_negated, name, content = found.groups()
        return content if features[name] != bool(is_negated) else ""

    return _PASSAGE.sub(passage, text)


def _choose(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = chosen(source[0], app.config.FEATURES)


def _exclude(app: Sphinx, config: object) -> None:
    for page in Path(app.srcdir).rglob("*.md"):
        needed = re.search(r"^<!-- page of (\w+) -->$", page.read_text(), re.MULTILINE)
        if needed and not app.config.FEATURES[needed[1]]:
            app.config.exclude_patterns.append(page.relative_to(app.srcdir).as_posix())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the handlers."""
    app.add_config_value("FEATURES", {}, "env")
    app.connect("config-inited", _exclude)
    app.connect("source-read", _choose)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
