import inspect
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import kompot
from kompot.records import encoding
from kompot.records.encoding import encoded
from kompot.records.parameters import argument_names

FUNCTIONS = {
    "de": kompot.compute_differential_expression,
    "da": kompot.compute_differential_abundance,
}
WHERE = {"adata", "overwrite", "copy", "inplace", "return_full_results", "progress"}
THIRTY = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
POSITIVE = st.floats(0.3, 3.0)
SEED = st.none() | st.integers(0, 2**32 - 1)
LANDMARKS = st.none() | st.just("draw") | st.integers(5, 30)
"""How many of the cells are given as an array."""
CELLS = st.sampled_from(["mask", "positions", "series", "named masks", "filter", "matrix"])


def fields_of(adata):
    """Every value that the last run of either analysis stored, by location and name."""
    return kompot.RunInfo(adata).get_data()["field_data"]


def assert_same_bits(first, second):
    assert first.keys() == second.keys()
    for location, fields in first.items():
        assert fields.keys() == second[location].keys()
        for name, value in fields.items():
            other = second[location][name]
            assert type(other) is type(value), name
            if isinstance(value, pd.Series):
                pd.testing.assert_series_equal(value, other, check_exact=True)
            elif isinstance(value, pd.DataFrame):
                pd.testing.assert_frame_equal(value, other, check_exact=True)
            else:
                np.testing.assert_array_equal(value, other, err_msg=name)
                assert getattr(value, "dtype", None) == getattr(other, "dtype", None)


def assert_repeats(adata, function, options):
    """A run and its repetition, on fresh data and on the same, agree to the last bit."""
    here, fresh = adata.copy(), adata.copy()
    function(here, "condition", "control", "treated", progress=False, **options)
    run = kompot.RunInfo(here)
    before = {place: dict(values) for place, values in fields_of(here.copy()).items()}
    function(fresh, progress=False, **run.call_args())
    assert_same_bits(before, fields_of(fresh))
    function(here, progress=False, overwrite=True, **run.call_args())
    assert_same_bits(before, fields_of(here))
    assert encoded(kompot.RunInfo(here).call_args()) == encoded(run.call_args())


def cells_as(adata, form, rng):
    """Groups of about half of the cells, in one of the forms, and the first group of them."""
    mask = rng.random(adata.n_obs) < 0.5
    series = pd.Series(np.where(mask, "in", "out"), index=adata.obs_names)
    by_branch = {"branch": [adata.obs["branch"].iloc[0]]}
    return {
        "mask": (mask, mask),
        "positions": (np.flatnonzero(mask), np.flatnonzero(mask)),
        "series": (series.sample(frac=1, random_state=0), series == "in"),
        "named masks": ({"one": mask, "others": ~mask}, [mask]),
        "filter": (by_branch, by_branch),
        "matrix": (np.array([mask, ~mask]), np.array([mask])),
    }[form]


def with_cells(adata, options, seed):
    """The options with arrays in the place of their forms."""
    options, rng = dict(options), np.random.default_rng(seed)
    if isinstance(options["landmarks"], int):
        options["landmarks"] = adata.obsm["DM_EigenVectors"][: options["landmarks"]]
    if options.get("groups") not in (None, "branch"):
        options["groups"] = cells_as(adata, options["groups"], rng)[0]
    if "cell_filter" in options:
        options["cell_filter"] = cells_as(adata, options["cell_filter"], rng)[1]
    return options


