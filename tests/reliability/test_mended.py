"""One test for each failure that odd data and injected faults have brought up."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import kompot

PAIR = ("condition", "a", "b")


def de(adata, **options):
    chosen = {"null_genes": 8, "random_state": 0, "progress": False} | options
    return kompot.compute_differential_expression(adata, *PAIR, **chosen)


def with_duplicates(values):
    """Every entry in two halves, in rows."""
    matrix = sparse.csr_matrix(values)
    twice = np.repeat(matrix.data / 2, 2)
    return sparse.csr_matrix((twice, np.repeat(matrix.indices, 2), 2 * matrix.indptr), values.shape)


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix])
def test_entries_of_one_place_add_up(form, sound_data):
    """Squares of regions took entries one by one; shuffling ran out of rows."""
    single, double = sound_data(n_cells=40), sound_data(n_cells=40)
    single.X = form(single.X)
    double.X = form(with_duplicates(double.X))
    assert double.X.nnz == 2 * single.X.nnz
    for adata in (single, double):
        de(adata, sample_col="donor", paired=False, use_empirical_variance=False)
    assert double.X.nnz == 2 * single.X.nnz
    for name in single.var.select_dtypes("number"):
        np.testing.assert_allclose(double.var[name], single.var[name], rtol=1e-9, err_msg=name)


def test_entries_of_one_place_add_up_in_models(sound_data):
    adata = sound_data()
    x = adata.obsm["DM_EigenVectors"]
    dense = kompot.ExpressionModel(use_empirical_variance=True, random_state=0).fit(x, adata.X)
    double = kompot.ExpressionModel(use_empirical_variance=True, random_state=0)
    double.fit(x, with_duplicates(adata.X))
    np.testing.assert_allclose(double.predict(x), dense.predict(x), rtol=1e-9)
    np.testing.assert_allclose(double.obs_variance(x), dense.obs_variance(x), rtol=1e-9)


@pytest.mark.parametrize("analysis", [de, kompot.compute_smoothed_expression])
@pytest.mark.parametrize("sort", [complex, object, str])
def test_expression_that_is_no_real_number_is_refused(sort, analysis, sound_data):
    adata = sound_data()
    adata.X = adata.X.astype(sort)
    with pytest.raises(ValueError, match=r"adata\.X must hold real numbers, got type"):
        analysis(adata)
    adata.layers["odd"], adata.X = adata.X, np.ones(adata.shape)
    with pytest.raises(ValueError, match=r"adata\.layers\['odd'\] must hold real numbers"):
        analysis(adata, layer="odd")


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("number", [1.1e30, -1e100, 1e300])
def test_huge_expression_is_refused_and_not_stored_as_nan(number, is_sparse, sound_data):
    adata = sound_data()
    adata.X[3, 2] = number
    adata.X = sparse.csr_matrix(adata.X) if is_sparse else adata.X
    with pytest.raises(ValueError, match=r"1 NaN, infinite or huge \(> 1e\+30\) values.*gene2"):
        de(adata)
    with pytest.raises(ValueError, match="huge"):
        kompot.ExpressionModel().fit(adata.obsm["DM_EigenVectors"], adata.X)


def test_large_expression_has_finite_results(sound_data):
    adata = sound_data()
    adata.X[3, 2] = 1e30
    with pytest.warns(UserWarning, match="too large for logarithms"):
        de(adata)
    assert np.isfinite(adata.layers["kompot_de_a_to_b_fold_change"]).all()


@pytest.mark.parametrize("function", [kompot.find_landmarks, kompot.DensityEstimator().fit])
def test_states_whose_squares_overflow_are_refused(function):
    states = np.random.default_rng(0).normal(size=(30, 2))
    states[0] = 1e200
    with pytest.raises(ValueError, match="`X`"):
        function(states)


def test_landmarks_are_not_the_data_themselves():
    states = np.ones((3, 2))
    assert not np.shares_memory(kompot.find_landmarks(states, 5)[0], states)


def test_names_that_are_no_text_stay_and_are_used(sound_data):
    """anndata turned them into text, and tables of groups did not fit any more."""
    adata = sound_data()
    adata.obs.index, adata.var.index = pd.Index(range(28)), pd.Index(range(5))
    de(adata, groups="type", min_cells=1)
    assert adata.obs_names.equals(pd.Index(range(28)))
    assert adata.var_names.equals(pd.Index(range(5)))
    assert adata.varm["kompot_de_a_to_b_mean_lfc_groups"].index.equals(adata.var_names)


def test_report_asks_for_names_that_are_text(sound_data, tmp_path):
    adata = sound_data()
    adata.var.index = pd.Index(range(5))
    with pytest.raises(ValueError, match=r"adata\.var_names must be text"):
        kompot.report(adata, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_samples_too_small_for_shares_are_named(sound_data):
    """NaN came with warnings of NumPy's."""
    adata = sound_data(n_cells=28)
    with pytest.raises(ValueError, match=r"has 0 samples of 10 cells or more \('d0': 7, 'd2': 7\)"):
        kompot.compute_differential_abundance(
            adata, *PAIR, sample_col="donor", paired=False, progress=False
        )


def test_missing_samples_are_counted(sound_data):
    adata = sound_data()
    samples = adata.obs["donor"].astype(object).to_numpy()
    samples[:3] = [np.nan, None, np.nan]
    with pytest.raises(ValueError, match="`grouping_vector` lacks the sample of 3 of 28"):
        kompot.SampleVarianceEstimator().fit(adata.obsm["DM_EigenVectors"], adata.X, samples)


@pytest.mark.parametrize("options", [{}, {"param_scheme": "separate"}, {"layers": "factored"}])
@pytest.mark.parametrize("coordinate", [1e160, np.inf, np.nan])
def test_cells_without_a_usable_state_have_no_values(coordinate, options, sound_data):
    """Those of neither condition: abundance failed after the fit, expression said 0."""
    adata = sound_data()
    adata.obs["condition"] = adata.obs["condition"].astype(str)
    adata.obs.loc[adata.obs_names[2], "condition"] = "other"
    states = np.array(adata.obsm["DM_EigenVectors"])
    states[2, 0] = coordinate
    adata.obsm["DM_EigenVectors"] = states
    if not options:
        kompot.compute_differential_abundance(adata, *PAIR, progress=False)
        kompot.compute_smoothed_expression(adata, "condition", "a", progress=False)
    de(adata, **options)
    columns = adata.obs.filter(like="kompot").select_dtypes("number")
    assert np.isnan(columns.iloc[2]).all()
    assert columns.notna().to_numpy().sum() == columns.size - columns.shape[1]
    layers = [adata.layers[name] for name in adata.layers if str(name).startswith("kompot")]
    for values in [*layers, *(adata.obsm[n] for n in adata.obsm if n.endswith("basis"))]:
        assert np.isnan(values[2]).all()
        assert np.isfinite(np.delete(values, 2, axis=0)).all()
