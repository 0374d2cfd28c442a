import numpy as np
import pytest

from kompot import compute_differential_abundance, compute_differential_expression
from kompot.records.history import read_history


@pytest.mark.parametrize(
    ("analyse", "key"),
    [
        (compute_differential_abundance, "kompot_da"),
        (compute_differential_expression, "kompot_de"),
    ],
)
def test_chosen_scale_is_recorded_with_its_curve(adata, analyse, key):
    extra = {"null_genes": None, "layers": "none"} if key == "kompot_de" else {}
    full = analyse(
        adata,
        "condition",
        "control",
        "treated",
        ls="evidence",
        progress=False,
        return_full_results=True,
        **extra,
    )
    (run,) = read_history(adata.uns[key])
    curve = run["numerics"]["evidence"]
    assert run["numerics"]["ls"] == pytest.approx(full["model"].ls_)
    best = np.ravel(np.max(np.atleast_2d(np.transpose(curve["log_evidence"])), axis=0)).argmax()
    assert curve["length_scales"][best] == pytest.approx(full["model"].ls_)
    flat = str(run["params"])
    assert "'ls': 'evidence'" in flat


def test_other_words_are_refused(adata):
    with pytest.raises((TypeError, ValueError), match="ls"):
        compute_differential_expression(adata, "condition", "control", "treated", ls="best")
