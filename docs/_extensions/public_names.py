"""Fails the build if a public name has no entry in the API pages."""

from importlib import import_module
from inspect import ismodule

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

PACKAGES = ("kompot", "kompot.datasets", "kompot.gp", "kompot.models", "kompot.plot")

log = logging.getLogger(__name__)


def _check(_app: Sphinx, env: BuildEnvironment) -> None:
    documented = env.get_domain("py").objects
    for package in PACKAGES:
        module = import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if ismodule(value):
                continue
            # A name that two packages offer needs one entry only.
            home = getattr(value, "__module__", package)
            addresses = {f"{package}.{name}", f"kompot.{name}", f"{home}.{name}"}
            if not addresses & set(documented):
                log.warning("%s.%s has no entry in the API pages", package, name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the check."""
    app.connect("env-check-consistency", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
