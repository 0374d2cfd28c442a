"""Progress bars, which cost nothing where none is shown."""

from collections.abc import Iterable
from typing import TypeVar

__all__ = ["bar"]

_Item = TypeVar("_Item")


def bar(
    items: Iterable[_Item], what: str, unit: str, total: int | None = None, *, shown: bool
) -> Iterable[_Item]:
    """The items, with a progress bar on stderr while they are passed if ``shown``.

    Parameters
    ----------
    items
        What is passed.
    what, unit
        Names of the work and of one item.
    total
        Number of items, if they have no length.
    shown
        Whether there is a bar.
    """
    if not shown:
        return items
    from tqdm.auto import tqdm  # a tenth of a second

    return tqdm(items, desc=what, unit=unit, total=total)
