import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import kompot
from kompot.models.given_expression import GivenExpression, GivenFunction
from kompot.stats.null_genes import shuffle_columns

WHO = ("condition", "control", "treated")
KEY = "kompot_de_control_to_treated"
DA_KEY = "kompot_da_control_to_treated"
pytestmark = pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning")


@pytest.fixture
def cells(adata):
    """Data with few genes, and the landmarks of both fits."""
    adata = adata[:400, :12].copy()
    adata.obsm["X_states"] = np.asarray(adata.obsm["DM_EigenVectors"])[:, :3]
    return adata


def options(adata):
    states = adata.obsm["X_states"]
    return {"landmarks": states[:25], "ls": 3.0, "sigma": 0.7}


def dense(adata):
    return adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)


def fitted(adata, expression=None):
    """The function of each condition, fitted on its own."""
    expression = dense(adata) if expression is None else expression
    for condition in WHO[1:]:
        own = (adata.obs["condition"] == condition).to_numpy()
        estimator = kompot.FunctionEstimator(**options(adata), tol=0.0)
        yield estimator.fit(adata.obsm["X_states"][own], expression[own])


def models(adata, **further):
    first, second = fitted(adata)
    return kompot.ModelSettings(function_predictor1=first, function_predictor2=second, **further)


class Plain:
    """A function without variances."""

    def __init__(self, function):
        self.function = function

    def __call__(self, states):
        return self.function.predict(states)


def test_given_functions_are_compared_as_fitted_ones_are(cells):
    quiet = {"obsm_key": "X_states", "progress": False, "null_genes": 0}
    given, own = cells.copy(), cells.copy()
    further = {
        "groups": "branch",
        "attribution": True,
        "store_additional_stats": True,
        "store_posterior_covariance": True,
    }
    kompot.de(given, *WHO, model=models(cells), **quiet, **further, landmarks=cells.obsm[
        "X_states"][:25])  # fmt: skip
    kompot.de(own, *WHO, **quiet, **further, **options(cells), tol=0.0)
    for name in ("mean_lfc", "composition_change", "expression_change"):
        np.testing.assert_allclose(given.var[f"{KEY}_{name}"], own.var[f"{KEY}_{name}"], atol=1e-8)
    np.testing.assert_allclose(given.var[f"{KEY}_mahalanobis"], own.var[f"{KEY}_mahalanobis"], 1e-5)
    assert f"{KEY}_ptp" not in given.var
    for name in set(own.layers) - {"counts"}:
        np.testing.assert_allclose(given.layers[name], own.layers[name], atol=1e-5)
    for name in ("kompot_de_control_std", "kompot_de_treated_std"):
        np.testing.assert_allclose(given.obs[name], own.obs[name], atol=1e-6)
    name = f"{KEY}_posterior_covariance"
    np.testing.assert_allclose(given.obsp[name], own.obsp[name], atol=1e-7)
    for name in (f"{KEY}_mean_lfc_groups", f"{KEY}_mahalanobis_groups"):
        found, expected = given.varm[name], own.varm[name]
        assert list(found.columns) == list(expected.columns)
        np.testing.assert_allclose(found, expected, rtol=5e-3, atol=1e-8)


def test_points_are_the_landmarks_of_the_functions(cells):
    first, second = fitted(cells)
    of_both = np.unique(np.asarray(first.features_.landmarks), axis=0)
    model = GivenExpression((GivenFunction(1, first, first), GivenFunction(2, second, second)))
    np.testing.assert_array_equal(model.points(cells.obsm["X_states"]), of_both)
    plain = GivenExpression((GivenFunction(1, Plain(first)), GivenFunction(2, Plain(second))))
    assert len(plain.points(np.zeros((3000, 3)))) == 1000


