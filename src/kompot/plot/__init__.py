"""Plots of recorded results: they read what a run stored, draw on Axes and change nothing."""

from kompot.plot.abundance_strips import multi_volcano_da
from kompot.plot.abundance_volcano import volcano_da
from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.direction_shares import direction_barplot
from kompot.plot.embeddings import embedding
from kompot.plot.expression_volcano import volcano_de
from kompot.plot.gene_panels import GenePanels, plot_gene_expression
from kompot.plot.volcanoes import VolcanoStyle, volcano

__all__ = [
    "KOMPOT_COLORS",
    "GenePanels",
    "VolcanoStyle",
    "direction_barplot",
    "embedding",
    "multi_volcano_da",
    "plot_gene_expression",
    "volcano",
    "volcano_da",
    "volcano_de",
]
