"""The documented address of distances between vectors and of landmarks among cells."""

from kompot.gp.landmark_cells import find_landmarks
from kompot.stats.vector_distances import (
    compute_mahalanobis_distance,
    compute_mahalanobis_distances,
)

__all__ = ["compute_mahalanobis_distance", "compute_mahalanobis_distances", "find_landmarks"]
