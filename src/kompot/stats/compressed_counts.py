r"""Counts compressed where they are large, so that no cell outweighs all others of its sample.

.. math:: g(y) = s \log(1 + y/s), \quad g^{-1}(m) = s\,(e^{m/s} - 1), \quad s = 16.

Means of :math:`g(y)`, expanded again, are arithmetic means of small counts, which do not depend on
the depth of sequencing, and geometric means of large ones, which do not hang on a few cells: they
are quasi-arithmetic means (Kolmogorov 1930; Hardy, Littlewood & Polya 1934, section 3.1). In blood
cells divided at random, four red ones among 1,556 had up to 1,891 counts of HBB: by arithmetic
means it was called in 8 of 40 divisions, compressed in none.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["compressed", "expanded", "expansion"]

Array = NDArray[np.float64]

_KNEE = 16.0
"""With 4, half the depth in one condition made 1.4 times as many p-values below 0.05 as it should
of genes with 3 counts in a cell; from 16 on none too many."""


def compressed(counts: Array, unit: float = 1.0) -> Array:
    """Compressed counts, of any shape.

    Parameters
    ----------
    counts
        Counts, or what they were scaled to.
    unit
        What one count was scaled to.
    """
    found: Array = np.log1p(counts * (1.0 / (_KNEE * unit)))
    found *= _KNEE
    return found


def expanded(values: Array) -> Array:
    """Counts of compressed ones, of any shape."""
    found: Array = np.expm1(values / _KNEE)
    found *= _KNEE
    return found


def expansion(values: Array) -> Array:
    r"""Derivative of :func:`expanded`, :math:`e^{m/s}`."""
    return np.asarray(np.exp(values / _KNEE))
