from dataclasses import replace

import pytest

from kompot.memory import MatrixSize
from kompot.memory.abundance import AbundanceSizes
from kompot.memory.expression import ExpressionSizes
from kompot.resource_estimation.wall_time import (
    Speed,
    WallTime,
    abundance_seconds,
    expression_seconds,
    measure_speed,
)

SPEED = Speed(1e10, 5e9, 3e9, 1e8, 2e9)
MATRIX = MatrixSize(50_000, 5000, 4, 25_000_000)
SIZES = ExpressionSizes(50_000, 5000, 50_000, 5000, 10, 200, MATRIX, n_threads=2)


def test_speeds_of_this_machine_are_measured():
    found = measure_speed()
    rates = (found.products, found.solves, found.sparse_products, found.kernel, found.elements)
    assert all(1e5 < rate < 1e14 for rate in rates)
    assert found.kernel < found.products  # an exponential is more than a multiplication


@pytest.mark.parametrize(
    "change",
    [
        {"rank": 400},
        {"n_cells": 100_000},
        {"n_null": 2000},
        {"n_groups": 50},
        {"has_noise": True},
        {"n_samples": 8, "n_all_samples": 8, "n_regions": 17},
        {"has_covariance": True},
    ],
)
def test_more_work_takes_longer(change):
    more = expression_seconds(replace(SIZES, **change), SPEED)
    assert more.seconds > 1.05 * expression_seconds(SIZES, SPEED).seconds


def test_a_faster_machine_and_more_threads_take_less():
    now = expression_seconds(SIZES, SPEED).seconds
    fast = Speed(*(2 * rate for rate in vars(SPEED).values()))
    assert expression_seconds(SIZES, fast).seconds == pytest.approx(0.5 * (now + 0.1), rel=0.01)
    assert expression_seconds(replace(SIZES, n_threads=8), SPEED).seconds < now
    assert expression_seconds(replace(SIZES, storage="none", n_layers=0), SPEED).seconds < now


def test_abundance_of_samples_takes_longer():
    sizes = AbundanceSizes(20_000, (10_000, 10_000), 10, 150, 2)
    alone = abundance_seconds(sizes, SPEED)
    samples = abundance_seconds(replace(sizes, n_samples=8, is_donor_level=True), SPEED)
    assert alone.low < alone.seconds < alone.high
    assert samples.seconds > alone.seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25 s"), (90.0, "90 s"), (600.0, "10 min"), (9000.0, "2.5 h")],
)
def test_times_in_words(seconds, words):
    found = WallTime(seconds, 0.5 * seconds, 2 * seconds)
    assert found.in_words().startswith(f"about {words} (")
