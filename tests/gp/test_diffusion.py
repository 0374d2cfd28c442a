from pathlib import Path

import numpy as np
import pytest

from kompot.gp.diffusion import diffusion_map


@pytest.fixture(scope="module")
def palantir():
    with np.load(Path(__file__).parent / "palantir" / "palantir_reference.npz") as stored:
        return dict(stored)


def circle(n_cells=120):
    angles = 2 * np.pi * np.arange(n_cells) / n_cells
    return np.c_[np.cos(angles), np.sin(angles)], angles


@pytest.mark.parametrize("alpha", [0, 1])
def test_equals_palantir(palantir, alpha):
    found = diffusion_map(palantir["states"], 5, knn=20, alpha=alpha)
    np.testing.assert_allclose(found.eigenvalues, palantir[f"values{alpha}"], atol=1e-6)
    np.testing.assert_allclose(
        found.kernel[0].toarray().ravel(), palantir[f"kernel_row{alpha}"], atol=1e-6
    )
    theirs = palantir[f"vectors{alpha}"]
    cosines = np.abs(np.sum(found.eigenvectors * theirs, axis=0))
    np.testing.assert_allclose(cosines, 1, atol=1e-6)
    # Their multiscale space leaves out the constant, and so does ours.
    np.testing.assert_allclose(
        np.abs(found.multiscale), np.abs(palantir[f"multiscaled{alpha}"]), rtol=1e-3, atol=1e-3
    )


def test_eigenvectors_are_those_of_the_random_walk(rng):
    found = diffusion_map(rng.normal(size=(80, 3)), 6, knn=12)
    steps = found.transition
    np.testing.assert_allclose(steps.sum(axis=1), 1)
    np.testing.assert_allclose(
        steps @ found.eigenvectors, found.eigenvectors * found.eigenvalues, atol=1e-10
    )
    np.testing.assert_allclose(np.linalg.norm(found.eigenvectors, axis=0), 1)
    dense = np.sort(np.linalg.eigvals(steps.toarray()).real)[::-1]
    np.testing.assert_allclose(found.eigenvalues, dense[:7], atol=1e-10)


def test_constant_comes_first(rng):
    found = diffusion_map(rng.normal(size=(60, 2)), 3, knn=10)
    np.testing.assert_allclose(found.eigenvalues[0], 1)
    np.testing.assert_allclose(found.eigenvectors[:, 0], 1 / np.sqrt(60), rtol=1e-8)


def test_circle_gives_the_harmonics():
    states, angles = circle()
    # The spacing is even, so the walk commutes with rotations: its eigenvectors are waves.
    found = diffusion_map(states, 4, knn=11)
    for harmonic, pair in ((1, [1, 2]), (2, [3, 4])):
        waves = np.c_[np.cos(harmonic * angles), np.sin(harmonic * angles)] / np.sqrt(60)
        overlaps = np.linalg.svd(waves.T @ found.eigenvectors[:, pair], compute_uv=False)
        np.testing.assert_allclose(overlaps, 1, atol=1e-6)


def test_scale_and_rotation_do_not_matter(rng):
    states = rng.normal(size=(90, 3))
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    found = diffusion_map(states, 3, knn=10)
    again = diffusion_map(7 * states @ rotation, 3, knn=10)
    np.testing.assert_allclose(again.eigenvectors, found.eigenvectors, atol=1e-6)


def test_order_of_the_cells_does_not_matter(rng):
    states = rng.normal(size=(90, 3))
    order = rng.permutation(90)
    found, again = (diffusion_map(one, 3, knn=10) for one in (states, states[order]))
    np.testing.assert_allclose(again.eigenvectors, found.eigenvectors[order], atol=1e-6)


def test_seed_repeats_to_the_bit_and_hardly_matters(rng):
    states = rng.normal(size=(70, 2))
    first, same, other = (diffusion_map(states, 3, knn=10, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.eigenvectors, same.eigenvectors)
    np.testing.assert_allclose(first.eigenvectors, other.eigenvectors, atol=1e-7)


def test_alpha_one_forgets_the_density(rng):
    # Cells along a line, three times as dense in its right half. With the density divided out
    # the first component stays close to the cosine of an evenly filled line.
    places = np.sort(np.r_[rng.uniform(0, 0.5, 150), rng.uniform(0.5, 1, 450)])
    wave = np.cos(np.pi * places)

    def deviation(alpha):
        vector = diffusion_map(places[:, None], 1, knn=60, alpha=alpha).coordinates[:, 0]
        return 1 - abs(np.corrcoef(vector, wave)[0, 1])

    assert deviation(1) < deviation(0)


def test_many_copies_of_a_cell(rng):
    states = np.r_[rng.normal(size=(60, 2)), np.zeros((30, 2))]
    found = diffusion_map(states, 3, knn=12)
    assert np.isfinite(found.eigenvectors).all()
    # Copies are joined to everything in the same way, but for ties among neighbours.
    assert np.ptp(found.coordinates[-30:], axis=0).max() < np.ptp(found.coordinates)


def test_parts_without_a_path_are_refused(rng):
    states = np.r_[rng.normal(size=(60, 2)), 1000 + rng.normal(size=(40, 2))]
    with pytest.raises(ValueError, match=r"knn=10 neighbours falls into 2 parts of 60, 40 cells"):
        diffusion_map(states, 3, knn=10)
