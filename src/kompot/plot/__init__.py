"""Plots of recorded results: they read what a run stored, draw on Axes and change nothing."""

from kompot.plot.abundance_strips import multi_volcano_da
from kompot.plot.abundance_volcano import volcano_da
from kompot.plot.colors import KOMPOT_COLORS
from kompot.plot.diagnostic_panels import DiagnosticPanels, diagnostics
from kompot.plot.direction_shares import direction_barplot
from kompot.plot.dotplots import DotPlot, dotplot
from kompot.plot.embeddings import embedding
from kompot.plot.expression_volcano import volcano_de
from kompot.plot.gene_panels import GenePanels, plot_gene_expression
from kompot.plot.gene_sets import UpsetPlot, called_sets, overlap, upset
from kompot.plot.heatmaps import HeatmapResult, heatmap
from kompot.plot.lollipops import lollipop
from kompot.plot.quantiles import qq
from kompot.plot.smoothing_panels import SmoothingPanels, plot_smoothing
from kompot.plot.trajectories import trajectory
from kompot.plot.volcanoes import VolcanoStyle, volcano

__all__ = [
    "KOMPOT_COLORS",
    "DiagnosticPanels",
    "DotPlot",
    "GenePanels",
    "HeatmapResult",
    "SmoothingPanels",
    "UpsetPlot",
    "VolcanoStyle",
    "called_sets",
    "diagnostics",
    "direction_barplot",
    "dotplot",
    "embedding",
    "heatmap",
    "lollipop",
    "multi_volcano_da",
    "overlap",
    "plot_gene_expression",
    "plot_smoothing",
    "qq",
    "trajectory",
    "upset",
    "volcano",
    "volcano_da",
    "volcano_de",
]