def test_null_columns_give_rates_and_are_no_genes(cells):
    expression = dense(cells)
    rng = np.random.default_rng(0)
    shuffled = np.hstack([shuffle_columns(expression, rng) for _ in range(4)])
    both = np.hstack([expression, shuffled])
    names = [*cells.var_names, *(f"null{i}" for i in range(shuffled.shape[1]))]
    adata = AnnData(both, obs=cells.obs, var=pd.DataFrame(index=names), obsm=dict(cells.obsm))
    first, second = fitted(adata, both)
    null = np.arange(12, both.shape[1])
    result = kompot.de(
        adata, *WHO, obsm_key="X_states", progress=False, return_full_results=True,
        return_null_data=True, groups="branch", null_genes=null,
        model=kompot.ModelSettings(function_predictor1=first, function_predictor2=second),
    )  # fmt: skip
    table = result["table"]
    assert list(table.index) == list(cells.var_names)
    assert {"pvalue", "local_fdr", "tail_fdr", "is_de", "mahalanobis"} <= set(table.columns)
    assert len(result["null"]["mahalanobis"]) == len(null)
    np.testing.assert_array_equal(result["null"]["gene_indices"], null)
    assert set(adata.var.index[adata.var[f"{KEY}_mahalanobis"].notna()]) == set(cells.var_names)
    assert not adata.var[f"{KEY}_is_de"].iloc[12:].any()
    # The same numbers as from the expression of the null genes.
    own = cells.copy()
    mask = (cells.obs["condition"] == "control").to_numpy()
    kompot.de(
        own, *WHO, obsm_key="X_states", progress=False, tol=0.0, **options(cells),
        null_expression=(shuffled[mask], shuffled[~mask]), store_additional_stats=True,
    )  # fmt: skip
    np.testing.assert_allclose(table["pvalue"], own.var[f"{KEY}_mahalanobis_pvalue"], rtol=1e-6)


def test_null_data_name_the_genes_of_their_distances_in_any_order(cells):
    found = [
        kompot.de(
            cells, *WHO, "X_states", model=models(cells), null_genes=listed, inplace=False,
            return_null_data=True, progress=False,
        )["null"]
        for listed in ([9, 2, 9], [2, 9])
    ]  # fmt: skip
    for name in ("gene_indices", "gene_names", "mahalanobis"):
        np.testing.assert_array_equal(found[0][name], found[1][name])
    assert found[0]["gene_names"] == list(cells.var_names[[2, 9]])
    assert found[0]["n_null"] == 2


def test_plain_callables_give_means_only(cells, caplog):
    first, second = (Plain(one) for one in fitted(cells))
    given = kompot.ModelSettings(function_predictor1=first, function_predictor2=second)
    kompot.de(cells, *WHO, "X_states", model=given, progress=False, store_additional_stats=True)
    assert "no method `covariance`" in caplog.text
    assert f"{KEY}_mean_lfc" in cells.var
    assert f"{KEY}_mahalanobis" not in cells.var
    assert f"{KEY}_fold_change" in cells.layers
    assert f"{KEY}_fold_change_zscores" not in cells.layers
    assert "kompot_de_control_std" not in cells.obs
    states = cells.obsm["X_states"]
    np.testing.assert_allclose(
        cells.var[f"{KEY}_mean_lfc"], (second(states) - first(states)).mean(axis=0), atol=1e-10
    )


def test_variances_between_samples_make_distances_smaller(cells):
    first, _ = fitted(cells)
    quiet = {"obsm_key": "X_states", "progress": False, "null_genes": 0}
    kompot.de(cells, *WHO, model=models(cells), **quiet)
    plain = cells.var[f"{KEY}_mahalanobis"].to_numpy()

    def between(states, diag=True):
        n_genes = 12
        if diag:
            return np.full((len(states), n_genes), 0.3)
        return np.full((len(states), len(states), n_genes), 0.3)  # the same shift everywhere

    given = models(cells, variance_predictor1=between, variance_predictor2=between)
    kompot.de(cells, *WHO, model=given, result_key="v", store_additional_stats=True, **quiet)
    assert (cells.var["v_control_to_treated_mahalanobis_sample_var"] < plain + 1e-9).all()
    assert cells.layers["v_control_std"].shape == cells.shape
    expected = np.sqrt(first.covariance(cells.obsm["X_states"]) + 0.3 + 1e-8)
    np.testing.assert_allclose(cells.layers["v_control_std"][:, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(
        cells.layers["v_control_to_treated_fold_change_zscores_sample_var"],
        cells.layers["v_control_to_treated_fold_change"]
        / np.hypot(cells.layers["v_control_std"], cells.layers["v_treated_std"]),
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"null_genes": 100}, "`null_genes=100` would shuffle genes and fit them"),
        ({"null_genes": [3, 40]}, "`null_genes` must list some of the columns"),
        ({"null_genes": list(range(12))}, "not all"),
        ({"sample_col": "donor"}, "`sample_col` needs expression of samples"),
        ({"null_mahalanobis": [1.0]}, "`null_mahalanobis` cannot be used with given functions"),
        ({"genes": 2}, "The functions give 12 genes but 2 are tested"),
        (
            {"use_empirical_variance": True},
            "use_empirical_variance=True estimates noise from a fit",
        ),
    ],
)
def test_what_given_functions_cannot_do_is_said(cells, changes, message):
    before = cells.copy()
    if "genes" in changes:
        changes = {"genes": list(cells.var_names[: changes["genes"]])}
    with pytest.raises((ValueError, NotImplementedError), match=message):
        kompot.de(cells, *WHO, obsm_key="X_states", model=models(cells), **changes)
    assert list(cells.var.columns) == list(before.var.columns)
    assert not [name for name in cells.uns if name.startswith("kompot")]


