"""Expression of two conditions from functions that were fitted elsewhere."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.cell_order import evenly_spaced, lexicographic_order
from kompot.gp.linalg import leading_directions, row_slices
from kompot.models.arrays import as_states
from kompot.models.expression_prediction import predict_batches
from kompot.models.given_function import values_of
from kompot.settings import ModelSettings
from kompot.stats.mahalanobis import mahalanobis

__all__ = ["MOST_POINTS", "GivenExpression", "GivenFunction", "given_expression"]

Array = NDArray[np.float64]

MOST_POINTS = 1000
"""Cells at which distances are measured if there are no landmarks, or in a group."""
_MOST_NUMBERS = 5e7
"""Numbers that covariances of single genes may hold: 400 MB."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenFunction:
    """The function of one condition and what is known of its variances.

    Attributes
    ----------
    number
        1 or 2, the condition.
    mean
        Gives expression ``(n_cells, n_genes)``.
    spread
        Has a method ``covariance(X, diag=...)``; None if nothing does.
    observation, samples
        Give the variance of single cells and between samples; None if not known.
    """

    number: int
    mean: Any
    spread: Any = None
    observation: Any = None
    samples: Any = None

    @classmethod
    def of(cls, models: ModelSettings, number: int) -> "GivenFunction":
        """What is given for a condition: a model that has everything, or predictors."""
        model = getattr(models, f"model{number}")
        if model is not None:
            return cls(
                number,
                model,
                model if hasattr(model, "covariance") else None,
                model.obs_variance if getattr(model, "has_empirical_variance", False) else None,
                model.sample_variance if getattr(model, "has_sample_variance", False) else None,
            )
        mean = getattr(models, f"function_predictor{number}")
        return cls(
            number,
            mean,
            mean if hasattr(mean, "covariance") else None,
            getattr(models, f"obs_variance_predictor{number}"),
            getattr(models, f"variance_predictor{number}"),
        )

    @property
    def landmarks(self) -> Array | None:
        """Landmarks of the function, ``(n_landmarks, n_dims)``, if it has any."""
        for owner in (self.mean, getattr(self.mean, "features_", None)):
            found = getattr(owner, "landmarks", None)
            if found is not None and np.ndim(found) == 2:
                return np.asarray(found, dtype=np.float64)
        return None

    def values(self, states: Array) -> Array:
        """Expression at cell states, ``(n_cells, n_genes)``."""
        return values_of(self.mean, states, f"function_predictor{self.number}")

    def variance(self, states: Array) -> Array | None:
        """All variances that are known, ``(n_cells, 1)`` or ``(n_cells, n_genes)``."""
        total: Array | None = None
        parts = [("variance_predictor", self.samples), ("obs_variance_predictor", self.observation)]
        for name, predictor in parts:
            if predictor is not None:
                part = values_of(predictor, states, f"{name}{self.number}", diag=True)
                if (part < 0).any():
                    msg = f"`{name}{self.number}` gave negative variances."
                    raise ValueError(msg)
                total = part if total is None else total + part
        if self.spread is not None:
            own = np.asarray(self.spread.covariance(states, diag=True), dtype=np.float64)
            own = own.reshape(len(states), -1)
            total = own if total is None else total + own
        return total

    def covariance(self, states: Array) -> Array:
        """Posterior covariance between cells, ``(n_cells, n_cells)``."""
        return np.asarray(self.spread.covariance(states, diag=False), dtype=np.float64)

    def sample_covariance(self, states: Array) -> Array | None:
        """Covariance between samples, ``(n_cells, n_cells, n_genes)``; None if not known."""
        if self.samples is None:
            return None
        predict = getattr(self.samples, "predict", self.samples)
        values = np.asarray(predict(states, diag=False), dtype=np.float64)
        if values.ndim != 3 or values.shape[:2] != (len(states),) * 2:
            msg = (
                f"`variance_predictor{self.number}` with diag=False must give the covariance "
                f"between {len(states)} cells for every gene, (n_cells, n_cells, n_genes); got "
                f"shape {values.shape}."
            )
            raise ValueError(msg)
        return values


