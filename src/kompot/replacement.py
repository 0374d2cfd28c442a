"""Files that take the place of others once all of them is written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replaced"]


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of another once all is written.

    It lies in a new directory beside the target, on the same disk, which vanishes afterwards. After
    an error or Ctrl-C the target is what it was.

    Parameters
    ----------
    target
        File, or directory of a zarr store, which need not exist. Of a link the file that it points
        to is replaced.
    """
    target = target.resolve()
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}.", suffix=".partial", dir=target.parent
    ) as folder:
        written, former = Path(folder, "written"), Path(folder, "former")
        yield written
        if not written.is_dir():
            os.replace(written, target)
            return
        try:  # No system call in reach puts a directory in the place of another.
            if target.exists():
                target.rename(former)
            written.rename(target)
        finally:
            if former.exists() and not target.exists():
                former.rename(target)
