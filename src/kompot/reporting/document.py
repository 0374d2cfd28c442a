"""Writing a page about recorded results to a file."""

from os import PathLike
from pathlib import Path

from anndata import AnnData

from kompot.replacement import replaced

__all__ = ["report"]


def report(
    adata: AnnData,
    path: str | PathLike[str],
    *,
    groupby: str | None = None,
    basis: str | None = None,
    n_genes: int = 6,
    title: str | None = None,
    de_run: int = -1,
    da_run: int = -1,
) -> Path:
    """Write one HTML page about recorded results, to read, to search and to send.

    It holds all figures, the whole gene table and the scripts, and loads nothing from the network.
    Parts for which the data hold no results say so.

    Parameters
    ----------
    adata
        Data with results of :func:`kompot.compute_differential_expression`, of
        :func:`kompot.compute_differential_abundance`, or of both; not changed.
    path
        File to write, ``.html`` or ``.htm``; an existing file is replaced once all is written.
    groupby
        Column of ``adata.obs`` with groups of cells; None for those of a run, else a column with
        one of the usual names (``cell_type``, ``leiden``, ...).
    basis
        Key of ``adata.obsm`` to draw cells on; None for UMAP or another of the usual ones.
    n_genes
        How many of the strongest genes have figures of their own.
    title
        Title of the page; None for the compared conditions.
    de_run, da_run
        Numbers of the runs of expression and abundance from 0, or from the end if negative.

    Returns
    -------
    The path.

    Raises
    ------
    ValueError, TypeError
        If no run is recorded, or an argument cannot be used; nothing is written.
    """
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        msg = f"'path' must end in .html or .htm, got {str(target)!r}."
        raise ValueError(msg)
    if not target.resolve().parent.is_dir():
        msg = f"'path': the directory {str(target.resolve().parent)!r} does not exist."
        raise ValueError(msg)
    if isinstance(n_genes, bool) or not isinstance(n_genes, int):
        msg = f"'n_genes' must be a whole number, got {n_genes!r}."
        raise TypeError(msg)
    if n_genes < 0:
        msg = f"'n_genes' must be at least 0, got {n_genes}."
        raise ValueError(msg)
    for name in ("obs_names", "var_names"):
        if not all(isinstance(one, str) for one in getattr(adata, name)):
            msg = f"adata.{name} must be text; give adata.{name} = adata.{name}.astype(str) first."
            raise ValueError(msg)
    # Figures need seconds to load, which `import kompot` should not cost.
    from kompot.reporting.page import page
    from kompot.reporting.subject import read_subject

    text = page(read_subject(adata, de_run, da_run, groupby, basis, n_genes, title))
    with replaced(target) as written:
        written.write_text(text, encoding="utf-8")
    return target