@pytest.mark.parametrize("is_given", [True, False])
@pytest.mark.parametrize(
    "option", [{"regions": "branch"}, {"covariates": ["branch"]}, {"donor_col": "a"},
               {"paired": True}],
)  # fmt: skip
def test_options_of_samples_are_refused_without_them(cells, option, is_given):
    how = {"model": models(cells)} if is_given else {"param_scheme": "separate"}
    with pytest.raises(ValueError, match=f"`{next(iter(option))}` only has a meaning with samples"):
        kompot.de(cells, *WHO, "X_states", **how, **option, progress=False)
    assert "kompot_de" not in cells.uns


def test_models_are_needed_to_repeat_their_run(cells):
    given = models(cells)
    kompot.de(cells, *WHO, obsm_key="X_states", model=given, progress=False)
    run = kompot.RunInfo(cells)
    assert run.params["model"] == {
        "function_predictor1": "FunctionEstimator",
        "function_predictor2": "FunctionEstimator",
    }
    with pytest.raises(ValueError, match="models that are not in its record"):
        run.call_args()
    again = cells.copy()
    kompot.de(again, *WHO, obsm_key="X_states", model=given, overwrite=True, **run.to_settings())
    name = f"{KEY}_mahalanobis"
    np.testing.assert_array_equal(again.var[name], cells.var[name])


def test_densities_are_compared(cells):
    given = [
        kompot.DensityEstimator(ls=3.0).fit(
            cells.obsm["X_states"][(cells.obs["condition"] == name).to_numpy()]
        )
        for name in WHO[1:]
    ]
    settings = kompot.ModelSettings(density_predictor1=given[0], density_predictor2=given[1])
    kompot.da(cells, *WHO, obsm_key="X_states", model=settings, progress=False)
    model = kompot.DifferentialAbundance(density_predictor1=given[0], density_predictor2=given[1])
    found = model.predict(cells.obsm["X_states"], progress=False)
    np.testing.assert_allclose(cells.obs[f"{DA_KEY}_lfc"], found["log_fold_change"])
    np.testing.assert_allclose(cells.obs[f"{DA_KEY}_lfc_zscore"], found["log_fold_change_zscore"])
    run = kompot.RunInfo(cells)
    assert run.run_info["numerics"]["densities"] == ["DensityEstimator"] * 2
    for changes, message in [
        ({"groups": "branch"}, "`groups` need fitted densities"),
        ({"sample_col": "donor"}, "`sample_col` needs the densities of samples"),
    ]:
        with pytest.raises(ValueError, match=message):
            kompot.da(cells, *WHO, obsm_key="X_states", model=settings, **changes)


def test_variances_between_samples_widen_abundance(cells):
    def variance(states):
        return np.full(len(states), 0.2)

    quiet = {"obsm_key": "X_states", "progress": False}
    kompot.da(cells, *WHO, **quiet)
    given = kompot.ModelSettings(variance_predictor1=variance, variance_predictor2=variance)
    kompot.da(cells, *WHO, **quiet, model=given, result_key="wide")
    plain, wide = (cells.obs[f"{k}_control_to_treated_lfc_zscore"] for k in ("kompot_da", "wide"))
    lfc = cells.obs[f"{DA_KEY}_lfc"]
    np.testing.assert_allclose(lfc**2 / wide**2, lfc**2 / plain**2 + 0.4, rtol=1e-6)