@THIRTY
@given(
    options=st.fixed_dictionaries(
        {"random_state": SEED, "landmarks": LANDMARKS},
        optional={
            "n_landmarks": st.none() | st.integers(5, 60),
            "sigma": POSITIVE,
            "ls": st.none() | POSITIVE,
            "ls_factor": POSITIVE.map(lambda x: 5 * x),
            "eps": st.floats(0, 1e-4),
            "batch_size": st.sampled_from([None, 0, 7, 100]),
            "kernel": st.sampled_from(["matern52", "matern32", "squared_exponential"]),
            "tol": st.sampled_from([0.0, 1e-8, 1e-3]),
            "param_scheme": st.sampled_from(["condition1", "condition2", "symmetric", "pooled"]),
            "genes": st.sampled_from(
                [["gene1"], ("gene3", "gene0"), np.array(["gene5"]), pd.Index(["gene2", "gene7"])]
            ),
            "layer": st.just("scaled"),
            "compute_mahalanobis": st.booleans(),
            "null_genes": st.sampled_from([None, 0, 25, [0, 2, 2], np.array([5, 1]), range(3)]),
            "null_seed": SEED,
            "fdr_threshold": st.floats(0.01, 1.0),
            "store_additional_stats": st.booleans(),
            "store_posterior_covariance": st.booleans(),
            "store_landmarks": st.booleans(),
            "layers": st.sampled_from(["dense", "none"]),
            "result_key": st.sampled_from(["kompot_de", "mine", "k ey"]),
            "max_memory_ratio": st.floats(0.5, 1.0),
            "groups": CELLS | st.just("branch"),
            "cell_filter": CELLS,
            "min_percentage": st.floats(0.0, 5.0),
            "group_variance": st.floats(0.1, 1.0),
            "differential_abundance_key": st.just("kompot_da"),
            "attribution": st.booleans(),
        },
    ),
    seed=st.integers(0, 100),
)
@pytest.mark.filterwarnings("ignore:.* groups have fewer than:UserWarning")
def test_expression_runs_are_repeated_bit_for_bit(unanalysed, options, seed):
    adata = unanalysed.copy()
    adata.var_names = [f"gene{i}" for i in range(adata.n_vars)]
    adata.layers["scaled"] = adata.X * 1.5
    options = {"null_genes": 10} | with_cells(adata, options, seed)
    if "differential_abundance_key" in options:
        FUNCTIONS["da"](adata, "condition", "control", "treated", progress=False)
    assert_repeats(adata, FUNCTIONS["de"], options)


@THIRTY
@given(
    options=st.fixed_dictionaries(
        {"random_state": SEED, "landmarks": LANDMARKS, "groups": st.none() | CELLS},
        optional={
            "n_landmarks": st.none() | st.integers(5, 60),
            "log_fold_change_threshold": POSITIVE,
            "ptp_threshold": st.floats(0.01, 0.5),
            "ls_factor": POSITIVE.map(lambda x: 5 * x),
            "batch_size": st.sampled_from([None, 0, 7, 100]),
            "sync_parameters": st.booleans(),
            "store_additional_stats": st.booleans(),
            "store_landmarks": st.booleans(),
            "result_key": st.sampled_from(["kompot_da", "kompot_de", "mine"]),
            "cell_filter": CELLS,
            "ls": POSITIVE,
            "d": POSITIVE,
            "d_method": st.sampled_from(["fractal", "embedding"]),
            "mu": st.floats(-12, -5),
            "kernel": st.sampled_from(["matern52", "matern32"]),
            "tol": st.sampled_from([1e-8, 1e-3]),
        },
    ),
    seed=st.integers(0, 100),
)
def test_abundance_runs_are_repeated_bit_for_bit(unanalysed, options, seed):
    assert_repeats(unanalysed, FUNCTIONS["da"], with_cells(unanalysed, options, seed))


@pytest.mark.parametrize("kind", ["de", "da"])
def test_runs_with_samples_are_repeated_bit_for_bit(with_samples, kind):
    adata = with_samples
    adata.uns.clear()
    options = {"sample_col": "sample", "groups": "branch", "random_state": None}
    if kind == "de":
        options |= {"genes": list(adata.var_names[:4]), "null_genes": 5}
    assert_repeats(adata, FUNCTIONS[kind], options | {"result_key": "again"})


def test_groups_of_a_repeated_run_are_the_same_table(small, da):
    groups = {"some": np.arange(20), "others": np.arange(30, 90)}
    da(small, groups=groups, cell_filter=small.obs["branch"] == small.obs["branch"].iloc[0])
    again = small.copy()
    del again.uns["kompot_da"]
    da(again, overwrite=True, **_without(kompot.RunInfo(small).call_args(), "da"))
    pd.testing.assert_frame_equal(
        again.uns["kompot_da"]["groups"], small.uns["kompot_da"]["groups"]
    )


def _without(arguments, kind):
    """Arguments beside those that the fixtures give."""
    return {
        name: value
        for name, value in arguments.items()
        if name not in {"groupby", "condition1", "condition2", "random_state", "null_genes"}
    }


@pytest.mark.parametrize("kind", ["de", "da"])
def test_arguments_are_those_of_the_function(with_runs, kind):
    arguments = kompot.RunInfo(with_runs, 0, kind).call_args()
    known = set(inspect.signature(FUNCTIONS[kind]).parameters)
    assert set(arguments) <= known - WHERE
    model = {"n_landmarks", "landmarks", "ls_factor", "jit_compile", "random_state", "batch_size"}
    assert set(arguments) >= model | {"result_key", "obsm_key", "condition1", "condition2"}
    assert arguments["groupby"] == "condition"
    assert arguments["random_state"] == 0


