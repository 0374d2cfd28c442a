"""Every public function on odd data: a right answer or an error of ours, and nothing changed.

``KOMPOT_FUZZ=200`` tries so many data sets with each function, drawn anew, instead of a few.
"""

import logging
import os
import re
import tempfile
import traceback
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import kompot

mpl.use("Agg")
PAIR = ("condition", "a", "b")
NAMED = re.compile(r"[`'\"]|adata\.|cells|genes|samples|conditions?|cell")
ERRORS = (ValueError, TypeError, NotImplementedError, MemoryError, OSError)
FEW = {"null_genes": 8, "random_state": 0, "progress": False}


def de(adata, **options):
    return kompot.compute_differential_expression(adata, *PAIR, **(FEW | options))


def da(adata, **options):
    return kompot.compute_differential_abundance(adata, *PAIR, progress=False, **options)


def smooth(adata, **options):
    return kompot.compute_smoothed_expression(adata, random_state=0, progress=False, **options)


def donor_de(adata, **options):
    return de(adata, sample_col="donor", paired=False, **options)


def donor_da(adata, **options):
    return da(adata, sample_col="donor", paired=False, **options)


def null_check(adata, **options):
    options = {"sample_col": "donor", "n_splits": 2, "progress": False} | options
    return kompot.null_check(adata, *PAIR, **options).splits


def after_de(function, **options):
    def call(adata):
        de(adata, **options)
        return function(adata)

    return call


def after_da(function):
    def call(adata):
        da(adata)
        return function(adata)

    return call


def both_conditions(adata):
    label = adata.obs["condition"].astype(str).to_numpy()
    return [(np.asarray(adata.obsm["DM_EigenVectors"])[label == c], label == c) for c in "ab"]


def array_de(adata):
    (x1, first), (x2, second) = both_conditions(adata)
    model = kompot.DifferentialExpression()
    model.fit(x1, adata.X[first], x2, adata.X[second])
    return list(model.predict(x2, progress=False).values())


def array_da(adata):
    (x1, _), (x2, _) = both_conditions(adata)
    return list(kompot.DifferentialAbundance().fit(x1, x2).predict(x2, progress=False).values())


def function_estimator(adata):
    x = adata.obsm["DM_EigenVectors"]
    model = kompot.FunctionEstimator().fit(x, adata.X)
    return [model.predict(x), model.covariance(x), model.gradient(x)]


def density_estimator(adata):
    x = adata.obsm["DM_EigenVectors"]
    model = kompot.DensityEstimator().fit(x)
    return [model.predict(x), model.variance(x), model.gradient(x)]


def expression_model(adata):
    x = adata.obsm["DM_EigenVectors"]
    model = kompot.ExpressionModel().fit(x, adata.X)
    return [model.predict(x), model.covariance(x)]


def sample_variance(adata):
    x = adata.obsm["DM_EigenVectors"]
    model = kompot.SampleVarianceEstimator().fit(x, adata.X, adata.obs["donor"].to_numpy())
    return model.predict(x, diag=True, progress=False)


def distances(adata):
    values = np.asarray(adata.obsm["X_pca"])[:, 0]
    return kompot.compute_fdr(np.abs(values), np.abs(np.asarray(adata.obsm["X_pca"])).ravel())


def weighted_mean(adata):
    change = np.asarray(adata.obsm["X_pca"])
    return kompot.compute_weighted_mean_fold_change(change, log_density_diff=change[:, 0])


def mahalanobis(adata):
    values = np.asarray(adata.obsm["X_pca"])
    return kompot.compute_mahalanobis_distance(values[0], np.cov(values.T))


def saved(adata):
    model = kompot.FunctionEstimator().fit(adata.obsm["DM_EigenVectors"], adata.X)
    with tempfile.TemporaryDirectory() as folder:
        kompot.save_model(model, Path(folder, "m.npz"))
        return kompot.load_model(Path(folder, "m.npz")).predict(adata.obsm["DM_EigenVectors"])


