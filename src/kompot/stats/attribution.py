r"""What a change of mean expression is made of: cells that moved, and states that changed."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["decompose_change"]

Array = NDArray[np.float64]


def decompose_change(
    mean_features1: Array, mean_features2: Array, weights1: Array, weights2: Array
) -> tuple[Array, Array]:
    r"""Split a change of mean smoothed expression into composition and expression.

    The mean over the cells of condition :math:`c` of their own smoothed expression is
    :math:`\bar\phi_c v_c`. The change between the conditions is the sum of two parts,

    .. math:: \bar\phi_2 v_2 - \bar\phi_1 v_1 =
        \underbrace{(\bar\phi_2 - \bar\phi_1)\,\tfrac{v_1 + v_2}{2}}_{\text{composition}} +
        \underbrace{\tfrac{\bar\phi_1 + \bar\phi_2}{2}\,(v_2 - v_1)}_{\text{expression}}.

    The first is what moving the cells does while each state expresses what it does on average, the
    second what changing the expression of each state does while the cells stay where they are on
    average (Kitagawa 1955, *J. Am. Stat. Assoc.* 50, 1168; symmetric form of the Oaxaca-Blinder
    decomposition). Exchanging the conditions changes the sign of both.

    Parameters
    ----------
    mean_features1, mean_features2
        Mean features :math:`\bar\phi_c` of the cells of each condition, ``(rank,)``.
    weights1, weights2
        Weights :math:`v_c` of the smoothed expression, ``(rank, n_genes)``, natural log.

    Returns
    -------
    Composition and expression, ``(n_genes,)`` each, natural log.
    """
    moved, place = mean_features2 - mean_features1, (mean_features1 + mean_features2) / 2.0
    composition: Array = (moved @ weights1 + moved @ weights2) / 2.0
    expression: Array = place @ weights2 - place @ weights1
    return composition, expression
