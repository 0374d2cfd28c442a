import numpy as np
import pytest

from kompot.gp import KERNELS
from kompot.models import (
    DensityEstimator,
    DifferentialAbundance,
    DifferentialExpression,
    ExpressionModel,
    FunctionEstimator,
)

STEP = 1e-5


def differences(function, points, step=STEP):
    """Central differences of a function of cell states, ``(n_cells, n_dims, ...)``."""
    slopes = []
    for dim in range(points.shape[1]):
        move = np.zeros(points.shape[1])
        move[dim] = step
        slopes.append((function(points + move) - function(points - move)) / (2 * step))
    return np.stack(slopes, axis=1)


@pytest.fixture
def cells(rng):
    first, second = rng.normal(size=(150, 3)), rng.normal(0.4, 1.0, size=(140, 3))
    values = [np.stack([np.sin(s[:, 0]), s[:, 1] * s[:, 2]], axis=1) for s in (first, second)]
    return first, values[0], second, values[1]


@pytest.fixture
def points(rng):
    return rng.normal(size=(30, 3))


def assert_is_derivative(gradient, function, points, step=STEP):
    expected = differences(function, points, step)
    assert gradient.shape == expected.shape
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_gradients_of_expression_agree_with_finite_differences(kernel, cells, points):
    model = DifferentialExpression(kernel=kernel, random_state=0).fit(*cells, ls=3.0, sigma=0.3)
    names = {
        "fold_change": "fold_change",
        "condition1": "condition1_imputed",
        "condition2": "condition2_imputed",
    }
    for of, name in names.items():
        assert_is_derivative(
            model.gradient(points, of), lambda x, n=name: model.predict_chunk(x)[n], points
        )
    assert model.gradient(points).shape == (30, 3, 2)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_gradients_of_abundance_agree_with_finite_differences(kernel, cells, points):
    model = DifferentialAbundance().fit(cells[0], cells[2], kernel=kernel, ls=3.0)

    def lfc(x, name="log_fold_change"):
        return model.predict(x, progress=False)[name]

    assert model.gradient(points).shape == (30, 3)
    assert_is_derivative(model.gradient(points), lfc, points)
    assert_is_derivative(
        model.gradient(points, "condition2"), lambda x: lfc(x, "log_density_condition2"), points
    )


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_gradients_of_single_functions_agree_with_finite_differences(kernel, cells, points):
    states, values = cells[:2]
    function = FunctionEstimator(kernel=kernel, ls=3.0, sigma=0.3).fit(states, values)
    assert_is_derivative(function.gradient(points), function.predict, points)
    one = FunctionEstimator(kernel=kernel, ls=3.0, sigma=0.3).fit(states, values[:, 0])
    assert_is_derivative(one.gradient(points), one.predict, points)
    np.testing.assert_allclose(one.gradient(points), function.gradient(points)[:, :, 0], atol=1e-9)
    model = ExpressionModel(kernel=kernel).fit(states, values, sigma=0.3, ls=3.0)
    assert_is_derivative(model.gradient(points), model.predict, points)
    density = DensityEstimator(kernel=kernel, ls=3.0).fit(states)
    assert_is_derivative(density.gradient(points), density.predict, points)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_gradients_at_landmarks_are_limits_of_central_differences(kernel, cells):
    model = FunctionEstimator(kernel=kernel, ls=3.0, sigma=0.3).fit(*cells[:2])
    landmarks = model.features_.landmarks[:25]
    # Once and twice differentiable kernels: the error of differences is of first order here.
    tolerance = {"exponential": 2e-5, "matern32": 2e-5}.get(kernel, 1e-5)
    expected = differences(model.predict, landmarks, 1e-6)
    np.testing.assert_allclose(model.gradient(landmarks), expected, rtol=1e-5, atol=tolerance)


def test_the_exponential_kernel_has_a_kink_at_landmarks_and_no_other_kernel(cells):
    for kernel in KERNELS:
        model = FunctionEstimator(kernel=kernel, ls=3.0, sigma=0.3).fit(*cells[:2])
        landmarks = model.features_.landmarks[:25]
        move = np.array([1e-6, 0.0, 0.0])
        here = model.predict(landmarks)
        jump = (model.predict(landmarks + move) + model.predict(landmarks - move) - 2 * here) / 1e-6
        assert (np.abs(jump).max() > 1e-2) == (kernel == "exponential")


def test_swapping_conditions_reverses_the_gradient(cells, points):
    options = {"ls": 3.0}
    forward = DifferentialExpression(random_state=0).fit(*cells, **options)
    landmarks = forward.features_.landmarks
    backward = DifferentialExpression().fit(*cells[2:], *cells[:2], landmarks=landmarks, **options)
    np.testing.assert_allclose(forward.gradient(points), -backward.gradient(points), atol=1e-8)


def test_bad_arguments_are_refused(cells, points):
    model = DifferentialExpression(random_state=0)
    with pytest.raises(ValueError, match="Model not fitted"):
        model.gradient(points)
    with pytest.raises(ValueError, match="Model not fitted"):
        DifferentialAbundance().gradient(points)
    model.fit(*cells)
    with pytest.raises(ValueError, match="'of' must be one of"):
        model.gradient(points, "mean")
    with pytest.raises(ValueError, match="2 dimensions but the model was made with 3"):
        model.gradient(points[:, :2])