def report(adata):
    with tempfile.TemporaryDirectory() as folder:
        de(adata)
        da(adata, overwrite=True)
        kompot.report(adata, Path(folder, "page.html"), basis="X_pca", groupby="type")


def drawn(plot, after=after_de):
    def call(adata):
        import matplotlib.pyplot as plt

        try:
            plot(adata)
        finally:
            plt.close("all")

    return after(call)


ANALYSES = {
    "compute_differential_expression": de,
    "DE by donors": donor_de,
    "DE by cells of samples": lambda adata: donor_de(adata, significance="cell"),
    "DE in groups": lambda adata: de(adata, groups="type", min_cells=1, layers="none"),
    "DE factored": lambda adata: de(adata, layers="factored", attribution=True),
    "DE with own noise": lambda adata: de(
        adata, use_empirical_variance=True, store_additional_stats=True
    ),
    "DE on disk": lambda adata: de(adata, store_arrays_on_disk=True, batch_size=7),
    "DE symmetric": lambda adata: de(adata, param_scheme="symmetric", batch_size=3),
    "DE separate": lambda adata: de(adata, param_scheme="separate"),
    "DE by evidence": lambda adata: de(adata, ls="evidence"),
    "DE with covariance": lambda adata: de(adata, store_posterior_covariance=True),
    "DE without some cells": lambda adata: de(adata, cell_filter={"type": "B"}),
    "compute_differential_abundance": da,
    "DA by donors": donor_da,
    "DA from labels": lambda adata: da(adata, ratio="labels", store_additional_stats=True),
    "DA in groups": lambda adata: da(adata, groups="type", param_scheme="pooled"),
    "DA by evidence": lambda adata: da(adata, ls="evidence"),
    "compute_smoothed_expression": smooth,
    "smoothing of a condition": lambda adata: smooth(adata, groupby="condition", condition="a"),
    "smoothing with samples": lambda adata: smooth(
        adata, sample_col="donor", use_empirical_variance=True
    ),
    "smooth_expression": lambda adata: kompot.smooth_expression(
        adata, gp=kompot.GPSettings(random_state=0), output=kompot.OutputSettings(progress=False)
    ),
    "diffusion_maps": lambda adata: kompot.diffusion_maps(
        adata, n_components=2, knn=5, overwrite=True
    ),
    "de": lambda adata: kompot.de(adata, *PAIR, **FEW, layers="none"),
    "da": lambda adata: kompot.da(adata, *PAIR, progress=False),
}
"""Calls that write results whose values do not depend on how the data are held."""

