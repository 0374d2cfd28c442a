"""Where the messages of the package go, for those who do not configure logging themselves."""

import logging
import sys
from typing import TextIO

__all__ = ["configure_logging"]

_FORMAT = "[%(asctime)s] [%(levelname)-8s] %(message)s"


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """The one handler that is ours."""


def configure_logging(stream: TextIO | None = None, level: int | str = logging.INFO) -> None:
    """Write the messages of the logger ``kompot`` to a stream.

    Importing the package configures nothing: without this call messages go where the program that
    imports it sends them (``logging``), or nowhere below a warning. Called again, the stream and
    the level are replaced; handlers of others are left alone.

    Parameters
    ----------
    stream
        Where to write; None for standard output.
    level
        Least important message that is written, a level of ``logging`` or its name.

    Raises
    ------
    TypeError
        If the stream cannot be written to.
    ValueError
        If there is no such level.

    Examples
    --------
    >>> import io, kompot
    >>> messages = io.StringIO()
    >>> kompot.configure_logging(messages)  # doctest: +SKIP
    """
    target = sys.stdout if stream is None else stream
    if not hasattr(target, "write"):
        msg = f"`stream` must be open for writing text or None, got {type(stream).__name__}."
        raise TypeError(msg)
    logger = logging.getLogger("kompot")
    logger.setLevel(level)
    for handler in list(logger.handlers):
        if isinstance(handler, _Handler):
            logger.removeHandler(handler)
    handler = _Handler(target)
    handler.setFormatter(logging.Formatter(_FORMAT))
    logger.addHandler(handler)
    logger.propagate = False
