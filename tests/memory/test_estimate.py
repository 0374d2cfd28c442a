from dataclasses import replace

import pytest

from kompot.memory import MatrixSize, ResourceRequirement
from kompot.memory.abundance import AbundanceSizes, abundance_steps
from kompot.memory.estimate import estimate_expression, estimate_given, estimate_steps
from kompot.memory.expression import ExpressionSizes
from kompot.memory.expression_sizes import FIT_CHUNK, fit_chunk
from kompot.memory.given import GivenSizes

NAMES = [("a", False), ("b", True), ("c", False)]
SPARSE = MatrixSize(100_000, 20_000, 4, 200_000_000)
LARGE = ExpressionSizes(
    100_000, 20_000, 100_000, 20_000, 10, 300, SPARSE, n_null=2000, n_threads=4
)  # fmt: skip


def test_layers_are_listed_one_by_one_with_their_exact_size():
    found = estimate_expression(LARGE, NAMES)
    layers = [one for one in found.requirements if one.field_name is not None]
    assert [one.field_name for one in layers] == [f"adata.layers['{name}']" for name, _ in NAMES]
    assert [one.overwrite for one in layers] == [False, True, False]
    assert {one.size_bytes for one in layers} == {100_000 * 20_000 * 4}
    assert found.memory_bytes == sum(one.size_bytes for one in found.requirements)
    assert 24e9 < found.memory_bytes < 25e9


@pytest.mark.parametrize(
    ("change", "grows"),
    [
        ({"rank": 600}, True),
        ({"n_null": 0}, False),
        ({"n_threads": 16}, True),
        ({"n_samples": 12, "n_layers": 5}, True),
        ({"has_noise": True}, True),
        ({"n_obs": 200_000}, True),
        ({"storage": "factored"}, False),
        ({"storage": "none", "n_layers": 0}, False),
        ({"on_disk": True}, False),
        ({"has_covariance": True}, True),
        ({"copied_bytes": 10**9}, True),
        ({"is_by_columns": True}, True),
    ],
)
def test_memory_goes_where_the_sizes_go(change, grows):
    before = estimate_expression(LARGE, NAMES).memory_bytes
    after = estimate_expression(replace(LARGE, **change)).memory_bytes
    assert (after > before) is grows


def test_files_hold_layers_and_fits_of_samples():
    sizes = replace(LARGE, on_disk=True, n_samples=6, n_null=0)
    found = estimate_expression(sizes, NAMES)
    assert found.disk_bytes == 3 * 100_000 * 20_000 * 4 + 6 * 300 * 20_000 * 8
    assert estimate_expression(replace(sizes, on_disk=False), NAMES).disk_bytes == 0


def test_expression_of_a_file_by_columns_is_turned_in_a_file():
    stored = replace(SPARSE, rows_at_a_time=4096)
    found = estimate_expression(replace(LARGE, matrix=stored, is_by_columns=True), NAMES)
    assert found.disk_bytes == 200_000_000 * 8 + 100_000 * 8
    in_rows = estimate_expression(replace(LARGE, matrix=stored), NAMES)
    assert in_rows.disk_bytes == 0
    assert in_rows.memory_bytes == found.memory_bytes


def test_given_functions_take_less_than_those_that_are_fitted():
    sizes = GivenSizes(
        LARGE, (300, 250), is_fitted=True, n_columns=22_000, n_points=550, sizes=(60_000, 40_000)
    )
    fitted = estimate_given(sizes, NAMES)
    given = estimate_given(replace(sizes, is_fitted=False), NAMES)
    assert given.memory_bytes < fitted.memory_bytes
    assert {"fitting condition 1", "fitting condition 2"} <= set(fitted.steps)
    assert "fitting condition 1" not in given.steps
    assert fitted.steps["distances"] > fitted.steps["means"]
    layers = [one for one in given.requirements if one.field_name is not None]
    assert {one.size_bytes for one in layers} == {100_000 * 20_000 * 4}
    names = [one.options for one in fitted.alternatives]
    assert names == ["store_arrays_on_disk=True", "layers='none'", "null_genes=200"]


def test_alternatives_take_less_and_are_what_their_options_take():
    found = estimate_expression(LARGE, NAMES)
    by_name = {one.options: one for one in found.alternatives}
    assert all(one.memory_bytes < found.memory_bytes for one in found.alternatives)
    factored = estimate_expression(replace(LARGE, storage="factored"))
    assert by_name["layers='factored'"].memory_bytes == factored.memory_bytes
    on_disk = by_name["store_arrays_on_disk=True"]
    assert on_disk.disk_bytes == 3 * 100_000 * 20_000 * 4
    assert next(iter(by_name)) == "layers='factored'"  # gives up least


def test_a_refusal_names_the_alternatives_that_fit():
    found = estimate_expression(LARGE, NAMES)
    assert found.refusal(10**12, 0.8, what="the arrays") is None
    text = found.refusal(16 * 10**9, 0.5, what="the arrays")
    assert text.startswith("Insufficient memory: the arrays (most of it layer a) need 24.6 GB")
    assert "max_memory_ratio=0.5 of the 16 GB available. layers='factored' needs " in text
    assert "None of these" not in text
    assert "None of these fits" in found.refusal(10**6, 0.5, what="the arrays")


def test_abundance_grows_with_cells_and_rank():
    sizes = AbundanceSizes(100_000, (50_000, 50_000), 10, 250, 2)
    whole = estimate_steps(abundance_steps(sizes)).memory_bytes
    assert 0.3e9 < whole < 0.6e9
    assert estimate_steps(abundance_steps(replace(sizes, rank=125))).memory_bytes < 0.7 * whole
    donors = replace(sizes, n_samples=8, is_donor_level=True)
    assert estimate_steps(abundance_steps(donors)).memory_bytes >= whole


def test_requirements_are_of_memory_or_disk():
    assert ResourceRequirement("a", 1_500_000).size_human == "1.5 MB"
    with pytest.raises(ValueError, match="`resource_type` must be 'memory' or 'disk', got 'gpu'"):
        ResourceRequirement("a", 1, "gpu")


def test_alternatives_that_give_up_more_add_to_those_before():
    found = estimate_expression(replace(LARGE, has_covariance=True), NAMES)
    assert [one.options for one in found.alternatives][2:] == [
        "store_posterior_covariance=False",
        "store_posterior_covariance=False, layers='none'",
        "store_posterior_covariance=False, layers='none', null_genes=200",
        "store_posterior_covariance=False, layers='none', null_genes=200, n_landmarks=200",
    ]
    memory = [one.memory_bytes for one in found.alternatives[2:]]
    assert memory == sorted(memory, reverse=True)


@pytest.mark.parametrize("n_cells", [0, 1, 2047, 2048, 2049, 4097, 100_000])
def test_chunks_are_of_one_size_and_none_is_large(n_cells):
    size = fit_chunk(n_cells)
    assert size <= FIT_CHUNK
    if n_cells:
        n_chunks = -(-n_cells // size)
        assert n_chunks == -(-n_cells // FIT_CHUNK)
        assert n_cells - (n_chunks - 1) * size > size - n_chunks


def test_unequal_conditions_are_planned_by_the_larger_chunk():
    equal = replace(LARGE, n_cells=4100, n_obs=4100, storage="none", n_layers=0)
    unequal = replace(equal, largest_chunk=max(fit_chunk(2040), fit_chunk(2060)))
    assert unequal.largest_chunk == 2040
    more = estimate_expression(unequal, NAMES).memory_bytes
    assert more > estimate_expression(equal, NAMES).memory_bytes
