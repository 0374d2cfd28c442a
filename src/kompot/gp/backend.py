"""Who computes the products of cells and features: NumPy, or JAX if a run asks for it.

What is large in a run goes through a few operations: features of cell states, products with them,
sums of their squares, and factorisations of their size. Each asks :func:`accelerator` and goes on
with NumPy if there is none. JAX is imported when it is first asked for, never otherwise.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from kompot.gp.jax_products import JaxProducts

__all__ = ["accelerator", "compiled", "find_device", "jit_compiled", "numpy_only", "require_jax"]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

_active: ContextVar["JaxProducts | None"] = ContextVar("kompot_jax_products", default=None)

log = logging.getLogger(__name__)


def accelerator() -> "JaxProducts | None":
    """What computes in NumPy's place here; None for NumPy."""
    return _active.get()


@contextmanager
def jit_compiled(wanted: bool) -> Iterator[None]:
    """Let JAX compute inside, in float64, on the device that it prefers: a GPU if it finds one.

    JAX's configuration is left as it is. What was put on the device is released at the end.

    Parameters
    ----------
    wanted
        False changes nothing: inside another such block JAX still computes.

    Raises
    ------
    ImportError
        If it is wanted and JAX is not installed.
    """
    if not wanted or _active.get() is not None:
        yield
        return
    require_jax()
    from kompot.gp.jax_products import JaxProducts  # JAX takes seconds to import

    products = JaxProducts()
    log.info("products are computed by %s", products.description)
    token = _active.set(products)
    try:
        yield
    finally:
        _active.reset(token)


@contextmanager
def numpy_only() -> Iterator[None]:
    """Let NumPy compute inside, whatever was asked for outside."""
    token = _active.set(None)
    try:
        yield
    finally:
        _active.reset(token)


def require_jax() -> None:
    """Check that JAX can be imported.

    Raises
    ------
    ImportError
        Naming the extra that installs it.
    """
    try:
        import jax  # noqa: F401 only whether it is there
    except ImportError as error:
        msg = (
            "jit_compile=True needs JAX, which is not installed: pip install 'kompot[jax]' (with a "
            "GPU also 'jax[cuda12]'), or leave `jit_compile` out."
        )
        raise ImportError(msg) from error


def find_device() -> tuple[str, bool]:
    """JAX's version and device in words, and whether it is a GPU (or another accelerator).

    Raises
    ------
    ImportError
        If JAX is not installed.
    """
    require_jax()
    from kompot.gp.jax_products import JaxProducts  # JAX takes seconds to import

    products = JaxProducts()
    return products.description, products.device.platform != "cpu"


def compiled(method: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Let a model's method compute through JAX if the model has ``jit_compile=True``."""

    @wraps(method)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with jit_compiled(getattr(args[0], "jit_compile", False)):
            return method(*args, **kwargs)

    return run
