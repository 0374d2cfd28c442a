"""Differential abundance and expression over cell states, with Gaussian processes, on AnnData.

Names are loaded when they are first used, so that ``import kompot`` costs nothing.
"""

__version__ = "0.1.0"
