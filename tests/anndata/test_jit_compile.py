"""Whole runs through JAX: the numbers of NumPy, recorded as such, and nothing else changed."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import kompot
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.function_estimator import FunctionEstimator

jax = pytest.importorskip("jax")
JaxProducts = pytest.importorskip("kompot.gp.jax_products").JaxProducts

CONDITIONS = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
RUNS = {
    "genes": (kompot.compute_differential_expression, {"null_genes": 30}),
    "samples": (kompot.compute_differential_expression, {"sample_col": "sample"}),
    "own noise": (
        kompot.compute_differential_expression,
        {"use_empirical_variance": True, "groups": "branch", "null_genes": 0},
    ),
    "factored": (
        kompot.compute_differential_expression,
        {"layers": "factored", "sample_col": "sample", "significance": "cell"},
    ),
    "apart": (
        kompot.compute_differential_expression,
        {"param_scheme": "separate", "null_genes": 0, "compute_mahalanobis": True},
    ),
    "abundance": (kompot.compute_differential_abundance, {"groups": "branch"}),
    "abundance of samples": (kompot.compute_differential_abundance, {"sample_col": "sample"}),
    "labels": (kompot.compute_differential_abundance, {"ratio": "labels"}),
    "smoothed": (kompot.compute_smoothed_expression, {"use_empirical_variance": True}),
}


@pytest.fixture(autouse=True)
def _in_32_bits():
    """As JAX is by default; Mellon's tests want it otherwise."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", val=False)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="module")
def small():
    adata = kompot.datasets.simulate(n_cells=500, n_genes=12, n_donors=6, random_state=1)
    adata.layers["dense"] = adata.X.toarray()
    return adata


@pytest.fixture
def used(monkeypatch):
    """Names of the operations that JAX did."""
    names = set()
    for name in ("features", "gram", "cross_and_squares", "product", "cholesky"):
        original = getattr(JaxProducts, name)

        def spy(self, *args, _name=name, _original=original, **kwargs):
            names.add(_name)
            return _original(self, *args, **kwargs)

        monkeypatch.setattr(JaxProducts, name, spy)
    return names


def run(adata, function, options):
    adata = adata.copy()
    if function is kompot.compute_smoothed_expression:
        options = options | {"groupby": "condition", "condition": "treated"}
    else:
        options = options | CONDITIONS
    result = function(adata, **options, random_state=0, progress=False, return_full_results=True)
    return adata, result