OTHERS = {
    "null_check": null_check,
    "null_check of abundance": lambda adata: null_check(adata, analysis="abundance"),
    "check_underrepresentation": lambda adata: (
        kompot.check_underrepresentation(adata, "condition", "type", warn=False) and None
    ),
    "dry_run_differential_expression": lambda adata: (
        kompot.dry_run_differential_expression(adata, *PAIR) and None
    ),
    "dry_run_differential_abundance": lambda adata: (
        kompot.dry_run_differential_abundance(adata, *PAIR) and None
    ),
    "get_table": after_de(kompot.get_table),
    "get_layer": after_de(
        lambda adata: kompot.get_layer(adata, "kompot_de_a_imputed", cells=slice(0, 2)),
        layers="factored",
    ),
    "densify": after_de(lambda adata: kompot.densify(adata, progress=False), layers="factored"),
    "cleanup": after_de(kompot.cleanup),
    "RunInfo": after_de(lambda adata: kompot.RunInfo(adata).get_summary() and None),
    "runs": after_de(lambda adata: kompot.runs(adata) is None),
    "get_field_status": after_de(lambda adata: kompot.get_field_status(adata) is None),
    "recompute_fdr": after_de(kompot.recompute_fdr),
    "extract_null_distribution": after_de(kompot.extract_null_distribution),
    "update_direction_column": after_da(kompot.update_direction_column),
    "compute_fdr": distances,
    "compute_weighted_mean_fold_change": weighted_mean,
    "compute_mahalanobis_distance": mahalanobis,
    "find_landmarks": lambda adata: kompot.find_landmarks(
        adata.obsm["DM_EigenVectors"], 5, 3, random_state=0
    )[0],
    "apply_batched": lambda adata: kompot.apply_batched(
        lambda x: x.sum(1), adata.obsm["X_pca"], 3, show_progress=False
    ),
    "DifferentialExpression": array_de,
    "DifferentialAbundance": array_da,
    "FunctionEstimator": function_estimator,
    "DensityEstimator": density_estimator,
    "ExpressionModel": expression_model,
    "SampleVarianceEstimator": sample_variance,
    "save_model, load_model": saved,
    "volcano_de": drawn(kompot.plot.volcano_de),
    "volcano_da": drawn(kompot.plot.volcano_da, after_da),
    "heatmap": drawn(lambda adata: kompot.plot.heatmap(adata, n_top_genes=3)),
    "plot_gene_expression": drawn(
        lambda adata: kompot.plot.plot_gene_expression(adata, adata.var_names[0], basis="X_pca")
    ),
    "direction_barplot": drawn(
        lambda adata: kompot.plot.direction_barplot(adata, "type"), after_da
    ),
    "qq": drawn(kompot.plot.qq),
    "embedding": drawn(lambda adata: kompot.plot.embedding(adata, "X_pca", color="condition")),
    "diagnostics": drawn(kompot.plot.diagnostics),
}


OTHERS |= {"report": report} if os.environ.get("KOMPOT_FUZZ") else {}  # a page takes a second


class Outcome:
    def __init__(self, call, adata):
        self.error = self.result = None
        said = logging.getLogger("kompot")
        handler = logging.Handler(logging.WARNING)
        logged = []
        handler.emit = lambda record: logged.append(record.getMessage())
        said.addHandler(handler)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.result = call(adata)
        except Exception as error:  # noqa: BLE001 every error is judged below
            self.error = error
        finally:
            said.removeHandler(handler)
        self.numeric = [str(w.message) for w in caught if w.category is RuntimeWarning]
        self.said = logged + [str(w.message) for w in caught]


def judge_error(error, names):
    """Fail unless an error is one of ours: its type, who raised it, and what it names."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    if place.filename == __file__:
        return  # the call itself had nothing to work with
    text = "".join(traceback.format_exception(error)[-12:])
    what = f"{names}: {type(error).__name__}: {error}\n{text}"
    assert type(error) in ERRORS, what
    assert "/kompot/" in place.filename.replace("\\", "/"), what
    assert place.line.startswith("raise"), what
    assert NAMED.search(str(error)), what


def holes(value):
    """Whether numbers that were returned hold NaN."""
    if isinstance(value, pd.DataFrame):
        return any(holes(value[c].to_numpy()) for c in value.select_dtypes("number"))
    if isinstance(value, list | tuple):
        return any(holes(one) for one in value)
    value = np.asarray(value)
    return value.dtype.kind == "f" and bool(np.isnan(value).any())


def new_values(adata, before):
    """Results that a call stored, by place and name."""
    found = {}
    for place in ("obs", "var"):
        frame = getattr(adata, place)
        found |= {(place, c): frame[c].to_numpy() for c in frame if (place, str(c)) not in before}
    for place in ("layers", "obsm", "varm"):
        held = getattr(adata, place)
        found |= {(place, k): held[k] for k in held if k is not None and (place, k) not in before}
    return found


EXPECTED_HOLES = re.compile(r"_donor_|weighted|_B_|_B$")
"""Fields that say nothing of some cells or genes, as documented."""


def try_call(call, name, names, make_changed, snapshot):
    adata, parents = make_changed(names)
    parent_before = [snapshot(parent) for parent in parents]
    loose = adata.is_view  # which becomes data of its own when it is written to
    before = snapshot(adata, loose=loose)
    outcome = Outcome(call, adata)
    assert [snapshot(parent) for parent in parents] == parent_before, names
    after = snapshot(adata, loose=loose)
    if outcome.error is None:
        gone = {"kompot_de", "kompot_da"}
        kept = {k: v for k, v in before.items() if k != ("view", "") and k[1] not in gone}
        if "diffusion" in name:
            kept.pop(("obsm", "DM_EigenVectors"))
    else:
        judge_error(outcome.error, names)
        kept = before
        if "after" in call.__qualname__ or name == "report":  # an earlier step may have succeeded
            kept = {k: v for k, v in before.items() if k != ("view", "")}
    assert {k: after.get(k) for k in kept} == kept, names
    return outcome, adata, before


REFUSED = "calls on odd data, refused"
MAY_HAVE_HOLES = ("DE without some cells", "apply_batched")
"""Cells left out have no values; a function of the user's gives what it gives."""