@dataclass(frozen=True)
class GivenExpression:
    r"""The comparison of two given functions.

    The fold change is :math:`f_2(x) - f_1(x)`. A standard deviation is the root of all variances
    that are known of a condition: of its posterior, between samples and of single cells. Distances
    are

    .. math:: D_g = \sqrt{\delta_g^\top (\Sigma_1 + \Sigma_2 + \varepsilon I)^{-1} \delta_g}

    with the fold changes :math:`\delta_g` and posterior covariances :math:`\Sigma_c` at points: the
    landmarks of the functions (of both, if they have different ones), else up to 1,000 of the
    cells; with variances between samples, :math:`\Sigma_c` is each gene's own and points are as
    few as memory asks for. Only the covariances of functions that have a method ``covariance`` are
    known; without them there are no distances.

    Attributes
    ----------
    functions
        The function of each condition.
    eps
        Jitter.
    batch_size
        Cells at a time; None or 0 for all.
    landmarks
        Points at which distances are measured, instead of those above.
    genes, null
        Columns of the functions that are genes, and that are known not to differ; None for all
        and none.
    """

    functions: tuple[GivenFunction, GivenFunction]
    eps: float = 1e-8
    batch_size: int | None = 500
    landmarks: Array | None = None
    genes: NDArray[np.intp] | None = None
    null: NDArray[np.intp] | None = None

    @property
    def has_distances(self) -> bool:
        """Whether covariances are known."""
        return all(function.spread is not None for function in self.functions)

    @property
    def has_variances(self) -> bool:
        """Whether any variance is known of both conditions."""
        return all(
            any(one is not None for one in (f.spread, f.samples, f.observation))
            for f in self.functions
        )

    @property
    def is_varied(self) -> bool:
        """Whether variances are those of each gene."""
        return any(f.samples is not None or f.observation is not None for f in self.functions)

    def values(self, states: Array) -> tuple[Array, Array]:
        """Expression of both conditions in all columns, ``(n_cells, n_columns)`` each."""
        first, second = (function.values(states) for function in self.functions)
        if first.shape != second.shape:
            msg = (
                f"The functions of the conditions have {first.shape[1]} and {second.shape[1]} "
                "genes; they must have the same."
            )
            raise ValueError(msg)
        return first, second

    def predict_chunk(self, states: Array, genes: bool = True) -> dict[str, Array]:
        """Standard deviations and, unless declined, both functions of the genes at some cells."""
        part: dict[str, Array] = {}
        chosen = slice(None) if self.genes is None else self.genes
        for function in self.functions:
            variance = function.variance(states)
            std = np.full(len(states), np.nan)
            if variance is not None:
                wide = np.sqrt(variance + self.eps)
                std = wide[:, 0] if wide.shape[1] == 1 else wide[:, chosen]
            part[f"condition{function.number}_std"] = std
        if genes:
            first, second = self.values(states)
            if self.is_varied:
                for number in (1, 2):
                    std = part[f"condition{number}_std"]
                    if std.ndim == 1:
                        wide = np.broadcast_to(std[:, None], first[:, chosen].shape)
                        part[f"condition{number}_std"] = wide.copy()
            part["condition1_imputed"], part["condition2_imputed"] = (
                first[:, chosen],
                second[:, chosen],
            )
            part["fold_change"] = part["condition2_imputed"] - part["condition1_imputed"]
        return part

    def predict(
        self, X_new: ArrayLike, compute_mahalanobis: bool = False, progress: bool = True
    ) -> dict[str, Array]:
        """Both functions and their difference at cell states, as a fitted comparison gives them.

        ``ptp`` is NaN: a tail probability needs the data.
        """
        states = as_states(X_new, "X_new")
        result = predict_batches(self.predict_chunk, states, self.batch_size, progress=progress)
        if compute_mahalanobis:
            distance, _ = self.distances(states)
            result["mahalanobis_distances"] = distance
            result["ptp"] = np.full(len(distance), np.nan)
        return result

    def covariance(self, X: ArrayLike) -> Array:
        """Posterior covariance of the fold change between cells, ``(n_cells, n_cells)``."""
        self._require_covariance()
        states = as_states(X, "X")
        return self.functions[0].covariance(states) + self.functions[1].covariance(states)

    def chunks(self, states: Array) -> Iterator[tuple[slice, Array, Array]]:
        """Rows and both conditions' expression of the genes at them."""
        chosen = slice(None) if self.genes is None else self.genes
        for rows in row_slices(len(states), self.batch_size):
            first, second = self.values(states[rows])
            yield rows, first[:, chosen], second[:, chosen]

    def points(self, states: Array) -> Array:
        """Where distances over all cells are measured, ``(n_points, n_dims)``."""
        found = [self.landmarks] if self.landmarks is not None else self._own_landmarks()
        points = np.unique(np.vstack(found), axis=0) if found else states
        most = len(points) if found else MOST_POINTS
        return _evenly(points, min(most, self._most_points()))

    def distances(self, states: Array, share: float | None = None) -> tuple[Array, Array]:
        """Distances of the genes and of the null columns.

        Parameters
        ----------
        states
            Cell states, ``(n_cells, n_dims)``.
        share
            None for the distance over all cells. Otherwise these are the cells of a group, and only
            the directions with this share of the posterior variance at them count
            (:mod:`kompot.stats.group_distance`).

        Returns
        -------
        ``(n_genes,)`` and ``(n_null,)``.

        Raises
        ------
        ValueError
            If a function has no method ``covariance``.
        """
        self._require_covariance()
        if share is None:
            points = self.points(states)
        else:
            points = _evenly(states, min(MOST_POINTS, self._most_points()))
        first, second = self.values(points)
        delta = second - first
        total = self.functions[0].covariance(points) + self.functions[1].covariance(points)
        total[np.diag_indices_from(total)] += self.eps
        between = [function.sample_covariance(points) for function in self.functions]
        extra = [
            np.broadcast_to(one, (*total.shape, delta.shape[1]))
            for one in between
            if one is not None
        ]
        if not extra:
            distance = _distance(delta, total, share)
        else:
            each = range(delta.shape[1])
            own = (total + np.sum([one[..., g] for one in extra], axis=0) for g in each)
            distance = np.array(
                [_distance(delta[:, [g]], m, share)[0] for g, m in zip(each, own, strict=True)]
            )
        genes = distance if self.genes is None else distance[self.genes]
        return genes, np.empty(0) if self.null is None else distance[self.null]

    def describe(self) -> dict[str, Any]:
        """What the functions are, for the record of a run."""
        return {
            f"condition{function.number}": {
                name: type(value).__name__
                for name, value in vars(function).items()
                if value is not None and name != "number"
            }
            | _scale_of(function.mean)
            for function in self.functions
        }

    def _own_landmarks(self) -> list[Array]:
        found = [function.landmarks for function in self.functions]
        return [one for one in found if one is not None]

    def _most_points(self) -> int:
        """Points at which covariances of single genes have few enough numbers."""
        if all(function.samples is None for function in self.functions):
            return 2**62
        n_genes = sum(1 if one is None else len(one) for one in (self.genes, self.null))
        return max(2, int(np.sqrt(_MOST_NUMBERS / max(n_genes, 1))))

    def _require_covariance(self) -> None:
        for function in self.functions:
            if function.spread is None:
                msg = (
                    f"The function of condition {function.number} is a "
                    f"{type(function.mean).__name__} without a method `covariance(X, diag=...)`, "
                    "which distances need."
                )
                raise ValueError(msg)


