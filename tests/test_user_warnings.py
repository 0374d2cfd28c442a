import inspect
import warnings

import numpy as np
import pytest
from anndata import AnnData

import kompot
from kompot.gp.laplace import DensityConvergenceWarning
from kompot.user_warnings import warn_user


def caught(call):
    """Warnings of a call."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        call()
    return found


@pytest.fixture
def cells(rng):
    return rng.normal(size=(120, 2))


def test_warning_names_the_caller_and_has_its_class():
    def call():
        warn_user("few cells", DeprecationWarning)

    (one,) = caught(call)
    line = inspect.getsourcelines(call)[1] + 1
    assert (one.filename, one.lineno, one.category) == (__file__, line, DeprecationWarning)


@pytest.mark.parametrize("depth", ["model", "decorated", "function"])
def test_warning_points_out_of_the_package_from_any_depth(cells, depth):
    def by_function():
        adata = AnnData(np.ones((120, 1), np.float32), obsm={"X": cells})
        adata.obs["group"] = np.repeat(["a", "b"], 60)
        kompot.compute_differential_abundance(
            adata, "group", "a", "b", obsm_key="X", optimizer="L-BFGS-B", n_iter=1
        )

    calls = {
        "model": lambda: kompot.DensityEstimator(optimizer="L-BFGS-B", n_iter=1).fit(cells),
        "decorated": lambda: kompot.DifferentialAbundance().fit(
            cells[:60], cells[60:], optimizer="L-BFGS-B", n_iter=1
        ),
        "function": by_function,
    }
    found = caught(calls[depth])
    files = {one.filename for one in found if one.category is DensityConvergenceWarning}
    assert files == {__file__}


def test_replaced_optimizer_is_told_once_whatever_the_number_of_samples(cells):
    sample = np.arange(60) % 4
    found = caught(
        lambda: kompot.DifferentialAbundance().fit(
            cells[:60],
            cells[60:],
            condition1_sample_indices=sample,
            condition2_sample_indices=sample,
            optimizer="advi",
        )
    )
    assert [one.filename for one in found if "advi" in str(one.message)] == [__file__]