def check_holes(outcome, adata, before, names):
    stored = {
        place: value
        for place, value in new_values(adata, before).items()
        if not EXPECTED_HOLES.search(place[1])
    }
    silent = [place for place, value in stored.items() if holes(value)]
    if holes(outcome.result) or silent:
        assert outcome.said, f"{names}: silent NaN in {silent or 'what is returned'}"
    assert not outcome.numeric, f"{names}: {outcome.numeric}"


@pytest.mark.parametrize("name", [*ANALYSES, *OTHERS])
def test_any_data_are_answered_or_refused(name, profile, harmful, make_changed, snapshot, tally):
    call = (ANALYSES | OTHERS)[name]

    @profile
    @given(names=harmful)
    def run(names):
        outcome, adata, before = try_call(call, name, names, make_changed, snapshot)
        tally["calls on odd data, answered" if outcome.error is None else REFUSED] += 1
        if outcome.error is None and name not in MAY_HAVE_HOLES:
            check_holes(outcome, adata, before, names)

    run()


@pytest.mark.parametrize("name", list(ANALYSES))
def test_how_data_are_held_does_not_matter(
    name, profile, harmless, make_changed, plain_data, snapshot, tally
):
    call = ANALYSES[name]

    @profile
    @given(names=harmless)
    def run(names):
        reference = plain_data(make_changed(names)[0])
        expected = Outcome(call, reference)
        outcome, adata, before = try_call(call, name, names, make_changed, snapshot)
        tally["calls on odd data, compared"] += 1
        assert expected.error is None, names
        assert outcome.error is None, (names, outcome.error)
        if name not in MAY_HAVE_HOLES:
            check_holes(outcome, adata, before, names)
        found = new_values(adata, before)
        values = new_values(reference, before)
        assert set(found) == set(values)
        for place, value in values.items():
            if SHUFFLED.search(place[1]):
                continue
            compare(value, found[place], f"{names}: {place}")

    run()


SHUFFLED = re.compile("fdr|pvalue|is_de")
"""Fields judged against shuffled genes, drawn differently of sparse and dense matrices."""


def compare(expected, found, what):
    if isinstance(expected, pd.DataFrame):
        expected, found = (t.select_dtypes("number").to_numpy(float) for t in (expected, found))
    if hasattr(expected, "toarray"):
        expected, found = expected.toarray(), found.toarray()
    expected, found = np.asarray(expected), np.asarray(found)
    if expected.dtype.kind != "f":
        assert (expected.astype(str) == found.astype(str)).mean() > 0.9, what
        return
    close = np.isclose(
        expected, found, rtol=2e-3, atol=2e-3 * np.nanmax(np.abs(expected), initial=1)
    )
    assert (close | (np.isnan(expected) & np.isnan(found))).all(), what
