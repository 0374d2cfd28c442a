"""The parameter protocol of scikit-learn, without importing it (half a second)."""

import inspect
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

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)