@pytest.mark.parametrize("kind", ["de", "da"])
def test_every_argument_belongs_to_an_option(kind):
    known = set(inspect.signature(FUNCTIONS[kind]).parameters)
    arguments = set(argument_names(kind).values())
    elsewhere = {"adata", "client", "function_kwargs", "density_kwargs"}  # no part of a result
    assert known - elsewhere == arguments - {"estimator"}  # whose entries are arguments


def test_options_of_expression_are_no_arguments_that_repeat_abundance(small):
    shared = {
        "storage": kompot.StorageSettings(layers="none", max_memory_ratio=0.7),
        "output": kompot.OutputSettings(compute_mahalanobis=False, progress=False),
        "filter": kompot.FilterSettings(min_cells=3),
    }
    kompot.da(small, "condition", "control", "treated", **shared)
    run = kompot.RunInfo(small)
    with pytest.warns(UserWarning, match=r"left out: .*'filter.min_cells': 3"):
        arguments = run.call_args()
    kompot.compute_differential_abundance(small, **arguments, overwrite=True, progress=False)
    assert run.to_settings()["storage"].layers == "none"


def test_changes_win(small, de):
    de(small, landmarks=small.obsm["DM_EigenVectors"][:20])
    run = kompot.RunInfo(small)
    arguments = run.call_args(random_state=7, landmarks=None, result_key="other")
    assert arguments["random_state"] == 7
    assert arguments["landmarks"] is None
    kompot.compute_differential_expression(small, progress=False, **arguments)
    assert len(kompot.runs(small)) == 2


def test_landmarks_that_were_stored_since_are_not_used(small, de):
    de(small, n_landmarks=20)
    before = small.var["kompot_de_control_to_treated_mahalanobis"].to_numpy()
    de(small, n_landmarks=5, store_landmarks=True, result_key="five")
    small.uns["kompot_de"]["landmarks"] = small.uns["five"]["landmarks"]
    again = kompot.RunInfo(small, 0).call_args(result_key="again")
    kompot.compute_differential_expression(small, progress=False, **again)
    np.testing.assert_array_equal(small.var["again_control_to_treated_mahalanobis"], before)


def test_landmarks_of_another_run_are_used_again_though_they_are_gone(small, de):
    de(small, n_landmarks=15, store_landmarks=True)
    de(small, random_state=5, result_key="second")
    run = kompot.RunInfo(small)
    assert run.run_info["numerics"]["landmarks_source"] == "kompot_de"
    before = small.var["second_control_to_treated_mahalanobis"].to_numpy()
    del small.uns["kompot_de"]["landmarks"]
    arguments = run.call_args(result_key="again")
    kompot.compute_differential_expression(small, progress=False, **arguments)
    np.testing.assert_array_equal(small.var["again_control_to_treated_mahalanobis"], before)


def test_large_arrays_are_found_where_they_are_stored_or_asked_for(small, de, da, monkeypatch):
    monkeypatch.setattr(encoding, "LIMIT", 100)
    landmarks = small.obsm["DM_EigenVectors"][:25]
    de(small, landmarks=landmarks)
    da(small, groups=np.random.default_rng(0).random(small.n_obs) < 0.5)
    with pytest.raises(ValueError, match=r"`landmarks`.*too large.*call_args\(landmarks=\.\.\.\)"):
        kompot.RunInfo(small, 0, "de").call_args()
    with pytest.raises(ValueError, match=r"`landmarks` of the run was an array"):
        kompot.RunInfo(small, 0, "de").to_settings()
    with pytest.raises(ValueError, match=r"`groups`.*too large"):
        kompot.RunInfo(small, 0, "da").call_args()
    assert kompot.RunInfo(small, 0, "da").call_args(groups="branch")["groups"] == "branch"
    small.uns["elsewhere"] = {"landmarks": landmarks + 1.0}
    small.uns["kept"] = {"landmarks": landmarks}
    np.testing.assert_array_equal(kompot.RunInfo(small, 0).call_args()["landmarks"], landmarks)


