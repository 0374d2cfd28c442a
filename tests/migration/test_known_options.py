"""Settings objects take their options in the order that scripts of the original rely on."""

from dataclasses import fields

import pytest

import kompot

KNOWN = {
    "GPSettings": (
        *("sigma", "ls", "ls_factor", "n_landmarks", "landmarks", "use_empirical_variance"),
        *("batch_size", "eps", "jit_compile", "random_state", "param_scheme"),
    ),
    "FDRSettings": (
        *("null_genes", "null_seed", "threshold", "null_mahalanobis", "null_expression"),
        "combine_with_internal",
    ),
    "DAThresholdSettings": ("lfc_threshold", "ptp_threshold"),
    "FilterSettings": (
        *("cell_filter", "groups", "min_cells", "min_percentage", "check_representation"),
    ),
    "StorageSettings": (
        *("result_key", "overwrite", "store_landmarks", "store_posterior_covariance"),
        *("store_additional_stats", "store_arrays_on_disk", "disk_storage_dir"),
        "max_memory_ratio",
    ),
    "OutputSettings": (
        *("copy", "inplace", "return_full_results", "return_null_data", "compute_mahalanobis"),
        *("allow_single_condition_variance", "progress"),
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_options_come_in_the_known_order_and_ours_after_them(name):
    found = tuple(option.name for option in fields(getattr(kompot, name)))
    assert found[: len(KNOWN[name])] == KNOWN[name]


def test_options_by_position_are_those_that_were_meant():
    given = (False, True, True, False)
    output = kompot.OutputSettings(*given)
    assert not output.return_null_data
    assert output.compute_mahalanobis
    noise = (1.0, None, 10.0, 100, None, True)
    assert kompot.GPSettings(*noise).use_empirical_variance
