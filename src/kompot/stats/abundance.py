"""How surely cells became more or less abundant, from log fold changes of the density."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from kompot.gp.cell_order import evenly_spaced
from kompot.gp.linalg import row_slices
from kompot.memory.abundance import FITTED_CELLS, SHRUNK_CELLS

__all__ = [
    "DIRECTIONS",
    "Shrinkage",
    "abundance_direction",
    "adaptive_shrinkage",
    "neg_log10_tail",
    "ratio_offset",
]

Array = NDArray[np.float64]

DIRECTIONS = ("up", "neutral", "down")
"""Directions of change, in their order."""

_OFFSET_SD = 3.0
"""Prior standard deviation of the offset, natural log."""
_OFFSET_STEPS = 100
_NULL_COUNT = 10.0
"""Observations of no change that the fit of the prior is given beforehand (Stephens 2017)."""
_EM_STEPS = 2000
_EM_GOAL = 1e-7
_FIRST_WEIGHT = 1e-3
"""Of each component with effects; starting near no effect the fit needs fewer steps."""


def neg_log10_tail(zscore: Array) -> Array:
    r""":math:`-\log_{10}\Phi(-|z|)`: the posterior probability of the other sign.

    One-sided, between :math:`\log_{10} 2` and as large as z asks: computed in logs, it does not
    overflow. Any shape.
    """
    tail: Array = log_ndtr(-np.abs(zscore)) / -np.log(10.0)
    return tail


def abundance_direction(
    lfc: Array, neg_log10_ptp: Array, lfc_threshold: float, ptp_threshold: float
) -> NDArray[np.object_]:
    """Direction of change of each cell: ``"up"``, ``"down"`` or ``"neutral"``.

    Parameters
    ----------
    lfc
        Log fold change, ``(n_cells,)``, natural log.
    neg_log10_ptp
        Minus log10 of its tail probability, ``(n_cells,)``.
    lfc_threshold
        An absolute change counts above it, natural log.
    ptp_threshold
        A tail probability counts below it.
    """
    with np.errstate(divide="ignore"):
        counts = (np.abs(lfc) > lfc_threshold) & (neg_log10_ptp > -np.log10(ptp_threshold))
    direction = np.full(lfc.shape, "neutral", dtype=object)
    direction[counts & (lfc > 0)] = "up"
    direction[counts & (lfc < 0)] = "down"
    return direction


def ratio_offset(lfc: Array, n_cells1: int, n_cells2: int) -> tuple[float, Array]:
    r"""What to add to a log density ratio so that it is one of two normalised densities.

    Given the ratio :math:`e^{lfc}`, a cell at a place belongs to condition 2 with probability
    :math:`q = \sigma(lfc + b + \log n_2 - \log n_1)`, and over all cells these must sum to
    :math:`n_2`. The equation for :math:`b` holds for the true ratio with :math:`b = 0`.
    A weak prior :math:`b \sim N(0, 3^2)` decides where the conditions do not overlap.

    Parameters
    ----------
    lfc
        Log ratio of density 2 to density 1 at the cells of both conditions, ``(n_cells,)``.
    n_cells1, n_cells2
        Numbers of cells of the conditions.

    Returns
    -------
    offset
        :math:`b`; of exactly opposite sign if the conditions are exchanged.
    weights
        :math:`q (1 - q)` normalised to sum 1, ``(n_cells,)``: the offset changes by minus their
        mean of a change of ``lfc``.
    """
    log_odds = lfc + (np.log(n_cells2) - np.log(n_cells1))
    excess = (n_cells2 - n_cells1) / 2.0
    offset = 0.0
    for _ in range(_OFFSET_STEPS):
        half = 0.5 * np.tanh(0.5 * (log_odds + offset))  # q - 1/2, an odd function
        slope = float((0.25 - half**2).sum()) + _OFFSET_SD**-2
        step = (float(half.sum()) - excess + offset * _OFFSET_SD**-2) / slope
        offset -= float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-12:
            break
    weights = 0.25 - np.square(0.5 * np.tanh(0.5 * (log_odds + offset)))
    return offset, weights / max(float(weights.sum()), np.finfo(float).tiny)


@dataclass(frozen=True)
class Shrinkage:
    r"""Posterior of effects under a prior learned from all of them, every array ``(n_cells,)``.

    Attributes
    ----------
    mean, sd
        Posterior mean and standard deviation.
    lfsr
        Local false sign rate: posterior probability that the sign is not that of the mean,
        zero counted as wrong.
    svalue
        Expected share of wrong signs among the cells with this or a smaller ``lfsr``.
    null_share
        Prior probability of no effect.
    scales, weights
        Standard deviations of the prior's components, from zero, and their probabilities,
        ``(n_components,)``.
    """

    mean: Array
    sd: Array
    lfsr: Array
    svalue: Array
    null_share: float
    scales: Array
    weights: Array


def adaptive_shrinkage(effects: Array, standard_errors: Array) -> Shrinkage:
    r"""Local false sign rates and s-values by adaptive shrinkage.

    :math:`\hat\beta_i \sim N(\beta_i, s_i^2)` with a prior :math:`\beta_i \sim \sum_k \pi_k
    N(0, \sigma_k^2)` of fixed scales :math:`0 = \sigma_0 < \sigma_1 < \dots` (a grid of ratio
    :math:`\sqrt2`) whose weights maximise the likelihood with ten observations of no effect added
    (Stephens 2017, *Biostatistics* 18, 275). Neighbouring cells share their errors: rates are
    right for each cell, while the *number* of cells called varies more than for independent ones.

    Parameters
    ----------
    effects
        Log fold changes, ``(n_cells,)``.
    standard_errors
        Their standard deviations, ``(n_cells,)``, positive.

    Raises
    ------
    ValueError
        If shapes differ, numbers are not finite or a standard error is not positive.
    """
    if effects.shape != standard_errors.shape or effects.ndim != 1 or not len(effects):
        msg = (
            "`effects` and `standard_errors` must be non-empty vectors of one length, got shapes "
            f"{effects.shape} and {standard_errors.shape}."
        )
        raise ValueError(msg)
    if not (np.isfinite(effects).all() and np.isfinite(standard_errors).all()):
        msg = "`effects` and `standard_errors` must be finite; leave cells without them out."
        raise ValueError(msg)
    if (standard_errors <= 0).any():
        msg = f"`standard_errors` must be positive, the smallest is {standard_errors.min():g}."
        raise ValueError(msg)
    scales = _scale_grid(effects, standard_errors)
    cells = np.arange(len(effects))
    if len(cells) > FITTED_CELLS:
        by_z = np.lexsort((effects, effects / standard_errors))
        cells = by_z[evenly_spaced(len(cells), FITTED_CELLS)]
    weights = _fit_weights(effects[cells], standard_errors[cells], scales)
    parts = [
        _shrink(effects[rows], standard_errors[rows], scales, weights)
        for rows in row_slices(len(effects), SHRUNK_CELLS)
    ]
    mean, sd, lfsr = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Shrinkage(mean, sd, lfsr, _svalues(lfsr), float(weights[0]), scales, weights)


def _scale_grid(effects: Array, errors: Array) -> Array:
    """Standard deviations of the prior's components, the first zero."""
    smallest = errors.min() / 10.0
    largest = 2.0 * np.sqrt(max(float((effects**2 - errors**2).max()), (8.0 * smallest) ** 2))
    n_steps = int(np.ceil(2.0 * np.log2(largest / smallest)))
    return np.r_[0.0, largest * 2.0 ** (-0.5 * np.arange(n_steps, -1, -1))]


