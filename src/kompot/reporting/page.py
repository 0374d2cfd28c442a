"""The whole page: its parts, its style and its script in one text."""

import base64
import hashlib
from importlib import metadata, resources

from kompot.reporting.abundance_section import abundance_section
from kompot.reporting.expression_section import expression_section, top_gene_section
from kompot.reporting.markup import Markup, element, joined
from kompot.reporting.overview import overview
from kompot.reporting.record_section import record_section
from kompot.reporting.subject import Subject
from kompot.reporting.trust_section import trust_section

__all__ = ["page"]

_LINKS = {
    "overview": "Compared",
    "abundance": "Abundance",
    "genes": "Genes",
    "top-genes": "Leading genes",
    "diagnostics": "Diagnostics",
    "repeat": "Repeat",
}


def page(subject: Subject) -> str:
    """The page as text.

    The browser is told to load nothing and to run no script but this page's, which it knows by its
    hash: even if a name got through the escaping, nothing in it would run.
    """
    style = _resource("page.css")
    script = "".join(_resource(name) for name in ("copy.js", "volcano.js", "genes.js"))
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "overview": overview(subject),
        "abundance": abundance_section(subject),
        "genes": expression_section(subject),
        "top-genes": top_gene_section(subject),
        "diagnostics": trust_section(subject),
        "repeat": record_section(subject),
    }
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", subject.title),
        element("style", Markup(style)),
    )
    links = [
        element("li", element("a", text, href=f"#{name}"))
        for name, text in _LINKS.items()
        if parts[name] is not None
    ]
    body = element(
        "body",
        element("a", "Skip to the results", href="#overview", class_="skip"),
        element(
            "header",
            element("h1", subject.title),
            element("nav", element("ul", *links), aria_label="Parts of the page"),
        ),
        element("main", *parts.values()),
        element(
            "footer",
            element(
                "p", f"Written by kompot {metadata.version('kompot')}. This file needs no network."
            ),
        ),
        element("script", Markup(script)),
    )
    return joined(Markup("<!doctype html>\n"), element("html", head, body, lang="en"))


def _resource(name: str) -> str:
    """A file that ships with the package."""
    return resources.files("kompot.reporting").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """How a content security policy names a text."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
