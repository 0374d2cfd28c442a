"""Names under which groups of cells are stored."""

__all__ = ["stored_group"]


def stored_group(name: object) -> str:
    """A group's name as h5ad and zarr files accept it for a column.

    Users may ask for a group by its own label or by this.

    Parameters
    ----------
    name
        The label.

    Examples
    --------
    >>> stored_group("T/NK cells")
    'T_NK cells'
    """
    clean = str(name).translate(str.maketrans("/\0", "__"))
    return {"": "_", ".": "_", "..": "__", "_index": "_index_"}.get(clean, clean)
