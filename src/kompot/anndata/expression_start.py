"""A differential-expression run of any kind, with what it runs on."""

from typing import Any

from anndata import AnnData

from kompot import cluster, threads
from kompot.anndata.expression_run import run_expression
from kompot.anndata.given_expression_run import run_given_expression
from kompot.anndata.given_inputs import needs_given_run
from kompot.anndata.writing import Returned
from kompot.gp.backend import jit_compiled
from kompot.settings import ExpressionSettings

__all__ = ["start_expression"]


def start_expression(adata: AnnData, settings: ExpressionSettings, client: Any = None) -> Returned:
    """Fit functions, or compare those that are given.

    Parameters
    ----------
    adata, settings
        The data and all options of the run.
    client
        As for :func:`kompot.compute_differential_expression`.
    """
    run = run_given_expression if needs_given_run(settings) else run_expression
    jit = settings.gp.jit_compile
    with threads.single_threaded_products(), cluster.used(client), jit_compiled(jit):
        return run(adata, settings)
