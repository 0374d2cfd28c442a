"""Names from data as texts in figures."""

__all__ = ["between", "shortened"]

_LONGEST = 36


def shortened(name: object, longest: int = _LONGEST) -> str:
    r"""A name that fits, with its middle left out; dollar signs do not begin a formula.

    Parameters
    ----------
    name
        Any name.
    longest
        Largest number of characters.

    Examples
    --------
    >>> shortened("a" * 30 + "b" * 30, 11)
    'aaaaa…bbbbb'
    >>> print(shortened("$x$"))
    \$x\$
    """
    text = " ".join(str(name).split())
    if len(text) > longest:
        half = (longest - 1) // 2
        text = f"{text[:half]}…{text[-half:]}"
    return text.replace("$", r"\$")


def between(condition1: str, condition2: str) -> str:
    """What is compared with what.

    >>> between("young", "old")
    'young to old'
    """
    return f"{shortened(condition1, 24)} to {shortened(condition2, 24)}"
