"""Fitted models in files: ``.npz`` archives of plain arrays and one JSON text, without pickle.

The text (``header``, UTF-8) names the format and its version and lists the objects that the model
is made of, each with its class and what it holds: numbers, texts, other objects by their number, or
arrays by their name in the archive. Only the classes listed here are ever made from a file, so that
loading runs no code of whoever wrote it. Arrays keep their type, values and order in memory, so
that predictions are the same to the last bit.
"""

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from kompot.replacement import replaced

__all__ = ["FORMAT_VERSION", "load_model", "save_model"]

FORMAT_VERSION = 1
"""Layout of the files that this version writes; it reads this and earlier ones."""

_FORMAT = "kompot-model"
_HEADER = "header"
_HOMES = {
    "DensityEstimator": "kompot.models.density_estimator",
    "DensityPosterior": "kompot.gp.laplace",
    "DifferentialAbundance": "kompot.models.differential_abundance",
    "DifferentialExpression": "kompot.models.differential_expression",
    "ErrorCovariance": "kompot.stats.own_noise",
    "Exponential": "kompot.gp.kernels",
    "ExpressionModel": "kompot.models.expression_model",
    "FeatureMap": "kompot.gp.features",
    "FoldChangeVariance": "kompot.models.fold_change_variance",
    "FunctionEstimator": "kompot.models.function_estimator",
    "LabelPosterior": "kompot.gp.classification",
    "LabelRatio": "kompot.models.label_ratio",
    "Matern32": "kompot.gp.kernels",
    "Matern52": "kompot.gp.kernels",
    "NoiseVariance": "kompot.gp.observation_noise",
    "OwnNoise": "kompot.models.noise_fit",
    "Posterior": "kompot.gp.regression",
    "RationalQuadratic": "kompot.gp.kernels",
    "RegressionEvidence": "kompot.gp.regression_evidence",
    "SampleDensities": "kompot.models.sample_densities",
    "SampleVarianceEstimator": "kompot.models.sample_variance_estimator",
    "ScaleEvidence": "kompot.gp.evidence",
    "SquaredExponential": "kompot.gp.kernels",
    "SufficientStatistics": "kompot.gp.regression",
}
"""Classes that a file can hold, and their modules."""
_MODELS = (
    *("DensityEstimator", "DifferentialAbundance", "DifferentialExpression"),
    *("ExpressionModel", "FunctionEstimator", "SampleVarianceEstimator"),
)
_LEFT_OUT = {"region_index_", "donor_sums_"}
"""Of use in the run that made them only; None after loading."""


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, as a whole or not at all.

    Parameters
    ----------
    model
        A fitted :class:`kompot.DifferentialExpression`, :class:`kompot.DifferentialAbundance`,
        :class:`kompot.ExpressionModel`, :class:`kompot.FunctionEstimator`,
        :class:`kompot.DensityEstimator` or :class:`kompot.SampleVarianceEstimator`.
    path
        File to write, ending in ``.npz``; one that exists is replaced.

    Raises
    ------
    TypeError
        If this is no such model, or it holds something that is no number, text or array, such as a
        function given by the user.
    ValueError
        If the path does not end in ``.npz``.

    Examples
    --------
    >>> import numpy as np, kompot, tempfile, os
    >>> states = np.random.default_rng(0).normal(size=(50, 2))
    >>> model = kompot.FunctionEstimator().fit(states, states[:, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kompot.save_model(model, os.path.join(folder, "model.npz"))
    ...     again = kompot.load_model(os.path.join(folder, "model.npz"))
    >>> bool((again.predict(states) == model.predict(states)).all())
    True
    """
    target = Path(path)
    if target.suffix != ".npz":
        msg = f"`path` must end in '.npz', got {str(path)!r}."
        raise ValueError(msg)
    if type(model).__name__ not in _MODELS:
        msg = f"`model` must be one of {', '.join(_MODELS)}, got {type(model).__name__}."
        raise TypeError(msg)
    packing = _Packing()
    packing.object_number(model, type(model).__name__)
    header = {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "kompot_version": metadata.version("kompot"),
        "objects": packing.objects,
    }
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    with replaced(target) as written, written.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **{_HEADER: text}, **packing.arrays)


def load_model(path: str | os.PathLike[str]) -> Any:
    """Read a model that :func:`save_model` wrote.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    The model, of the class that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no saved model, is damaged, or was written in a later layout.
    """
    try:
        with open(path, "rb") as stream:
            arrays = _read_arrays(stream)
    except FileNotFoundError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise _no_model(path, f"it cannot be read, {error}") from error
    header = _read_header(path, arrays.pop(_HEADER, np.empty(0, np.uint8)))
    try:
        return _Unpacking(header["objects"], arrays).model()
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise _no_model(path, f"its content is damaged, {error!r}") from error


class _Packing:
    """Objects as JSON can hold them, and the arrays among them; each object is kept once."""

    def __init__(self) -> None:
        self.objects: list[dict[str, Any]] = []
        self.arrays: dict[str, NDArray[Any]] = {}
        self._numbers: dict[int, int] = {}

    def object_number(self, value: Any, where: str) -> int:
        """Number of an object of a class listed above."""
        known = self._numbers.get(id(value))
        if known is not None:
            return known
        number = self._numbers[id(value)] = len(self.objects)
        self.objects.append({})
        held = {
            name: None if name in _LEFT_OUT else self.packed(entry, f"{where}.{name}")
            for name, entry in _held(value).items()
        }
        self.objects[number] = {"class": type(value).__name__, "holds": held}
        return number

    def packed(self, value: Any, where: str) -> Any:
        """A value as JSON can hold it; ``where`` names it in an error."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind == "O":
            return {"texts": [self._text(entry, where) for entry in value.ravel()]}
        if isinstance(value, np.ndarray) and value.dtype.kind in "biufU":
            name = f"array{len(self.arrays)}"
            self.arrays[name] = np.asarray(value)
            return {"array": name}
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [self.packed(one, f"{where}[{i}]") for i, one in enumerate(value)]}
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            return {
                "dict": {name: self.packed(one, f"{where}.{name}") for name, one in value.items()}
            }
        if type(value).__module__ == _HOMES.get(type(value).__name__):
            return {"object": self.object_number(value, where)}
        msg = (
            f"{where} is a {type(value).__name__}, which cannot be saved: only numbers, texts, "
            "arrays and models of kompot can."
        )
        raise TypeError(msg)

    @staticmethod
    def _text(value: Any, where: str) -> str:
        if not isinstance(value, str):
            msg = f"{where} holds a {type(value).__name__} among texts, which cannot be saved."
            raise TypeError(msg)
        return value


class _Unpacking:
    """Objects from what a file holds."""

    def __init__(self, packed: list[dict[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> None:
        self._packed, self._arrays = packed, arrays
        self._made: dict[int, Any] = {}

    def model(self) -> Any:
        """The model, which is the first object."""
        if self._packed[0]["class"] not in _MODELS:
            msg = f"{self._packed[0]['class']!r} is no model"
            raise ValueError(msg)
        return self._object(0)

    def _object(self, number: int) -> Any:
        if number in self._made:
            return self._made[number]
        entry = self._packed[number]
        kind: Any = getattr(import_module(_HOMES[entry["class"]]), entry["class"])
        held = {name: self._value(one) for name, one in entry["holds"].items()}
        if is_dataclass(kind):
            made: Any = kind(**held)  # type: ignore[operator]
        else:
            parameters = {name: held.pop(name) for name in kind().get_params() if name in held}
            made = kind(**parameters)
            vars(made).update(held)
        self._made[number] = made
        return made

    def _value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == "array":
            return self._arrays[content]
        if kind == "texts":
            return np.array(content, dtype=object)
        if kind == "object":
            return self._object(int(content))
        if kind == "dict":
            return {name: self._value(one) for name, one in content.items()}
        if kind not in ("list", "tuple"):
            msg = f"unknown kind of value {kind!r}"
            raise ValueError(msg)
        values = [self._value(one) for one in content]
        return values if kind == "list" else tuple(values)


def _held(value: Any) -> dict[str, Any]:
    """What an object is made of, without what it only remembers."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    remembered = {
        name for name in vars(value) if isinstance(vars(type(value)).get(name), cached_property)
    }
    return {name: one for name, one in vars(value).items() if name not in remembered}


def _read_arrays(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    """All arrays of an archive, checked by its checksums; none of any other file of NumPy's."""
    archive = np.load(stream, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        return {}
    with archive:
        return {name: archive[name] for name in archive.files}


def _read_header(path: str | os.PathLike[str], text: NDArray[Any]) -> dict[str, Any]:
    """The header, of a layout that this version knows.

    Raises
    ------
    ValueError
        If it is another.
    """
    try:
        header = json.loads(text.tobytes().decode())
    except (UnicodeDecodeError, ValueError) as error:
        raise _no_model(path, "it has no header") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise _no_model(path, f"its header does not say {_FORMAT!r}")
    version = header.get("version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        msg = (
            f"The file {str(path)!r} was written by kompot {header.get('kompot_version')} in "
            f"layout {version!r}; this version reads up to {FORMAT_VERSION}. Install a newer "
            "kompot to read it."
        )
        raise ValueError(msg)
    return header


def _no_model(path: str | os.PathLike[str], reason: str) -> ValueError:
    return ValueError(
        f"The file {str(path)!r} is no model that kompot.save_model wrote, or is damaged: {reason}."
    )
