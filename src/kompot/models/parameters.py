"""The parameter protocol of scikit-learn, without importing it (half a second)."""

import inspect
import os
from typing import Any, Self

__all__ = ["Parameters"]


class Parameters:
    """Constructor arguments as parameters, so that ``sklearn.base.clone`` works."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Values of the constructor's arguments; ``deep`` changes nothing here."""
        del deep
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change constructor arguments.

        Raises
        ------
        ValueError
            If a name is none of them.
        """
        known = self._parameter_names()
        for name, value in parameters.items():
            if name not in known:
                msg = f"{type(self).__name__} has no parameter {name!r}; it has {known}."
                raise ValueError(msg)
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        """Class and the parameters that differ from their defaults."""
        signature = inspect.signature(type(self)).parameters
        changed = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(signature[name].default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to an ``.npz`` file (:func:`kompot.save_model`)."""
        from kompot.models.saved import save_model  # not needed in a run

        save_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model of this class that was saved (:func:`kompot.load_model`).

        Raises
        ------
        TypeError
            If the file holds a model of another class.
        """
        from kompot.models.saved import load_model  # not needed in a run

        model = load_model(path)
        if not isinstance(model, cls):
            msg = f"{str(path)!r} holds a {type(model).__name__}, no {cls.__name__}."
            raise TypeError(msg)
        return model

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)
