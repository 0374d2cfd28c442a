import numpy as np
import pytest
from scipy import sparse

from kompot.gp.kernels import make_kernel
from kompot.models import DifferentialExpression, FunctionEstimator


@pytest.fixture
def rough(rng):
    """Functions that the default length scale is much too long for."""
    states = rng.uniform(0, 10, size=(400, 1))
    values = np.column_stack([np.sin(4 * states[:, 0] + shift) for shift in range(6)])
    return states, values + rng.normal(0, 0.3, values.shape), values


def test_evidence_shortens_the_scale_where_functions_are_rough(rough):
    states, noisy, truth = rough
    default = FunctionEstimator(sigma=0.5).fit(states, noisy)
    chosen = FunctionEstimator(sigma=0.5, ls="evidence").fit(states, noisy)
    assert chosen.ls_ < default.ls_
    assert chosen.sigma_ == 0.5
    errors = [np.sqrt(np.mean((m.predict(states) - truth) ** 2)) for m in (chosen, default)]
    assert errors[0] < 0.7 * errors[1]
    assert chosen.evidence_.best == (pytest.approx(chosen.ls_), 0.5)
    assert default.evidence_ is None


def test_noise_can_be_chosen_with_it(rough):
    states, noisy, truth = rough
    model = FunctionEstimator(sigma="evidence", ls="evidence").fit(states, noisy)
    assert 0.1 < model.sigma_ < 1.0
    assert model.evidence_.best == (pytest.approx(model.ls_), pytest.approx(model.sigma_))
    assert np.sqrt(np.mean((model.predict(states) - truth) ** 2)) < 0.15


def test_order_of_cells_and_kind_of_matrix_do_not_matter(rough, rng):
    states, noisy, _ = rough
    order = rng.permutation(400)
    one = FunctionEstimator(ls="evidence").fit(states, noisy)
    other = FunctionEstimator(ls="evidence").fit(states[order], sparse.csr_array(noisy[order]))
    np.testing.assert_allclose(other.evidence_.log_evidence, one.evidence_.log_evidence, rtol=1e-2)
    assert other.ls_ == pytest.approx(one.ls_)


def test_fold_changes_use_the_scale_of_both_conditions(rough):
    states, noisy, truth = rough
    half = 200
    first, second = (states[:half], noisy[:half]), (states[half:], 2 * noisy[half:])
    chosen = DifferentialExpression(random_state=0).fit(*first, *second, sigma=0.5, ls="evidence")
    default = DifferentialExpression(random_state=0).fit(*first, *second, sigma=0.5)
    assert chosen.ls_ < default.ls_
    assert chosen.evidence_.best[0] == pytest.approx(chosen.ls_)
    errors = [
        np.sqrt(np.mean((m.predict(states, progress=False)["fold_change"] - truth) ** 2))
        for m in (chosen, default)
    ]
    assert errors[0] < errors[1]


def test_smooth_functions_keep_the_longest_scale(rng):
    states = rng.normal(size=(300, 2))
    smooth = make_kernel("squared_exponential", 50.0)(states, states[:5]) * [1, 2, 3, 4, 5]
    model = FunctionEstimator(ls="evidence").fit(states, smooth + rng.normal(size=(300, 5)))
    assert model.ls_ == pytest.approx(FunctionEstimator().fit(states, smooth).ls_)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ls": "heuristic"}, "`ls` must be"),
        ({"ls": -1.0}, "`ls` must be"),
        ({"sigma": "low"}, "`sigma` must be"),
        ({"sigma": 0.0}, "`sigma` must be"),
        ({"sigma": "evidence"}, 'give ls="evidence"'),
        ({"ls_factor": 0.0}, "`ls_factor` must be"),
    ],
)
def test_mistakes_are_named(rough, options, message):
    with pytest.raises(ValueError, match=message):
        FunctionEstimator(**options).fit(*rough[:2])
    with pytest.raises(ValueError, match=message):
        DifferentialExpression().fit(*rough[:2], *rough[:2], **options)
