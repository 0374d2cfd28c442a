"""Entries of ``uns`` after a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.landmarks import EMBEDDING, landmarks_info
from kompot.records.direction_thresholds import without_thresholds
from kompot.records.encoding import encoded
from kompot.records.fields import Field
from kompot.records.history import appended_history

__all__ = ["uns_entries"]


def uns_entries(
    adata: AnnData,
    history_key: str,
    landmarks: NDArray[np.float64],
    wanted: list[Field],
    record: dict[str, Any],
    *,
    store_landmarks: bool,
) -> dict[str, dict[str, Any]]:
    """The history and, if wanted, the landmarks; ``adata`` is left as it is.

    Parameters
    ----------
    adata
        The data with earlier entries.
    history_key
        Key of ``uns`` that holds the history of this kind of run.
    landmarks
        Landmarks used, ``(rank, n_dims)``.
    wanted
        Fields that the run writes.
    record
        Record of the run; landmarks that an earlier run had stored are added to it.
    store_landmarks
        Whether to keep the landmarks themselves.
    """
    source = record["numerics"]["landmarks_source"]
    if source not in ("argument", "computed"):
        used = {"gp.landmarks": encoded(adata.uns[source]["landmarks"])}
        record = record | {"arrays": record.get("arrays", {}) | used}
    info = landmarks_info(landmarks, source, record["timestamp"])
    columns = [field.name for field in wanted if field.location == "obs"]
    earlier = without_thresholds(_entry(adata, history_key), columns)
    entries = {history_key: appended_history(earlier, record, wanted)}
    entries[history_key]["landmarks_info"] = info
    key = record["result_key"]
    own = entries.setdefault(key, _entry(adata, key))
    own["landmarks_info"] = info
    if store_landmarks:
        own["landmarks"], own[EMBEDDING] = landmarks, record["params"]["obsm_key"]
    return entries


def _entry(adata: AnnData, key: str) -> dict[str, Any]:
    """A copy of an entry; what is no dictionary, and so not ours, is kept as its ``previous``."""
    stored = adata.uns.get(key)
    if isinstance(stored, Mapping):
        return dict(stored)
    return {} if stored is None else {"previous": stored}
