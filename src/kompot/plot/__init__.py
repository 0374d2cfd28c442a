"""Plots of recorded results: they read what a run stored, draw on Axes and change nothing."""

from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.expression_volcano import VolcanoStyle, volcano, volcano_de
from kompot.plot.gene_panels import GenePanels, plot_gene_expression

__all__ = [
    "KOMPOT_COLORS",
    "GenePanels",
    "VolcanoStyle",
    "plot_gene_expression",
    "volcano",
    "volcano_de",
]
