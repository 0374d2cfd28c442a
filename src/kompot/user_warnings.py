"""Warnings that point at the user's line, however deep in the package they arise."""

import os
import sys
import warnings

__all__ = ["warn_user"]

_PACKAGE = os.path.dirname(__file__) + os.sep


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line by which the package was entered.

    That is the caller of the outermost of the package's own frames: other libraries may stand
    between two of these, such as ``contextlib`` where a function is decorated.

    Parameters
    ----------
    text
        What was found, what is done about it and what the user may do.
    category
        Class of the warning.
    """
    frame, depth, level = sys._getframe().f_back, 1, 1
    while frame is not None:
        depth += 1
        if frame.f_code.co_filename.startswith(_PACKAGE):
            level = depth + 1
        frame = frame.f_back
    warnings.warn(text, category, stacklevel=max(level, 2))
