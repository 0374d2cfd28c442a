"""Dry runs: all that a run reads and checks, and what it would take, without computing it."""

import inspect
from typing import Any

from anndata import AnnData

from kompot.anndata import compute_differential_abundance, compute_differential_expression
from kompot.anndata.abundance_run import density_parameters
from kompot.anndata.refusals import refuse_unknown
from kompot.resource_estimation.call import (
    settings_by_kind,
    with_defaults,
    with_documented_names,
)
from kompot.resource_estimation.plan import ResourcePlan
from kompot.resource_estimation.planning import plan_abundance, plan_expression
from kompot.settings import AbundanceSettings, ExpressionSettings
from kompot.user_warnings import warn_user

__all__ = ["dry_run_differential_abundance", "dry_run_differential_expression"]


def dry_run_differential_expression(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    verbose: bool = True,
    **kwargs: Any,
) -> ResourcePlan:
    """What :func:`kompot.compute_differential_expression` would take, without running it.

    The arguments are read and checked as by the run; nothing is computed or changed. The number of
    features, on which most sizes depend, is estimated from up to 8,000 of the cells
    (:func:`kompot.gp.rank.estimate_rank`), the time from how fast this machine does small pieces
    of the work.

    Parameters
    ----------
    adata
        The data.
    groupby
        Column of ``adata.obs`` with the conditions.
    condition1, condition2
        Labels of the conditions.
    verbose
        Print the report.
    **kwargs
        Any further argument of :func:`kompot.compute_differential_expression`. Samples may also be
        given as ``use_sample_variance=True`` with ``sample_column``.

    Returns
    -------
    The plan, bytes and seconds. Its memory is the most that the process will hold beyond what it
    holds now.

    Raises
    ------
    ValueError, TypeError
        If the run would refuse an argument.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=200, n_genes=20, random_state=0)
    >>> plan = kompot.dry_run_differential_expression(
    ...     adata, "condition", "control", "treated", null_genes=0, verbose=False
    ... )
    >>> plan.is_feasible
    True
    >>> plan.output_fields["adata.obs"]
    ['kompot_de_control_std', 'kompot_de_treated_std']
    """
    given = with_documented_names(kwargs)
    names = _in_order(adata, groupby, condition1, condition2)
    function = compute_differential_expression
    parameters = with_defaults(function, names | given)
    known = _known(function)
    refuse_unknown({name: one for name, one in parameters.items() if name not in known}, function)
    plan = plan_expression(adata, ExpressionSettings(**settings_by_kind(parameters, "de")))
    if verbose:
        print(plan.format_report())
    return plan


def dry_run_differential_abundance(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    verbose: bool = True,
    **kwargs: Any,
) -> ResourcePlan:
    """What :func:`kompot.compute_differential_abundance` would take, without running it.

    As :func:`dry_run_differential_expression`.

    Parameters
    ----------
    adata
        The data.
    groupby
        Column of ``adata.obs`` with the conditions.
    condition1, condition2
        Labels of the conditions.
    verbose
        Print the report.
    **kwargs
        Any further argument of :func:`kompot.compute_differential_abundance`, parameters of the
        density among them. Samples may also be given as ``use_sample_variance=True`` with
        ``sample_column``.

    Returns
    -------
    The plan, bytes and seconds.

    Raises
    ------
    ValueError, TypeError
        If the run would refuse an argument.
    """
    given = with_documented_names(kwargs)
    names = _in_order(adata, groupby, condition1, condition2)
    parameters = with_defaults(compute_differential_abundance, names | given)
    known = _known(compute_differential_abundance)
    estimator = {name: value for name, value in parameters.items() if name not in known}
    arguments = parameters | {"estimator": density_parameters(estimator)}
    plan = plan_abundance(adata, AbundanceSettings(**settings_by_kind(arguments, "da")))
    if verbose:
        print(plan.format_report())
    return plan


def _known(function: Any) -> set[str]:
    """Names of the arguments of a function."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}


def _in_order(adata: AnnData, groupby: str, condition1: str, condition2: str) -> dict[str, str]:
    """Column and conditions by their names, also if they come in the order of the document.

    Its examples of dry runs put the column last. They are read as they are meant, with a warning,
    where there is no doubt: ``groupby`` is no column but ``condition2`` is.
    """
    columns = getattr(adata, "obs", {})
    names = {"groupby": groupby, "condition1": condition1, "condition2": condition2}
    if groupby in columns or not isinstance(condition2, str) or condition2 not in columns:
        return names
    names = {"groupby": condition2, "condition1": groupby, "condition2": condition1}
    msg = (
        f"{groupby!r} is no column of adata.obs but {condition2!r} is: read as {names}. Runs need "
        "the order (adata, groupby, condition1, condition2)."
    )
    warn_user(msg)
    return names