def test_drawn_seeds_are_recorded(small, de):
    de(small, random_state=None, null_seed=None, result_key="a")
    de(small, random_state=None, null_seed=None, result_key="b")
    first, second = (kompot.RunInfo(small, number).call_args() for number in (0, 1))
    for name in ("random_state", "null_seed"):
        assert isinstance(first[name], int)
        assert first[name] != second[name]


def test_settings_are_those_of_the_run(with_runs):
    made = kompot.RunInfo(with_runs, 1, "de").to_settings()
    shared = ["filter", "storage", "output", "samples"]
    assert list(made) == ["gp", "fdr", *shared]
    assert made["gp"].random_state == 1
    assert made["fdr"].null_genes == 10
    made = kompot.RunInfo(with_runs, 1, "da").to_settings()
    assert list(made) == ["gp", "threshold", *shared, "donor"]
    assert made["storage"].result_key == "back"


def test_further_parameters_of_the_density_are_kept(small, da):
    da(small, ls=2.5, d_method="embedding")
    run = kompot.RunInfo(small)
    assert run.to_settings()["gp"].estimator == {"ls": 2.5, "d_method": "embedding"}
    assert run.call_args()["ls"] == 2.5


def test_arguments_of_the_original_are_read(original):
    run = kompot.RunInfo(original, 0, "de")
    arguments = run.call_args()
    assert arguments["condition1"] == "Young adult"
    assert arguments["n_landmarks"] == 20
    assert arguments["fdr_threshold"] == 0.05
    assert arguments["landmarks"] is None
    kompot.compute_differential_expression(
        original, progress=False, **run.call_args(result_key="ours")
    )
    ours = original.var["ours_Young_adult_to_Old_mean_lfc"]
    theirs = original.var["kompot_de_Young_adult_to_Old_mean_lfc"]
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99
    assert run.to_settings()["fdr"].null_seed == 42


def test_what_the_original_did_not_record_is_asked_for(original):
    run = kompot.RunInfo(original, 0, "da")
    assert run.call_args(landmarks=None)["landmarks"] is None
    del original.uns["kompot_de"]["landmarks"]
    with pytest.raises(ValueError, match="not kept by the version that ran"):
        run.call_args()
    original.uns["kompot_de"]["landmarks"] = np.eye(3)
    with pytest.warns(UserWarning, match="those in 'kompot_de' are") as caught:
        np.testing.assert_array_equal(run.call_args()["landmarks"], np.eye(3))
    assert caught[0].filename == __file__


def test_unknown_parameters_of_other_versions_are_named(original):
    runs = json.loads(original.uns["kompot_de"]["run_history"])
    runs[0]["params"]["something_new"] = True
    runs[0]["params"]["groups"] = "<array shape=(60,)>"
    original.uns["kompot_de"]["run_history"] = json.dumps(runs)
    run = kompot.RunInfo(original, 0, "de")
    with pytest.warns(UserWarning, match="left out: {'something_new': True}") as caught:
        run.call_args(groups=None)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="`groups` of the run was an array"):
        run.call_args()


def test_smoothing_of_the_original_is_repeated(original):
    if "kompot_smooth" not in original.uns:
        pytest.skip("version 0.6.3 does not smooth")
    run = kompot.RunInfo(original, 0, "smooth")
    arguments = run.call_args()
    again = kompot.compute_smoothed_expression(
        original, **arguments, copy=True, overwrite=True, progress=False
    )
    name = run.field_names["smoothed_key"]
    now, then = np.asarray(again.layers[name]), np.asarray(original.layers[name])
    known = np.isfinite(then)  # the original does not record which genes
    assert known.any()
    np.testing.assert_allclose(now[known], then[known], atol=0.01)


def test_runs_with_samples_are_repeated(adata, de, da):
    options = {"sample_col": "donor", "random_state": 3, "paired": False}
    de(adata, **options, regions="branch", layers="none", result_key="a")
    da(adata, sample_col="donor", paired=False, fdr_threshold=0.1, result_key="b")
    for kind, compute in (
        ("de", kompot.compute_differential_expression),
        ("da", kompot.compute_differential_abundance),
    ):
        arguments = kompot.RunInfo(adata, -1, kind).call_args()
        assert arguments["sample_col"] == "donor"
        before = adata.copy()
        compute(adata, **arguments, overwrite=True, progress=False)
        for name in before.var.columns.union(before.obs.columns):
            frame, again = (
                (before.var, adata.var) if name in before.var else (before.obs, adata.obs)
            )
            pd.testing.assert_series_equal(frame[name], again[name], check_exact=True)
