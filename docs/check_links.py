"""Check a built site: every link inside leads somewhere, every picture says what it shows.

Usage: python docs/check_links.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page offers as targets, where it leads, and its pictures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[tuple[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of what a tag offers and where it leads."""
        values = dict(attrs)
        self.targets |= {values[name] or "" for name in ("id", "name") if name in values}
        for name in ("href", "src"):
            if values.get(name):
                self.links.append(str(values[name]))
        if tag == "img":
            self.pictures.append((str(values.get("src")), values.get("alt")))


def problems(root: Path) -> list[str]:
    """What is wrong with the site in a folder."""
    ours = [path for path in root.rglob("*.html") if "_static" not in path.parts]  # templates
    pages = {path.resolve(): Page(path) for path in ours}
    found = []
    for path, page in pages.items():
        name = path.relative_to(root.resolve())
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            place = unquote(parts.path)
            target = (path.parent / place).resolve() if place else path
            if not target.exists():
                found.append(f"{name}: {link} does not exist")
            elif parts.fragment and target in pages:
                anchor = unquote(parts.fragment)
                if anchor not in pages[target].targets:
                    found.append(f"{name}: {link} has no such anchor")
        found += [
            f"{name}: the picture {source} has no description"
            for source, text in page.pictures
            if not text or text.startswith(("../", "_images"))  # Sphinx puts the path there
        ]
    return found


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    root = Path(sys.argv[1])
    found = problems(root)
    n_pages = len(list(root.rglob("*.html")))
    print(*found, f"{n_pages} pages, {len(found)} problems", sep="\n")
    return 1 if found or not n_pages else 0


if __name__ == "__main__":
    sys.exit(main())
