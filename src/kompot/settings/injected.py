"""Models and predictors that were fitted elsewhere."""

from dataclasses import dataclass, fields
from typing import Any

from kompot.settings.given import Options

__all__ = ["ModelSettings"]


@dataclass(frozen=True)
class ModelSettings(Options):
    """Models to use instead of fitting: of each kind both, of condition 1 and 2, or none.

    Predictors are callables that give values at cell states ``(n_cells, n_dims)``, or objects whose
    ``predict`` does. Genes are the columns of the data that are tested, in their order.

    Parameters
    ----------
    model1, model2
        Fitted models of expression, such as :class:`kompot.ExpressionModel`: objects with
        ``predict`` and, if variances are wanted, ``covariance``, ``obs_variance`` and
        ``sample_variance``.
    function_predictor1, function_predictor2
        Expression, ``(n_cells, n_genes)``; variances need a method ``covariance(X, diag=...)``.
    obs_variance_predictor1, obs_variance_predictor2
        Variance of single cells around the functions, ``(n_cells,)`` or ``(n_cells, n_genes)``.
    variance_predictor1, variance_predictor2
        Variance between samples, of the same shapes, called with ``diag=True`` if they take that;
        distances call them with ``diag=False`` for ``(n_cells, n_cells, n_genes)``.
    density_predictor1, density_predictor2
        Log densities, ``(n_cells,)``, with a method ``variance`` or ``uncertainty``; only for
        abundance.

    Raises
    ------
    TypeError
        If a predictor cannot be called.
    ValueError
        If only one of two is given, or a model and predictors beside it.
    """

    model1: Any = None
    model2: Any = None
    function_predictor1: Any = None
    function_predictor2: Any = None
    obs_variance_predictor1: Any = None
    obs_variance_predictor2: Any = None
    variance_predictor1: Any = None
    variance_predictor2: Any = None
    density_predictor1: Any = None
    density_predictor2: Any = None

    def __post_init__(self) -> None:
        for name in self.names:
            value = getattr(self, name)
            if not callable(getattr(value, "predict", value)):
                msg = f"'{name}' must be callable or have a method 'predict', got {value!r}."
                raise TypeError(msg)
        for first in (option.name for option in fields(self) if option.name.endswith("1")):
            pair = (first, first.replace("1", "2"))
            missing = [name for name in pair if name not in self.names]
            if len(missing) == 1:
                msg = f"'{missing[0]}' is None: give both {pair[0]} and {pair[1]}, or none."
                raise ValueError(msg)
        beside = [name for name in self.names if "predictor" in name]
        if self.model1 is not None and beside:
            msg = f"'model1' and 'model2' have their own predictors; leave out {beside}."
            raise ValueError(msg)

    @property
    def names(self) -> list[str]:
        """What is given."""
        return [one.name for one in fields(self) if getattr(self, one.name) is not None]

    def refuse(self, *kinds: str, reason: str) -> None:
        """Refuse kinds of predictors that an analysis has no use for."""
        found = [name for name in self.names if name.rstrip("12") in kinds]
        if found:
            msg = f"'{found[0]}' cannot be used: {reason}"
            raise ValueError(msg)