def _log_likelihood(effects: Array, errors: Array, scales: Array) -> Array:
    """Log density of each effect under each component, up to a constant ``(n, n_components)``."""
    variance = errors[:, None] ** 2 + scales**2
    return -0.5 * (np.log(variance) + effects[:, None] ** 2 / variance)


def _fit_weights(effects: Array, errors: Array, scales: Array) -> Array:
    """Penalised maximum-likelihood weights by expectation-maximisation."""
    log_likelihood = _log_likelihood(effects, errors, scales)
    likelihood = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    weights = np.full(len(scales), _FIRST_WEIGHT)
    weights[0] = 1.0 - weights[1:].sum()
    for _ in range(_EM_STEPS):
        per_cell = 1.0 / (likelihood @ weights)
        updated = weights * (per_cell @ likelihood)
        updated[0] += _NULL_COUNT
        updated /= updated.sum()
        change = np.abs(updated - weights).max()
        weights = updated
        if change < _EM_GOAL:
            break
    return weights


def _shrink(
    effects: Array, errors: Array, scales: Array, weights: Array
) -> tuple[Array, Array, Array]:
    """Posterior mean, standard deviation and local false sign rate."""
    used = weights > 0
    scales, weights = scales[used], weights[used]
    log_joint = _log_likelihood(effects, errors, scales) + np.log(weights)
    share = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    factor = scales**2 / (errors[:, None] ** 2 + scales**2)
    means = factor * effects[:, None]
    variances = factor * errors[:, None] ** 2
    mean = (share * means).sum(axis=1)
    second = (share * (variances + means**2)).sum(axis=1)
    sd = np.sqrt(np.maximum(second - mean**2, 0.0))
    ratio = np.divide(
        -np.abs(means), np.sqrt(variances), out=np.zeros_like(means), where=scales > 0
    )
    wrong = np.where(scales > 0, np.exp(log_ndtr(ratio)), 1.0)
    return mean, sd, np.minimum((share * wrong).sum(axis=1), 1.0)


def _svalues(lfsr: Array) -> Array:
    """Mean rate among the cells with this or a smaller rate, equal rates alike."""
    order = np.argsort(lfsr, kind="stable")
    ordered = lfsr[order]
    running = np.cumsum(ordered) / np.arange(1, len(lfsr) + 1)
    last = np.searchsorted(ordered, ordered, side="right") - 1
    svalue = np.empty_like(lfsr)
    svalue[order] = running[last]
    return svalue
