import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

import kompot
from kompot.models import DensityEstimator, FunctionEstimator, SampleVarianceEstimator


@pytest.fixture
def cells(rng):
    """180 cells of 4 samples, 3 genes."""
    states, sample = rng.normal(size=(180, 2)), np.array(list("daxb"))[np.arange(180) % 4]
    shift = {name: rng.normal(size=3) for name in "abdx"}
    values = np.sin(states[:, :1]) + np.stack([shift[name] for name in sample])
    return states, values + rng.normal(0, 0.3, values.shape), sample


def test_covariance_is_that_of_each_samples_own_regression(cells, rng):
    states, values, sample = cells
    landmarks, new = rng.normal(size=(14, 2)), rng.normal(size=(8, 2))
    options = {"ls": 2.5, "sigma": 0.5, "landmarks": landmarks}
    model = SampleVarianceEstimator(eps=0.0).fit(states, values, sample, estimator_kwargs=options)
    functions = np.stack(
        [
            FunctionEstimator(**options).fit(states[sample == s], values[sample == s]).predict(new)
            for s in model.groups_
        ]
    )
    centred = functions - functions.mean(0)
    expected = np.einsum("sig,sjg->ijg", centred, centred) / 3
    found = model.predict(new, progress=False)
    np.testing.assert_allclose(found, expected, atol=1e-8)
    variance = model.predict(new, diag=True, progress=False)
    np.testing.assert_allclose(variance, functions.var(axis=0, ddof=1), atol=1e-8)
    jittered = SampleVarianceEstimator(eps=0.1).fit(
        states, values, sample, estimator_kwargs=options
    )
    difference = jittered.predict(new, progress=False) - found
    np.testing.assert_allclose(difference[:, :, 0], 0.1 * np.eye(8), atol=1e-8)


def test_density_varies_where_samples_lie_apart(rng):
    """Between samples whose cells are shifted against each other, and not between equal ones."""
    sample = np.repeat([0, 1, 2], 200)
    states = rng.normal(size=(600, 2))
    moved = states + np.stack([sample * 0.8, sample * 0.0], axis=1)
    equal, apart = (
        SampleVarianceEstimator(estimator_type="density").fit(
            x, grouping_vector=sample, estimator_kwargs={"ls": 2.0}
        )
        for x in (states, moved)
    )
    at = np.array([[-0.7, 0.0], [2.3, 0.0]])
    variance = apart.predict(at, diag=True, progress=False)
    assert variance.shape == (2, 1)
    assert (variance > 3 * equal.predict(at, diag=True, progress=False)).all()
    covariance = apart.predict(at, progress=False)
    assert covariance.shape == (2, 2, 1)
    np.testing.assert_allclose(np.diagonal(covariance[:, :, 0]), variance[:, 0])
    assert covariance[0, 1, 0] < 0  # what one end gains the other loses
    assert isinstance(apart.estimator_, DensityEstimator)


def test_small_samples_are_left_out(cells):
    states, values, sample = cells
    odd = sample.copy()
    odd[:3] = "tiny"
    model = SampleVarianceEstimator().fit(states, values, odd, min_cells=4)
    assert model.groups_.tolist() == ["a", "b", "d", "x"]
    options = {"landmarks": model.estimator_.features_.landmarks, "ls": model.estimator_.ls_}
    rest = SampleVarianceEstimator().fit(
        states[3:], values[3:], sample[3:], estimator_kwargs=options
    )
    np.testing.assert_allclose(
        model.predict(states[:5], diag=True, progress=False),
        rest.predict(states[:5], diag=True, progress=False),
        rtol=1e-6,
    )


def test_sparse_and_one_dimensional_expression(cells):
    states, values, sample = cells
    model = SampleVarianceEstimator().fit(states, sparse.csr_matrix(values), sample)
    one = SampleVarianceEstimator().fit(states, values[:, 0], sample)
    np.testing.assert_allclose(
        model.predict(states[:4], diag=True, progress=False)[:, :1],
        one.predict(states[:4], diag=True, progress=False),
    )


def test_it_is_cloned_and_named_at_the_top():
    model = SampleVarianceEstimator(estimator_type="density")
    assert clone(model).get_params() == model.get_params()
    assert kompot.SampleVarianceEstimator is SampleVarianceEstimator


@pytest.mark.parametrize(
    ("options", "given", "message"),
    [
        ({"estimator_type": "tree"}, {}, "'estimator_type' must be one of"),
        ({"eps": -1.0}, {}, "'eps' must be"),
        ({}, {"Y": None}, "`Y` is needed"),
        ({}, {"grouping_vector": None}, "`grouping_vector` is needed"),
        ({}, {"grouping_vector": np.zeros(5)}, r"each of 180 cells, got shape \(5,"),
        (
            {},
            {"grouping_vector": np.zeros(180)},
            r"At least 2 groups with sufficient cells \(>= 2\) are required, but only 1 valid",
        ),
        ({}, {"min_cells": 50}, r"\(>= 50\) are required, but only 0 valid group\(s\) found"),
    ],
)
def test_what_cannot_be_fitted_is_refused(cells, options, given, message):
    states, values, sample = cells
    arguments = {"X": states, "Y": values, "grouping_vector": sample} | given
    with pytest.raises(ValueError, match=message):
        SampleVarianceEstimator(**options).fit(**arguments)


def test_covariances_that_do_not_fit_are_refused_before_computing(cells):
    states, values, sample = cells
    model = SampleVarianceEstimator().fit(states, values, sample)
    with pytest.raises(MemoryError, match="diag=True"):
        model.predict(np.zeros((400_000, 2)), progress=False)
    with pytest.raises(ValueError, match="not fitted"):
        SampleVarianceEstimator().predict(states)
