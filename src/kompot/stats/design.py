r"""Linear models over samples: which contrast of them is asked, and who may answer it.

Each number measured per sample, :math:`z = X\beta + \epsilon`, has one row of the design
:math:`X` per sample. The effect asked is :math:`c^\top\beta`, estimated by :math:`a z` with
:math:`a = c^\top X^+`, of variance :math:`u\,\sigma^2`, :math:`u = a a^\top`; the samples'
own scatter :math:`\|(I - XX^+)z\|^2 / df` estimates :math:`\sigma^2` (Rao 1973, *Linear
Statistical Inference and Its Applications*, section 4a).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Contrast", "Design", "paired_design", "two_group_design"]

Array = NDArray[np.float64]

_TOLERANCE = 1e-9
"""Singular values below this share of the largest are zero; columns have length 1."""
_EXPLORATORY = 2
"""Residual degrees of freedom up to which the tails of p-values are not to be relied on."""


@dataclass(frozen=True)
class Contrast:
    r"""How an effect and its error are read off samples.

    Attributes
    ----------
    weights
        :math:`a`, ``(n_samples,)``: the effect is :math:`a z`.
    residual_basis
        Orthonormal basis :math:`Q` of what the design leaves, ``(n_samples, df)``:
        :math:`I - XX^+ = QQ^\top`.
    """

    weights: Array
    residual_basis: Array

    @property
    def degrees_of_freedom(self) -> int:
        """Samples less the rank of the design, at least 1."""
        return self.residual_basis.shape[1]

    @property
    def unit_variance(self) -> float:
        r"""Variance of the effect if that of a sample is 1, :math:`u = a a^\top`."""
        return float(self.weights @ self.weights)

    def effect(self, values: Array) -> Array:
        r""":math:`a z` of values ``(n_samples, ...)``."""
        effect: Array = np.tensordot(self.weights, values, axes=1)
        return effect

    def noise(self, covariance: Array) -> float:
        r"""Variance :math:`a\,C a^\top` of the effect from noise of the samples' values.

        Parameters
        ----------
        covariance
            :math:`C`, ``(n_samples, n_samples)``.
        """
        return float(self.weights @ covariance @ self.weights)

    def residual_noise(self, covariance: Array) -> float:
        r"""Mean :math:`\mathrm{tr}(Q^\top C\,Q) / df` of the residual variance from such noise.

        An effect has :math:`a\,C a^\top / u` of it, in the same units. They differ if the side with
        fewer samples is the noisier or the quieter one, or if the noise is common to all samples of
        a side.

        Parameters
        ----------
        covariance
            :math:`C`, ``(n_samples, n_samples)``.
        """
        noise = np.sum(self.residual_basis * (covariance @ self.residual_basis))
        return float(noise) / self.degrees_of_freedom

    def of_scaled(self, scale: Array) -> "Contrast":
        r"""The same effect read off values :math:`g_s z_s`, by least squares among these.

        These are generalised least squares of :math:`z` with variances :math:`V =
        \operatorname{diag}(1/g_s^2)` (Aitken 1936, *Proc. R. Soc. Edinb.* 55, 42):
        :math:`a' = a\,(I - VQ\,(Q^\top V Q)^{-1} Q^\top)\operatorname{diag}(1/g)`; the residual
        basis spans :math:`\operatorname{diag}(1/g)\,Q`.

        Parameters
        ----------
        scale
            :math:`g`, positive, ``(n_samples,)``.
        """
        basis = self.residual_basis / scale[:, None]
        part = np.linalg.solve(basis.T @ basis, self.residual_basis.T)
        weights = (self.weights - ((self.weights / scale) @ basis) @ part) / scale
        return Contrast(weights, np.linalg.qr(basis)[0])

    def residual_variance(self, values: Array) -> Array:
        r"""Variance of a sample about the design, :math:`\|Q^\top z\|^2 / df`.

        Parameters
        ----------
        values
            :math:`z`, ``(n_samples, ...)``.
        """
        residual = np.tensordot(self.residual_basis.T, values, axes=1)
        return np.square(residual).sum(axis=0) / self.degrees_of_freedom


@dataclass(frozen=True)
class Design:
    """Samples, the columns that explain them, and the contrast of columns that is asked.

    Attributes
    ----------
    matrix
        :math:`X`, ``(n_samples, n_columns)``, finite.
    contrast
        :math:`c`, ``(n_columns,)``, not all zero.
    columns
        Names of the columns.
    samples
        Names of the samples, in the order of the rows.
    """

    matrix: Array
    contrast: Array
    columns: tuple[str, ...]
    samples: tuple[str, ...]

    def __post_init__(self) -> None:
        shape = len(self.samples), len(self.columns)
        if self.matrix.shape != shape or self.contrast.shape != shape[1:]:
            msg = (
                f"`matrix` must be (n_samples, n_columns) = {shape} and `contrast` {shape[1:]}, "
                f"got {self.matrix.shape} and {self.contrast.shape}."
            )
            raise ValueError(msg)
        if not (np.isfinite(self.matrix).all() and np.isfinite(self.contrast).all()):
            msg = "`matrix` and `contrast` must be finite."
            raise ValueError(msg)
        if not self.contrast.any():
            msg = "`contrast` is all zero; it must name a combination of the columns."
            raise ValueError(msg)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.samples)

    @property
    def degrees_of_freedom(self) -> int:
        """All samples less the rank of the design; may be 0."""
        return self.n_samples - _decompose(self.matrix)[1]

    @property
    def exploratory(self) -> bool:
        """Whether so few degrees of freedom are left (2 or 1) that p-values are a first look."""
        return self.degrees_of_freedom <= _EXPLORATORY

    @property
    def second_side(self) -> NDArray[np.bool_]:
        """Samples of which :math:`Xc` is in the upper half of its range; of two conditions, 2."""
        values = self.matrix @ self.contrast
        return np.asarray(values > 0.5 * (values.min() + values.max()))

    @property
    def contributing(self) -> NDArray[np.bool_]:
        """Samples that say anything: not those with a column of their own, or unpaired ones."""
        contrast = self.contrast_of()
        if contrast is None:
            return np.ones(self.n_samples, dtype=bool)
        says = np.column_stack([contrast.weights, contrast.residual_basis])
        return np.asarray(np.abs(says).max(axis=1) > _TOLERANCE * np.abs(says).max())

    def contrast_of(self, taking_part: NDArray[np.bool_] | None = None) -> Contrast | None:
        r"""The contrast among some samples, or None if they cannot answer it.

        They cannot if :math:`a X \ne c` (the effect cannot be told from another column) or no
        degree of freedom is left.

        Parameters
        ----------
        taking_part
            Which samples, ``(n_samples,)``; None for all.
        """
        matrix = self.matrix if taking_part is None else self.matrix[taking_part]
        if len(matrix) < 2:
            return None
        left, rank, pseudo_inverse = _decompose(matrix)
        weights = self.contrast @ pseudo_inverse
        scale = np.abs(self.contrast).max()
        estimable = np.abs(weights @ matrix - self.contrast).max() <= 1e-6 * scale
        if not estimable or rank == len(matrix):
            return None
        return Contrast(weights, left[:, rank:])

    def testing(self, values: Array, name: str) -> "Design":
        """The design with one more column, and that column's coefficient as the contrast.

        Parameters
        ----------
        values
            The column, ``(n_samples,)``.
        name
            Its name.
        """
        return Design(
            np.column_stack([self.matrix, values]),
            np.append(np.zeros(len(self.columns)), 1.0),
            (*self.columns, name),
            self.samples,
        )

    def with_random_covariates(self, n_draws: int, seed: int | None = 0) -> "Iterator[Design]":
        r"""Designs with a covariate that means nothing, whose coefficient is the contrast.

        :math:`\epsilon \sim N(0, I)`, made orthogonal to the design: the effects of the conditions
        stay in the model. Numbers are drawn in the order of the samples' names, so that the order
        of the samples does not matter.

        Parameters
        ----------
        n_draws
            How many.
        seed
            Of the draws.

        Yields
        ------
        The designs; none if the contrast cannot be estimated.
        """
        everyone = self.contrast_of()
        if everyone is None:
            return
        rng, order = np.random.default_rng(seed), np.argsort(np.argsort(self.samples))
        basis = everyone.residual_basis
        for number in range(n_draws):
            noise = basis @ (basis.T @ rng.normal(size=self.n_samples)[order])
            yield self.testing(noise / noise.std(), f"random covariate {number}")


def two_group_design(
    condition: ArrayLike,
    *,
    covariates: Mapping[str, ArrayLike] | None = None,
    samples: Sequence[str] | None = None,
) -> Design:
    """Difference between two groups of independent samples, condition 2 less condition 1.

    One column per condition, and those of the covariates.

    Parameters
    ----------
    condition
        0 or 1 for each sample, ``(n_samples,)``.
    covariates
        Name to one value per sample, ``(n_samples,)``: numbers as they are, anything else (text,
        booleans) as one column per level but the first. Constant ones add nothing.
    samples
        Names of the samples; by default their numbers.

    Raises
    ------
    ValueError
        If a condition has fewer than 2 samples, or the covariates leave the effect undetermined
        or no degree of freedom.
    """
    groups = _conditions(condition)
    counts = np.bincount(groups, minlength=2)
    if counts.min() < 2:
        msg = (
            f"The conditions have {counts[0]} and {counts[1]} samples, but at least 2 in each are "
            "needed: from one sample the variation between samples cannot be known."
        )
        raise ValueError(msg)
    columns = {f"condition{c + 1}": (groups == c).astype(float) for c in range(2)}
    contrast = {"condition1": -1.0, "condition2": 1.0}
    return _answerable(_assemble(columns, contrast, covariates, samples))


def paired_design(
    condition: ArrayLike,
    donors: ArrayLike,
    *,
    covariates: Mapping[str, ArrayLike] | None = None,
    samples: Sequence[str] | None = None,
) -> Design:
    """Difference within donors, condition 2 less condition 1.

    One column per donor, one for condition 2, and those of the covariates.

    Parameters
    ----------
    condition
        0 or 1 for each sample, ``(n_samples,)``.
    donors
        Donor of each sample, ``(n_samples,)``. Those in one condition only tell nothing about
        the difference.
    covariates, samples
        As for :func:`two_group_design`. What is constant within donors adds nothing.

    Raises
    ------
    ValueError
        If fewer than 2 donors are in both conditions, or the covariates leave the effect
        undetermined or no degree of freedom.
    """
    groups = _conditions(condition)
    labels, codes = np.unique(np.asarray(donors).astype(str), return_inverse=True)
    if len(codes) != len(groups):
        msg = f"`donors` has {len(codes)} values but there are {len(groups)} samples."
        raise ValueError(msg)
    both = np.intersect1d(codes[groups == 0], codes[groups == 1])
    if len(both) < 2:
        msg = (
            f"{len(both)} of {len(labels)} donors have samples in both conditions, but a paired "
            "comparison needs at least 2; name the column of donors by `donor_col` if samples have "
            "others, or use `paired=False` to compare the groups."
        )
        raise ValueError(msg)
    columns = {f"donor {name}": (codes == d).astype(float) for d, name in enumerate(labels)}
    columns["condition2"] = groups.astype(float)
    return _answerable(_assemble(columns, {"condition2": 1.0}, covariates, samples))


def _decompose(matrix: Array) -> tuple[Array, int, Array]:
    """All left singular vectors, rank and pseudo-inverse, whatever the units of the columns."""
    length = np.linalg.norm(matrix, axis=0)
    length[length == 0] = 1.0
    left, values, right = np.linalg.svd(matrix / length)
    rank = int((values > _TOLERANCE * values[0]).sum()) if values.size and values[0] > 0 else 0
    pseudo_inverse = (right[:rank].T / values[:rank]) @ left[:, :rank].T
    return left, rank, pseudo_inverse / length[:, None]


def _conditions(condition: ArrayLike) -> NDArray[np.intp]:
    groups = np.asarray(condition)
    if groups.ndim != 1 or not np.isin(groups, (0, 1)).all():
        msg = f"`condition` must be 0 or 1 for each sample, got {groups!r}."
        raise ValueError(msg)
    return groups.astype(np.intp)


def _assemble(
    columns: dict[str, Array],
    contrast: Mapping[str, float],
    covariates: Mapping[str, ArrayLike] | None,
    samples: Sequence[str] | None,
) -> Design:
    n_samples = len(next(iter(columns.values())))
    for name, values in (covariates or {}).items():
        columns |= _covariate_columns(name, values, n_samples)
    names = tuple(map(str, range(n_samples) if samples is None else samples))
    return Design(
        np.column_stack(list(columns.values())),
        np.array([contrast.get(name, 0.0) for name in columns]),
        tuple(columns),
        names,
    )


def _covariate_columns(name: str, values: ArrayLike, n_samples: int) -> dict[str, Array]:
    """Columns of a covariate: numbers centred, levels but the first as 0 and 1."""
    array = np.asarray(values)
    if array.shape != (n_samples,):
        msg = f"The covariate {name!r} has shape {array.shape}; one value per sample is needed."
        raise ValueError(msg)
    if array.dtype.kind in "fiu":
        if not np.isfinite(array).all():
            msg = f"The covariate {name!r} is missing or infinite for some samples."
            raise ValueError(msg)
        centred = array - array.mean(dtype=float)
        spread = np.abs(centred).max()
        constant = spread <= _TOLERANCE * np.abs(array).max()
        return {} if constant else {f"covariate {name}": centred / spread}
    levels, codes = np.unique(array.astype(str), return_inverse=True)
    return {
        f"covariate {name}={level}": (codes == number).astype(float)
        for number, level in enumerate(levels)
        if number > 0
    }


def _answerable(design: Design) -> Design:
    """Refuse a design in which the effect cannot be told or tested."""
    if design.contrast_of() is not None:
        return design
    rank = design.n_samples - design.degrees_of_freedom
    if design.degrees_of_freedom < 1:
        reason = f"{rank} independent columns leave no degree of freedom for the error"
    else:
        reason = "the effect cannot be told from the other columns"
    msg = (
        f"With {design.n_samples} samples and the columns {list(design.columns)} {reason}; "
        "leave out covariates or add samples."
    )
    raise ValueError(msg)