def assert_close(found, expected, where):
    if found.dtype.kind not in "fiu":
        assert (pd.Series(found) == pd.Series(expected)).all(), where
        return
    # Dense layers are stored in 32 bits, the last of which may be rounded either way.
    rtol, atol = (3e-7, 1e-7) if found.dtype == np.float32 else (1e-9, 1e-9)
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=where)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", RUNS)
def test_results_agree_to_1e_9(small, used, name):
    function, options = RUNS[name]
    expected, _ = run(small, function, options)
    assert not used
    found, result = run(small, function, options | {"jit_compile": True})
    assert used >= {"features", "cholesky"}
    for where in ("obs", "var", "layers", "obsm", "varm"):
        one, other = getattr(found, where), getattr(expected, where)
        assert list(one) == list(other)
        for key in one:
            if key is not None and not hasattr(one[key], "tocsr"):
                assert_close(np.asarray(one[key]), np.asarray(other[key]), f"{where}[{key!r}]")
    rows = small.obs_names if function is kompot.compute_differential_abundance else small.var_names
    assert result["table"].index.equals(rows)
    assert not jax.config.jax_enable_x64


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("is_apart", [False, True], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("layer", ["dense", None])
def test_expression_is_multiplied_by_jax(small, used, layer, is_apart, monkeypatch):
    made = JaxProducts.__init__

    def make(self):
        made(self)
        self.is_apart = is_apart

    monkeypatch.setattr(JaxProducts, "__init__", make)
    function = kompot.compute_differential_expression
    options = {"layer": layer, "null_genes": 20}
    expected, _ = run(small, function, options)
    found, _ = run(small, function, options | {"jit_compile": True})
    assert "cross_and_squares" in used
    for name in ("mahalanobis", "mean_lfc"):
        key = f"kompot_de_control_to_treated_{name}"
        np.testing.assert_allclose(found.var[key], expected.var[key], rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["genes", "abundance", "smoothed"])
def test_record_keeps_it_and_the_model_goes_on(small, used, name):
    function, options = RUNS[name]
    adata, result = run(small, function, options | {"jit_compile": True})
    kind = {"genes": "de", "abundance": "da", "smoothed": "smooth"}[name]
    assert kompot.RunInfo(adata, analysis_type=kind).call_args()["jit_compile"] is True
    if name != "smoothed":
        used.clear()
        result["model"].predict(adata.obsm["DM_EigenVectors"][:9], progress=False)
        assert used == {"features", "product"}


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_short_forms_and_dry_runs_take_it(small, used):
    names = tuple(CONDITIONS.values())
    gp = kompot.GPSettings(jit_compile=True, n_landmarks=50)
    output = kompot.OutputSettings(progress=False)
    kompot.de(small.copy(), *CONDITIONS.values(), gp=gp, output=output)
    assert "features" in used
    used.clear()
    kompot.da(small.copy(), *names, gp=kompot.DensitySettings(jit_compile=True), output=output)
    assert "features" in used
    used.clear()
    plan = kompot.dry_run_differential_expression(
        small, *(CONDITIONS[n] for n in CONDITIONS), jit_compile=True, verbose=False
    )
    assert any("JAX" in line for line in plan.info)
    assert not used


@pytest.mark.parametrize("name", ["genes", "apart", "abundance", "smoothed"])
def test_missing_jax_is_refused_before_anything_is_read(small, monkeypatch, name):
    function, options = RUNS[name]
    monkeypatch.setitem(sys.modules, "jax", None)
    adata = small.copy()
    with pytest.raises(ImportError, match=r"pip install 'kompot\[jax\]'"):
        run(adata, function, options | {"jit_compile": True, "obsm_key": "missing, but not read"})


def test_estimators_agree(small, used):
    states, values = small.obsm["DM_EigenVectors"], small.layers["dense"]
    treated = small.obs["condition"].to_numpy() == "treated"
    made = [
        (DensityEstimator, (states,), {}),
        (FunctionEstimator, (states, values), {}),
        (DifferentialAbundance, (states[~treated], states[treated]), {"random_state": 0}),
        (
            DifferentialExpression,
            (states[~treated], values[~treated], states[treated], values[treated]),
            {"random_state": 0},
        ),
    ]
    for kind, data, options in made:
        used.clear()
        expected = kind(**options).fit(*data).predict(states)
        assert not used
        found = kind(**options, jit_compile=True).fit(*data).predict(states)
        assert used >= {"features", "product"}
        if not isinstance(expected, dict):
            expected, found = {"values": expected}, {"values": found}
        for name, one in expected.items():
            assert_close(np.asarray(found[name]), np.asarray(one), f"{kind.__name__} {name}")


def test_saved_models_keep_it(small, tmp_path):
    states = small.obsm["DM_EigenVectors"]
    model = DensityEstimator(jit_compile=True).fit(states)
    model.save(tmp_path / "model.npz")
    again = kompot.load_model(tmp_path / "model.npz")
    assert again.jit_compile is True
    np.testing.assert_array_equal(again.predict(states), model.predict(states))


def test_jax_is_not_imported_unless_asked():
    code = """
import sys, warnings, kompot
warnings.simplefilter("ignore")
adata = kompot.datasets.simulate(n_cells=60, n_genes=4, random_state=0)
kompot.compute_differential_abundance(
    adata, "condition", "control", "treated", progress=False, random_state=0
)
assert not [name for name in sys.modules if name.split(".")[0] == "jax"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