@pytest.mark.parametrize(
    ("short", "given", "message"),
    [
        (kompot.de, ("density_predictor",), "'density_predictor1' cannot be used"),
        (kompot.de, ("variance_predictor",), "variances need functions"),
        (kompot.da, ("function_predictor",), "it is of expression"),
    ],
)
def test_predictors_of_the_other_analysis_are_refused(cells, short, given, message):
    settings = {f"{kind}{number}": abs for kind in given for number in (1, 2)}
    with pytest.raises(ValueError, match=message):
        short(cells, *WHO, obsm_key="X_states", model=kompot.ModelSettings(**settings))


def test_given_functions_on_arrays(cells):
    first, second = fitted(cells)
    model = kompot.DifferentialExpression(function_predictor1=first, function_predictor2=second)
    states = np.asarray(cells.obsm["X_states"])
    mask = (cells.obs["condition"] == "control").to_numpy()
    expression = dense(cells)
    given = model.fit(states[mask], expression[mask], states[~mask], expression[~mask])
    found = given.predict(states, compute_mahalanobis=True, progress=False)
    own = kompot.DifferentialExpression(tol=0.0).fit(
        *(states[mask], expression[mask], states[~mask], expression[~mask]), **options(cells)
    )
    expected = own.predict(states, compute_mahalanobis=True, progress=False)
    assert set(found) == set(expected)
    for name in set(expected) - {"ptp"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-8, err_msg=name)
    np.testing.assert_allclose(
        given.compute_mahalanobis_distances(states), own.compute_mahalanobis_distances(states), 1e-5
    )
    for model in (given, own):
        with pytest.raises(ValueError, match="`X` holds NaN"):
            model.compute_mahalanobis_distances(np.full_like(states, np.nan))
    table = own.compute_fdr(np.linspace(0.1, 2, 50), 0.1, gene_names=cells.var_names)
    assert list(table.columns) == ["mahalanobis", "pvalue", "local_fdr", "tail_fdr", "is_de"]
    assert list(table.index) == list(cells.var_names)
    np.testing.assert_array_equal(table["mahalanobis"], expected["mahalanobis_distances"])
    with pytest.raises(ValueError, match="There are no distances yet"):
        kompot.DifferentialExpression().compute_fdr([1.0])
    with pytest.raises(ValueError, match="'function_predictor2' is None"):
        kompot.DifferentialExpression(function_predictor1=first).fit(
            states[mask], expression[mask], states[~mask], expression[~mask]
        )


def test_models_with_all_their_variances(cells):
    """A model brings what predictors would be given for one by one."""
    module = pytest.importorskip("kompot.models.expression_model")
    states, expression = np.asarray(cells.obsm["X_states"]), dense(cells)
    made = []
    for condition in WHO[1:]:
        own = (cells.obs["condition"] == condition).to_numpy()
        model = module.ExpressionModel(random_state=0, tol=0.0)
        sample = cells.obs["sample"].to_numpy()[own]
        made.append(
            model.fit(states[own], expression[own], **options(cells), sample_indices=sample)
        )
    quiet = {"obsm_key": "X_states", "progress": False, "return_full_results": True}
    whole = kompot.de(
        cells.copy(), *WHO, **quiet, model=kompot.ModelSettings(model1=made[0], model2=made[1])
    )
    parts = kompot.ModelSettings(
        function_predictor1=made[0],
        function_predictor2=made[1],
        variance_predictor1=made[0].sample_variance,
        variance_predictor2=made[1].sample_variance,
    )
    by_parts = kompot.de(cells.copy(), *WHO, **quiet, model=parts)
    pd.testing.assert_frame_equal(whole["table"], by_parts["table"])
    assert whole["field_names"] == by_parts["field_names"]
    assert whole["field_names"]["mahalanobis_key"].endswith("_sample_var")


def test_layers_that_need_common_features_are_refused(cells):
    from kompot.anndata.refusals import refuse_factored
    from kompot.settings import Comparison, ExpressionSettings, StorageSettings

    settings = ExpressionSettings(Comparison(*WHO), storage=StorageSettings(layers="none"))
    refuse_factored(settings)
    kompot.de(cells, *WHO, obsm_key="X_states", model=models(cells), layers="none", progress=False)
    assert not [name for name in cells.layers if name.startswith("kompot")]
    assert "kompot_de_control_std" in cells.obs
    object.__setattr__(settings.storage, "layers", "factored")
    with pytest.raises(ValueError, match="layers='dense' or 'none'"):
        refuse_factored(settings)
