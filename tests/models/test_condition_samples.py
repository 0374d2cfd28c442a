"""Labels of samples: read alike by every model."""

import numpy as np
import pandas as pd
import pytest

from kompot.models.condition_samples import sample_labels


@pytest.mark.parametrize(
    "labels",
    [
        *(pd.Series(["a", missing, "b"]) for missing in (None, np.nan, pd.NA)),
        *(["a", missing, "b"] for missing in (None, np.nan, pd.NA)),
        *([1.0, np.nan, 2.0], np.array([1.0, np.nan, 2.0])),
        pd.Series(["a", None, "b"], dtype="category"),
    ],
)
def test_missing_labels_are_counted_and_refused(labels):
    with pytest.raises(ValueError, match="`samples` lacks the sample of 1 of 3 cells"):
        sample_labels(labels, 3, "samples")


def test_labels_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"`samples` must .* each of 4 cells, got shape \(3,\)"):
        sample_labels(["a", "b", "c"], 4, "samples")


def test_labels_keep_their_kind_unless_they_cannot_be_sorted():
    assert sample_labels([3, 1, 2], 3, "samples").dtype.kind == "i"
    np.testing.assert_array_equal(
        sample_labels(pd.Series(["b", 1, "a"]), 3, "samples"), ["b", "1", "a"]
    )
    text = pd.Series(["x", "y", "x"], dtype="string")
    np.testing.assert_array_equal(np.unique(sample_labels(text, 3, "samples")), ["x", "y"])
