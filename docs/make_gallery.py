"""Draw the pictures of real data in the gallery: ``docs/_static/gallery/*.png``.

Usage, with an editable install of the project: python docs/make_gallery.py kang_ifnb.h5ad

The site is built without the data, so the pictures are kept beside its pages. The data are 1,556
human blood cells x 1,267 genes, with (stim) and without (ctrl) interferon-beta, of two donors in
five types of cells (Kang et al. 2018, Nature Biotechnology 36, 89; GEO GSE96583). Every random
draw is seeded. The page ``docs/gallery.md`` shows the functions below as the code of each picture.
"""

# ruff: noqa: D103 the page says what the functions show

import sys
import warnings
from io import BytesIO
from pathlib import Path

import anndata as ad
from anndata import AnnData
from matplotlib.figure import Figure
from PIL import Image

import kompot
from kompot import pl

HERE = Path(__file__).parent / "_static" / "gallery"
RESPONSE = ["ISG15", "IFI6", "IFIT3", "CXCL10", "CCL2", "CCL8", "LYZ", "CD74"]


def analysed(path: str) -> AnnData:
    adata = ad.read_h5ad(path)
    compared = ("condition", "ctrl", "stim")
    options = {"groups": "cell_type", "random_state": 0, "progress": False}
    kompot.compute_differential_expression(
        adata, *compared, sample_col="donor", store_additional_stats=True, **options
    )
    # Two donors leave too little to test abundance between donors: these are the cells at hand.
    kompot.compute_differential_abundance(adata, *compared, **options)
    return adata


def volcano_de(adata: AnnData) -> Figure:
    return pl.volcano_de(
        adata,
        gene_labels=15,
        figsize=(7, 5),
        return_fig=True,
    )


def volcano_de_group(adata: AnnData) -> Figure:
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for group, ax in {"CD14+ Monocytes": left, "CD4 T cells": right}.items():
        pl.volcano_de(adata, group=group, gene_labels=8, title=group, ax=ax)
    return figure


def heatmap(adata: AnnData) -> Figure:
    return pl.heatmap(adata, n_top_genes=12, return_fig=True)


def heatmap_fold_change(adata: AnnData) -> Figure:
    return pl.heatmap(
        adata,
        genes=RESPONSE,
        fold_change_mode=True,
        return_fig=True,
    )


def heatmap_dots(adata: AnnData) -> Figure:
    return pl.heatmap(
        adata,
        genes=RESPONSE,
        split_dot_mode=True,
        return_fig=True,
    )


def dotplot(adata: AnnData) -> Figure:
    return pl.dotplot(
        adata,
        RESPONSE,
        "cell_type",
        return_fig=True,
    )


def plot_gene_expression(adata: AnnData) -> Figure:
    return pl.plot_gene_expression(
        adata,
        "CXCL10",
        figsize=(8.5, 7),
        return_fig=True,
    )


def embedding(adata: AnnData) -> Figure:
    return pl.embedding(
        adata,
        color=["cell_type", "condition", "kompot_da_ctrl_to_stim_lfc", "CXCL10"],
        ncols=2,
        figsize=(10, 7),
        return_fig=True,
    )


def upset(adata: AnnData) -> Figure:
    return pl.upset(
        adata,
        n_intersections=12,
        figsize=(8, 4.5),
        return_fig=True,
    )


def overlap(adata: AnnData) -> Figure:
    return pl.overlap(adata, return_fig=True)


def volcano_da(adata: AnnData) -> Figure:
    return pl.volcano_da(
        adata,
        color="cell_type",
        figsize=(7, 4.5),
        return_fig=True,
    )


def multi_volcano_da(adata: AnnData) -> Figure:
    return pl.multi_volcano_da(
        adata,
        "cell_type",
        return_fig=True,
    )


def qq(adata: AnnData) -> Figure:
    return pl.qq(adata, groups=True, return_fig=True)


PICTURES = (
    *(volcano_de, volcano_de_group, heatmap, heatmap_fold_change, heatmap_dots, dotplot),
    *(plot_gene_expression, embedding, upset, overlap, volcano_da, multi_volcano_da, qq),
)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as a small PNG."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=130, bbox_inches="tight")
    Image.open(drawn).convert("RGB").save(path, optimize=True)


def main() -> int:
    """Analyse the data and draw every picture."""
    # The two donors are too few for tests between donors, as the gallery says.
    warnings.filterwarnings("ignore", category=UserWarning)
    adata = analysed(sys.argv[1])
    HERE.mkdir(parents=True, exist_ok=True)
    for draw in PICTURES:
        path = HERE / f"{draw.__name__}.png"
        save(draw(adata), path)
        print(path.name, f"{path.stat().st_size / 1024:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
