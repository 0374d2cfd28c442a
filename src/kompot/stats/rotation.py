r"""Whether anything changes at all: a rotation test over all regions together.

If no share changes, the rows of residuals and effect, :math:`F = [a/\sqrt u; Q^\top] Z`, are
:math:`df + 1` independent draws of one normal vector over regions, however correlated these are.
Rotations of the rows are then as likely as what was observed, and unlike permutations of the
samples there are infinitely many (Langsrud 2005, *Stat. Comput.* 15, 53; Wu et al. 2010,
*Bioinformatics* 26, 2176).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.stats.design import Contrast
from kompot.stats.fraction_contrast import FractionContrast
from kompot.stats.moderation import two_sided_p
from kompot.stats.multiplicity import cauchy_combination

__all__ = ["RotationTest", "global_p_value", "rotation_directions", "rotation_test"]

Array = NDArray[np.float64]

_SMALLEST_SQUARE = 1e-12
_LARGEST_P = 0.99
"""Larger p-values count as this in the combination."""


@dataclass(frozen=True)
class RotationTest:
    r"""Result of a rotation test.

    Attributes
    ----------
    p_global
        Cauchy combination of the p-values of all regions.
    p_gate
        Share of rotations with as small a combination: the p-value of the complete null.
    p_max
        Share of rotations in which any region has as small a :math:`p / w`, ``(n_regions,)``:
        p-values adjusted for the family of regions. NaN where a region was not tested.
    n_rotations
        How many there were.
    """

    p_global: float
    p_gate: float
    p_max: Array
    n_rotations: int


def global_p_value(p: Array, weights: Array) -> Array:
    """Cauchy combination over regions, ``(..., n_regions)`` with weights ``(n_regions,)``."""
    return cauchy_combination(np.moveaxis(p, -1, 0), weights, largest=_LARGEST_P)


def rotation_directions(
    contrast: Contrast, n_rotations: int, rng: np.random.Generator, order: NDArray[np.intp]
) -> Array:
    """Directions uniform on the sphere of effect and residuals, ``(n_rotations, n_samples)``.

    Normal draws, one per sample, projected: unlike draws in a basis they do not depend on which
    basis of the residuals there is.

    Parameters
    ----------
    contrast
        Contrast of the samples.
    n_rotations
        How many to draw.
    rng
        Source of the draws.
    order
        Order in which samples take the draws, ``(n_samples,)``.
    """
    draws = np.empty((n_rotations, len(order)))
    draws[:, order] = rng.standard_normal((n_rotations, len(order)))
    effect = contrast.weights / np.sqrt(contrast.unit_variance)
    basis = np.column_stack([effect, contrast.residual_basis])
    projected = draws @ basis @ basis.T
    directions: Array = projected / np.linalg.norm(projected, axis=1, keepdims=True)
    return directions


def rotation_test(
    found: FractionContrast, values: Array, contrast: Contrast, directions: Array
) -> RotationTest:
    r"""Compare the observed contrast with its rotations.

    In each rotation :math:`g` the effect is :math:`c_k = g^\top F_k`, the residual variance
    :math:`(|F_k|^2 - c_k^2) / df`, the trend is rescaled to it on average, and p-values and
    their combination follow as for the observed one, with the same degrees of freedom. Exact for
    normal log fractions but for the trend and prior, which are not estimated again.

    Where samples differ in size and weight the effect may vary more than residuals do, by the
    factor :math:`\max(T_k + e_k, f_k) / T_k`: it is divided by its root before it is rotated with
    them, and what comes out is multiplied by it. Where it varies less the test is conservative.

    Parameters
    ----------
    found
        The observed contrast.
    values
        Log fractions :math:`Z`, ``(n_samples, n_regions)``.
    contrast
        Contrast of the samples.
    directions
        Rows :math:`g` in the space of samples, of length 1, within the space of effect and
        residuals (:func:`rotation_directions`), ``(n_rotations, n_samples)``.
    """
    tested = found.testable
    weights, trend = found.weights[tested], found.trend[tested]
    p_global = float(global_p_value(found.p_value[tested], weights))
    unit, df = contrast.unit_variance, contrast.degrees_of_freedom
    excess, floor = found.excess[tested], found.floor[tested]
    spread = np.sqrt(np.maximum(np.maximum(trend + excess, floor) / trend, 1.0))
    shifted = values[:, tested] - found.shift * contrast.weights[:, None] / unit
    observed_effect = contrast.effect(shifted) / unit
    shifted += np.outer(contrast.weights, observed_effect * (1.0 / spread - 1.0))
    length = contrast.effect(shifted) ** 2 / unit + df * contrast.residual_variance(shifted)
    effect = directions @ shifted
    own = np.maximum(length - effect**2, _SMALLEST_SQUARE) / df
    observed = float((weights * found.variance[tested] / trend).sum())
    scale = own @ (weights / trend) / max(observed, _SMALLEST_SQUARE)
    variance, degrees = found.moderation.error(own, trend * scale[:, None], excess, floor)
    p = two_sided_p(effect * spread / np.sqrt(variance), degrees)
    as_small = global_p_value(p, weights) <= p_global
    smallest = np.sort((p / weights).min(axis=1))
    n_smaller = np.searchsorted(smallest, found.p_value[tested] / weights, side="right")
    p_max = np.full(len(tested), np.nan)
    p_max[tested] = (1 + n_smaller) / (len(directions) + 1)
    p_gate = float((1 + as_small.sum()) / (len(directions) + 1))
    return RotationTest(p_global, p_gate, p_max, len(directions))
