"""Rankings and calls against the truth; needs nothing but numpy."""

import numpy as np

LEVEL = 0.05
LEAST_CHANGE = 0.1
"""Change of the log share of cells from which it counts as one."""


def called_by_p_values(p):
    """Benjamini-Hochberg over the tests that were made, NaN for none."""
    called = np.zeros(len(p), dtype=bool)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested])]
    passing = np.flatnonzero(p[order] * len(order) / np.arange(1, len(order) + 1) <= LEVEL)
    if len(passing):
        called[order[: passing[-1] + 1]] = True
    return called


def ranking(score, positive):
    """Area under ROC and average precision, ties taken together; no score ranks last.

    Parameters
    ----------
    score
        Larger for those that more likely differ, NaN for none.
    positive
        Which do differ, same shape.
    """
    values = np.where(np.isnan(score), -np.inf, score)
    ranks = np.unique(-values, return_inverse=True)[1]
    hits = np.cumsum(np.bincount(ranks, weights=positive))
    listed = np.cumsum(np.bincount(ranks))
    n, misses = hits[-1], listed - hits
    gained = np.diff(hits, prepend=0)
    precision = float((gained * hits / listed).sum() / n)
    before = np.diff(misses, prepend=0) / 2
    area = float((gained * (misses[-1] - misses + before)).sum() / (n * misses[-1]))
    return {"auc": area, "precision": precision}


def judge_genes(known, score, called, *, complete):
    """Compare genes with the truth.

    Parameters
    ----------
    known
        Genes that differ.
    score, called
        What a method says of each gene; ``called`` is None if it calls none.
    complete
        Whether all others do not differ.
    """
    found = ranking(score, known) | {"known": int(known.sum())}
    if called is not None:
        found |= {"called": int(called.sum()), "known_called": int((called & known).sum())}
        found["power"] = found["known_called"] / int(known.sum())
        if complete:
            found["fdp"] = float((called & ~known).sum() / max(called.sum(), 1))
    return found


def judge_cells(changed, score, direction, elsewhere):
    """Compare cells with the truth: a call is right where it has the direction of the change.

    Parameters
    ----------
    changed
        1, -1 or 0, ``(n_cells,)``; None if it is not known.
    score
        Larger where the treated have more cells, ``(n_cells,)``.
    direction
        Calls, 1, -1 or 0, ``(n_cells,)``, or None.
    elsewhere
        Change of the log share of the cells that were left alone.
    """
    found = {}
    if direction is not None:
        found["called"] = int((direction != 0).sum())
    if changed is None:
        return found
    found |= ranking(score * np.sign(changed.sum()), changed != 0)
    if direction is not None:
        right = (direction != 0) & (direction == changed)
        found["power"] = float(right[changed != 0].mean())
        wrong, n_called = (direction != 0) & ~right, max((direction != 0).sum(), 1)
        found["fdp"] = float(wrong.sum() / n_called)
        if abs(elsewhere) > LEAST_CHANGE:
            wrong &= (changed != 0) | (direction != np.sign(elsewhere))
        found["fdp_shares"] = float(wrong.sum() / n_called)
    return found