def given_expression(models: ModelSettings, **options: Any) -> GivenExpression | None:
    """The comparison of what is given; None if there are no functions.

    Parameters
    ----------
    models
        What is given.
    **options
        As :class:`GivenExpression`.

    Raises
    ------
    ValueError
        If there are variances without functions, or densities.
    """
    models.refuse("density_predictor", reason="densities are of abundance; see `kompot.da`.")
    if models.model1 is None and models.function_predictor1 is None:
        models.refuse(
            "variance_predictor",
            "obs_variance_predictor",
            reason="variances need functions: give `function_predictor1` and "
            "`function_predictor2` too, or samples to estimate them from.",
        )
        return None
    return GivenExpression((GivenFunction.of(models, 1), GivenFunction.of(models, 2)), **options)


def _scale_of(function: Any) -> dict[str, float]:
    """The length scale of a function, if it has one."""
    for name in ("ls_", "ls"):
        found = getattr(function, name, None)
        if isinstance(found, int | float | np.number):
            return {"ls": float(found)}
    return {}


def _evenly(points: Array, most: int) -> Array:
    """At most so many points, evenly spaced in lexicographic order."""
    if len(points) <= most:
        return points
    return points[lexicographic_order(points)[evenly_spaced(len(points), most)]]


def _distance(delta: Array, covariance: Array, share: float | None) -> Array:
    """Distances at points, in all directions or in those that lead the covariance."""
    if share is None or share >= 1.0:
        return mahalanobis(delta, covariance)
    variance, directions = leading_directions(covariance, share)
    return np.linalg.norm(directions.T @ delta / np.sqrt(variance[:, None]), axis=0)
