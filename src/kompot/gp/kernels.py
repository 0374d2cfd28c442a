"""Stationary covariance functions of unit variance.

Each is one formula of the distance in units of the length scale, with ``k(x, x) = 1``
(Rasmussen & Williams 2006, *Gaussian Processes for Machine Learning*, section 4.2).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from kompot.gp.backend import accelerator

__all__ = [
    "KERNELS",
    "Exponential",
    "Kernel",
    "Matern32",
    "Matern52",
    "RationalQuadratic",
    "SquaredExponential",
    "make_kernel",
]

Array = NDArray[np.float64]

_FAR = 1e100
"""Length scales at which every covariance is zero to rounding; squares do not overflow yet."""


@dataclass(frozen=True)
class Kernel(ABC):
    r"""A covariance :math:`k(x, y) = \kappa(\|x - y\| / \ell)`; subclasses give :math:`\kappa`.

    Parameters
    ----------
    length_scale
        :math:`\ell > 0`, in units of the embedding.
    """

    length_scale: float
    name: ClassVar[str]

    def __post_init__(self) -> None:
        if not (np.isfinite(self.length_scale) and self.length_scale > 0):
            msg = f"`length_scale` must be a positive finite number, got {self.length_scale!r}."
            raise ValueError(msg)

    def __call__(self, x: Array, y: Array) -> Array:
        """Covariance of the rows of ``x (n, n_dims)`` and ``y (m, n_dims)``: ``(n, m)``."""
        if (device := accelerator()) is not None and device.has_kernel(self):
            return device.kernel(self, x, y)
        distance = np.asarray(cdist(x, y), dtype=np.float64)
        distance /= self.length_scale
        np.minimum(distance, _FAR, out=distance)
        return self.of_distance(distance)

    @abstractmethod
    def of_distance(self, scaled: Array) -> Array:
        r"""Covariance at distances in units of :math:`\ell`; may overwrite its argument."""

    @abstractmethod
    def slope(self, scaled: Array) -> Array:
        r""":math:`\kappa'(s) / s` at distances :math:`s` in units of :math:`\ell`.

        The gradient of :math:`k(x, y)` by :math:`x` is this times :math:`(x - y) / \ell^2`.
        """


class Matern52(Kernel):
    r"""Matérn 5/2, :math:`(1 + s + s^2/3)\,e^{-s}` with :math:`s = \sqrt5\,\|x-y\| / \ell`."""

    name = "matern52"

    def of_distance(self, scaled: Array) -> Array:
        """Covariance at scaled distances."""
        scaled *= np.sqrt(5.0)
        polynomial = scaled / 3.0
        polynomial += 1.0
        polynomial *= scaled
        polynomial += 1.0
        np.exp(np.negative(scaled, out=scaled), out=scaled)
        scaled *= polynomial
        return scaled

    def slope(self, scaled: Array) -> Array:
        r""":math:`-\tfrac53 (1 + t)\,e^{-t}` with :math:`t = \sqrt5 s`."""
        t = np.sqrt(5.0) * scaled
        return -5.0 / 3.0 * (1.0 + t) * np.exp(-t)


class Matern32(Kernel):
    r"""Matérn 3/2, :math:`(1 + s)\,e^{-s}` with :math:`s = \sqrt3\,\|x-y\| / \ell`."""

    name = "matern32"

    def of_distance(self, scaled: Array) -> Array:
        """Covariance at scaled distances."""
        s = np.sqrt(3.0) * scaled
        return (1.0 + s) * np.exp(-s)

    def slope(self, scaled: Array) -> Array:
        r""":math:`-3\,e^{-\sqrt3 s}`."""
        return -3.0 * np.exp(-np.sqrt(3.0) * scaled)


class Exponential(Kernel):
    r"""Exponential (Matérn 1/2), :math:`e^{-s}` with :math:`s = \|x-y\| / \ell`."""

    name = "exponential"

    def of_distance(self, scaled: Array) -> Array:
        """Covariance at scaled distances."""
        return np.exp(-scaled)

    def slope(self, scaled: Array) -> Array:
        r""":math:`-e^{-s} / s`; 0 at :math:`s = 0`, where the kernel has a kink and no gradient."""
        apart = scaled > 0
        return np.where(apart, -np.exp(-scaled) / np.where(apart, scaled, 1.0), 0.0)


class SquaredExponential(Kernel):
    r"""Squared exponential, :math:`e^{-s^2/2}` with :math:`s = \|x-y\| / \ell`."""

    name = "squared_exponential"

    def of_distance(self, scaled: Array) -> Array:
        """Covariance at scaled distances."""
        return np.exp(-0.5 * scaled**2)

    def slope(self, scaled: Array) -> Array:
        r""":math:`-e^{-s^2/2}`."""
        return -np.exp(-0.5 * scaled**2)


@dataclass(frozen=True)
class RationalQuadratic(Kernel):
    r"""Rational quadratic, :math:`(1 + s^2 / 2\alpha)^{-\alpha}` with :math:`s = \|x-y\| / \ell`.

    Parameters
    ----------
    length_scale
        :math:`\ell > 0`, in units of the embedding.
    alpha
        Weight of long against short scales, positive; at infinity it is squared exponential.
    """

    alpha: float = 1.0
    name = "rational_quadratic"

    def of_distance(self, scaled: Array) -> Array:
        """Covariance at scaled distances."""
        return (1.0 + scaled**2 / (2.0 * self.alpha)) ** -self.alpha

    def slope(self, scaled: Array) -> Array:
        r""":math:`-(1 + s^2 / 2\alpha)^{-\alpha-1}`."""
        return -((1.0 + scaled**2 / (2.0 * self.alpha)) ** (-self.alpha - 1.0))


KERNELS: dict[str, type[Kernel]] = {
    kernel.name: kernel
    for kernel in (Matern52, Matern32, Exponential, SquaredExponential, RationalQuadratic)
}
"""Covariance functions by name."""


def make_kernel(name: str, length_scale: float) -> Kernel:
    """Covariance function of a given name.

    Parameters
    ----------
    name
        A key of :data:`KERNELS`.
    length_scale
        Positive, in units of the embedding.

    Raises
    ------
    ValueError
        If the name is unknown or the length scale is not positive and finite.
    """
    if name not in KERNELS:
        msg = f"`kernel` must be one of {sorted(KERNELS)}, got {name!r}."
        raise ValueError(msg)
    return KERNELS[name](length_scale)
