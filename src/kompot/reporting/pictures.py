"""Figures of a page, as images in its text."""

import base64
import io
from collections.abc import Callable
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

from kompot.reporting.markup import Markup, element

__all__ = ["picture"]

_CRISP: Any = {"svg.fonttype": "path", "svg.hashsalt": "kompot", "font.size": 9}


def picture(
    draw: Callable[[Figure], object], figsize: tuple[float, float], alt: str, caption: str
) -> Markup:
    """A figure, or the reason why it cannot be drawn.

    Parameters
    ----------
    draw
        Draws in a figure; a ``ValueError`` says what is missing.
    figsize
        Width and height in inches.
    alt
        What the figure shows, for those who do not see it.
    caption
        Text below the figure.
    """
    with style.context(["default", _CRISP]):
        figure = Figure(figsize=figsize, layout="constrained")
        try:
            draw(figure)
        except ValueError as error:
            reason = element("p", f"Not drawn: {error}", class_="absent")
            return element("figure", reason, element("figcaption", caption))
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", dpi=130, bbox_inches="tight", metadata={"Date": None})
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = element("img", src=f"data:image/svg+xml;base64,{text}", alt=alt)
    return element("figure", image, element("figcaption", caption))
