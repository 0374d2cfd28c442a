"""What a differential-expression run holds, step by step: one formula per array."""

import math
from dataclasses import replace

from kompot.memory.expression_sizes import (
    CELLS_PER_BIN,
    CLUSTERING,
    FEATURE_CHUNK,
    FIT_CHUNK,
    LABEL,
    MOST_BINS,
    NOISE_ELEMENTS,
    NULL_BLOCK,
    NULL_ROWS,
    READ_CHUNK,
    SAMPLE_BATCH,
    TURNED_VALUES,
    WORK_SPACE,
    ExpressionSizes,
    fit_chunk,
)
from kompot.memory.features import POOL, draw_landmarks
from kompot.memory.sizes import DENSE_SHARE, basis_bytes, weights_bytes
from kompot.memory.steps import FROM_SYSTEM, Held, Ledger, Step, array

__all__ = ["ExpressionSizes", "expression_steps", "fit_separately", "read_steps"]


def expression_steps(s: ExpressionSizes) -> list[Step]:
    """All steps of a run with what is held at each."""
    ledger = Ledger()
    ledger.keep_bytes("Libraries and work space", WORK_SPACE)
    read_steps(ledger, s)
    _shuffle(ledger, s)
    _find_features(ledger, s)
    _fit(ledger, s)
    _score(ledger, s)
    _predict(ledger, s)
    if s.copied_bytes:
        ledger.keep_bytes("Copy of the data", s.copied_bytes)
    ledger.step("recording")
    return ledger.steps


def read_steps(ledger: Ledger, s: ExpressionSizes, *, is_checked: bool = True) -> None:
    """Cell states, conditions, and unless declined the check that no value is missing."""
    ledger.keep("Cell states", s.n_cells, s.n_dims)
    ledger.keep("Rows and conditions", s.n_cells, count=2)
    ledger.step(
        "reading",
        array("Labels as text", s.n_obs, itemsize=LABEL),
        array("Finite states", s.n_cells, s.n_dims),
    )
    if not is_checked:
        return
    if s.turned_bytes and s.matrix.is_stored:
        part = min(s.matrix.n_values(s.n_obs, s.n_vars), TURNED_VALUES) * s.matrix.value_bytes
        ledger.step("turning columns to rows", Held("Parts of the expression", 2 * part))
    elif s.turned_bytes:
        ledger.keep_bytes("Expression by rows", s.turned_bytes)
        ledger.step("turning columns to rows")
    if s.matrix.is_stored:
        return
    rows = min(s.n_cells, READ_CHUNK)
    held = 2 if s.n_cells > READ_CHUNK else 1
    values = s.matrix.n_values(rows, s.n_genes)
    chunk = s.matrix.bytes(rows, s.n_genes)
    ledger.step(
        "checking values",
        Held("Chunks of expression", min(held * chunk, s.matrix.bytes(s.n_cells, s.n_genes))),
        array("Finite values", values, count=2, itemsize=1),
    )


def _shuffle(ledger: Ledger, s: ExpressionSizes) -> None:
    """Null genes: columns of some genes, and their values in other cells."""
    if not s.n_null:
        return
    m = s.matrix
    null = m.bytes(s.n_cells, s.n_null)
    if s.is_shuffled and m.is_stored:
        part = m.bytes(min(s.n_cells, NULL_ROWS), s.n_null)
        ledger.step(
            "reading null genes",
            Held("Null genes, read", null),
            Held("Null genes of a chunk, put together", 3 * part, count=3),
            *_rows_read(s),
        )
        ledger.keep_bytes("Null genes, shuffled", null)
        block = m.bytes(s.n_cells, min(s.n_null, NULL_BLOCK))
        ledger.step(
            "shuffling null genes",
            Held("Blocks of null genes", 3 * block * s.n_threads, count=6, in_thread=True),
        )
    elif s.is_shuffled:
        genes = min(s.n_null, s.n_genes)
        columns, rows = m.bytes(s.n_cells, genes), min(s.n_cells, READ_CHUNK)
        values = m.n_values(s.n_cells, genes)
        chunk = Held("Chunk of expression by columns", m.bytes(rows, s.n_vars))
        if s.n_cells > READ_CHUNK:
            triples = values * (m.itemsize + 2 * m.index_itemsize) if m.is_sparse else 0
            ledger.step(
                "reading null genes",
                Held("Parts of the null genes", columns, count=-(-s.n_cells // READ_CHUNK)),
                Held("Null genes as triples", triples),
                Held("Null genes by columns", columns),
            )
        else:
            ledger.step("reading null genes", chunk, Held("Null genes by columns", columns))
        ledger.keep_bytes("Null genes, shuffled", null)
        n_blocks = max(1, math.ceil(s.n_null / NULL_BLOCK))
        busy = min(s.n_threads, n_blocks) / n_blocks
        ledger.step(
            "shuffling null genes",
            Held("Null genes by columns", columns),
            Held(
                "Blocks of null genes", int(busy * null * 2), count=2 * s.n_threads, in_thread=True
            ),
        )
    else:
        ledger.keep_bytes("Null genes, given", null)


def _find_features(ledger: Ledger, s: ExpressionSizes) -> None:
    """Neighbours for the length scale, then landmarks, then regions."""
    ledger.step("length scale", array("Neighbour search", s.n_cells, s.n_dims + 6))
    rank = s.rank
    draw_landmarks(ledger, s.n_cells, s.n_dims, rank)
    if s.n_cells > POOL:
        chunk = min(s.n_cells, FEATURE_CHUNK)
        busy = 2 * _busy(s, FEATURE_CHUNK)
        ledger.step(
            "checking features",
            array("Features of chunks", chunk, rank, count=busy, in_thread=True),
        )
    if s.n_regions:
        ledger.keep_bytes("Libraries for clustering", CLUSTERING)
        ledger.keep("Regions of the cells", s.n_cells, 4)
        ledger.step(
            "finding regions", array("Principal coordinates", s.n_cells, min(rank, 12), count=3)
        )


def _busy(s: ExpressionSizes, chunk: int, n_chunks: int | None = None) -> int:
    """Threads that have something to do."""
    chunks = math.ceil(s.n_cells / chunk) if n_chunks is None else n_chunks
    return max(1, min(s.n_threads, chunks))


def _fit(ledger: Ledger, s: ExpressionSizes) -> None:
    """Sums over cells, chunk by chunk, then posteriors."""
    rank, genes = s.rank, s.n_fitted
    ledger.keep("Sums over the cells of each condition", genes, rank, count=2)
    ledger.keep("Products of features", rank, rank, count=6)
    if s.n_samples:
        _fit_samples(ledger, s)
    else:
        cells = math.ceil(s.n_cells / 2)
        n_chunks = 2 * math.ceil(cells / FIT_CHUNK)
        busy = _busy(s, FIT_CHUNK, n_chunks)
        ledger.step(
            "fitting",
            *_sums(s, busy, n_chunks),
            *_chunk(s, s.largest_chunk or fit_chunk(cells), busy, together=n_chunks <= busy),
            *_rows_read(s),
        )
    ledger.keep("Weights of each condition", genes, rank, count=2)
    ledger.step("solving", array("Weights before scaling", genes, rank))
    ledger.keep("Fold-change weights", genes, rank)
    ledger.step("subtracting")
    if s.has_noise:
        _fit_noise(ledger, s)
    ledger.drop("Null genes, shuffled", "Null genes, given")


def _rows_read(s: ExpressionSizes) -> list[Held]:
    """Rows of a file: those read at a time, their genes, and what waits to be summed."""
    m = s.matrix
    if not m.is_stored:
        return []
    return [Held("Rows read of the file", 4 * m.bytes(m.rows_at_a_time, s.n_vars), count=4)]


def fit_separately(
    ledger: Ledger, s: ExpressionSizes, ranks: tuple[int, int], n_cells: tuple[int, int]
) -> None:
    """Null genes, then features, sums and weights of one condition after the other."""
    _shuffle(ledger, s)
    for number, (rank, cells) in enumerate(zip(ranks, n_cells, strict=True), start=1):
        own = replace(s, rank=rank, n_cells=cells, n_samples=0, has_noise=False)
        name = f"condition {number}"
        if s.n_null:
            ledger.keep_bytes("Null genes of a condition", s.matrix.bytes(cells, s.n_null))
        ledger.step(f"length scale of {name}", array("Neighbour search", cells, s.n_dims + 6))
        draw_landmarks(ledger, cells, s.n_dims, rank)
        n_chunks = math.ceil(cells / FIT_CHUNK)
        busy = _busy(own, FIT_CHUNK, n_chunks)
        ledger.keep("Sums over the cells of a condition", s.n_fitted, rank)
        held = *_sums(own, busy, n_chunks), *_chunk(own, fit_chunk(cells), busy)
        ledger.step(f"fitting {name}", *held)
        ledger.keep(f"Weights of {name}", s.n_fitted, rank)
        ledger.step(f"solving {name}", array("Weights before scaling", s.n_fitted, rank))
    ledger.drop("Null genes, shuffled", "Null genes of a condition")
    ledger.drop("Sums over the cells of a condition")


def _sums(s: ExpressionSizes, busy: int, n_chunks: int) -> list[Held]:
    """Sums over chunks of cells: being made by threads, waiting, and copied side by side."""
    genes, rank = s.n_fitted, s.rank
    count = min(n_chunks, busy + min(2 * busy, 3))
    if s.matrix.share >= DENSE_SHARE and genes > s.n_genes:
        count += busy
    return [array("Sums of chunks", genes, rank, count=count, in_thread=True)]


def _chunk(s: ExpressionSizes, cells: int, busy: int, *, together: bool = False) -> list[Held]:
    """Features and expression of the chunks that threads work on: rows, columns, their squares.

    Threads that begin ``together`` hold the most at the same time; and the heap does not serve one
    of the three with what another was given. Each is an array of values and one of indices.
    """
    m, name = s.matrix, "Expression of chunks"
    found = [array("Features of chunks", cells, s.rank, count=2 * busy, in_thread=True)]
    values = m.n_values(cells, s.n_fitted)
    expression = busy * m.bytes(cells, s.n_fitted)
    if not m.is_sparse:
        copies = busy * values * 8 if m.itemsize != 8 else 0
        return [*found, Held(name, expression + copies, count=4 * busy, in_thread=True)]
    squares = busy * values * 8
    if m.share >= DENSE_SHARE:
        squares = busy * cells * s.n_genes * (m.itemsize + 8)
    small = expression < busy * FROM_SYSTEM
    held = expression + squares + (expression if together or small else 0)
    return [*found, Held(name, held, count=6 * busy, in_thread=True)]


def _fit_noise(ledger: Ledger, s: ExpressionSizes) -> None:
    """Squared residuals of a second pass, and what noise in bins of cells does to weights."""
    rank, genes = s.rank, s.n_fitted
    rows = min(FIT_CHUNK, max(64, NOISE_ELEMENTS // genes), s.n_cells)
    busy = _busy(s, rows)
    bins = min(MOST_BINS, max(1, 2 * NOISE_ELEMENTS // rank**2), max(1, s.n_cells // CELLS_PER_BIN))
    ledger.keep("Sums of squared residuals", genes, rank, count=2)
    ledger.step(
        "fitting noise",
        array("Residuals of chunks", rows, genes, count=2 * busy, in_thread=True),
        array("Sums of chunks", genes, rank, count=2 * (busy + 1), in_thread=True),
    )
    ledger.keep("Noise in bins of cells", genes, bins, count=2)
    ledger.keep("Products of features in bins", bins, rank, rank, count=2)
    ledger.step("noise of functions", array("Products in bins, copied", bins, rank, rank, count=2))


def _fit_samples(ledger: Ledger, s: ExpressionSizes) -> None:
    """Sums of one sample after the other, and each sample's own weights."""
    rank, genes = s.rank, s.n_fitted
    count = s.n_samples
    mean = math.ceil(s.n_cells / max(count, s.n_all_samples, 1))
    cells = s.largest_chunk or fit_chunk(mean)
    n_chunks = math.ceil(s.n_cells / max(fit_chunk(mean), 1))
    busy = _busy(s, cells, n_chunks)
    during = [
        array("Sums of a sample", genes, rank),
        array("Sums of chunks", genes, rank, count=3 * busy, in_thread=True),
        array("A sample's weights before scaling", genes, rank),
        *_chunk(s, cells, busy),
    ]
    if s.matrix.is_stored:  # samples are read side by side, as their cells come
        waiting = s.matrix.bytes(min(s.n_cells, count * cells), s.n_genes)
        during += [
            array("Sums of all samples", genes, rank, count=count),
            Held("Rows of chunks that are not complete", waiting),
        ]
    if s.n_regions and not s.n_beside:
        during += _region_sums(ledger, s, cells, busy)
    if not s.on_disk or s.maps_count:
        ledger.keep("Weights of each sample", genes, rank, count=count)
    ledger.step("fitting", *during)
    batch = min(SAMPLE_BATCH, rank * genes * math.ceil(count / 2))
    ledger.step("comparing fits", array("Contrasts of a batch of genes", batch, count=2))
    if s.n_regions and s.n_beside:
        compared = replace(s, n_genes=s.n_genes + s.n_beside, n_null=0)
        sums = _region_sums(ledger, compared, cells, busy)
        ledger.step("summing samples", *_chunk(compared, cells, busy), *_rows_read(s), *sums)


def _region_sums(ledger: Ledger, s: ExpressionSizes, cells: int, busy: int) -> list[Held]:
    """Sums of samples in regions, which are kept, and what is held while they are made."""
    values = s.matrix.n_values(cells, s.n_genes)
    ledger.keep("Sums of each sample in each region", s.n_all_samples, s.n_regions, s.n_genes)
    ledger.keep("Squares and counts in each region", s.n_regions, s.n_genes, count=2)
    ledger.keep("Sums of counts over all cells", s.n_genes, s.rank)
    return [
        array("Sums of counts of a sample", s.n_genes, s.rank),
        array("Sums of counts of chunks", s.n_genes, s.rank, count=3 * busy, in_thread=True),
        array("Weighted features of chunks", cells, s.rank, count=busy, in_thread=True),
        Held("Counts of chunks, and squared", 3 * busy * values * 8, in_thread=True),
        array(
            "Region sums of chunks",
            s.n_regions,
            s.n_genes,
            count=3 * (busy + 1),
            in_thread=True,
        ),
    ]


def _score(ledger: Ledger, s: ExpressionSizes) -> None:
    """Significance of genes: by samples, by distance, in groups."""
    rank = s.rank
    if s.n_regions:
        cells, genes = s.n_all_samples * s.n_regions, s.n_genes + s.n_beside
        ledger.step(
            "comparing samples",
            array("Means of samples in regions", cells, genes, count=4),
            array("Evidence of regions", s.n_regions, genes, count=30),
            array("State effects in the basis of the features", genes, rank),
        )
        ledger.keep("Evidence of regions kept", s.n_regions, s.n_genes, count=3)
    if s.has_distances:
        during = [array("Whitened fold changes", s.n_genes, rank, count=3)]
        if s.n_samples:
            whole = rank * s.n_genes * max(s.n_samples - 1, 1)
            batches = min(1.25 * s.n_threads * SAMPLE_BATCH, 1.25 * whole)
            during = [array("Whitened fits of batches", int(batches), in_thread=True)]
        if s.has_noise:
            busy = max(1, min(s.n_threads, math.ceil(s.n_genes * rank**2 / NOISE_ELEMENTS)))
            during = [
                array("Covariances of genes", NOISE_ELEMENTS, count=5 * busy // 2, in_thread=True)
            ]
        ledger.step("scoring distances", *during)
        shorter = array("Weights with fewer features", s.n_genes, 3 * rank // 4, count=4)
        ledger.step("checking features", shorter)
        ledger.step("scoring noise", array("Fitted sums", s.n_genes, rank, count=3))
    if s.n_groups:
        ledger.keep("Tables of groups", s.n_groups, s.n_genes, 8)
        batch = min(SAMPLE_BATCH, rank * s.n_genes * (s.n_samples + 1)) if s.n_samples else 0
        ledger.step(
            "scoring groups",
            array("Fits of batches", batch, count=2 * s.n_threads, in_thread=True),
            array("Whitened fold changes", s.n_fitted, rank),
            array(
                "Whitened fold changes of groups",
                s.n_fitted,
                rank,
                count=2 * s.n_threads,
                in_thread=True,
            ),
        )


def _predict(ledger: Ledger, s: ExpressionSizes) -> None:
    """Layers, a batch of cells at a time, and the covariance between cells."""
    batch = min(s.batch_size or s.n_obs, s.n_obs)
    busy = max(1, min(s.n_threads, math.ceil(s.n_obs / batch)))
    ledger.keep("States of all cells", s.n_obs, s.n_dims)
    predictions = array(
        "Predictions of batches",
        *(batch, s.n_genes),
        count=busy * (4 + s.has_zscores + (4 if s.n_samples or s.has_noise else 0)),
        in_thread=True,
    )
    features = array("Features of batches", batch, s.rank, count=3 * busy, in_thread=True)
    if s.storage == "dense" and s.n_layers:
        if s.layers_in_memory:
            ledger.keep("Layers", s.n_obs, s.n_vars, count=s.n_layers, itemsize=4)
        spread = [] if s.has_all_genes else [array("Batches", batch, s.n_vars, count=busy)]
        ledger.step("predicting", predictions, features, *spread)
    elif s.storage == "factored":
        n_differences = max(s.n_samples - 2, 0)
        ledger.keep_bytes("Basis of the layers", basis_bytes(s.n_obs, s.rank))
        ledger.keep_bytes("Weights of the layers", weights_bytes(s.n_vars, s.rank, n_differences))
        ledger.step("predicting", features)
    if s.has_covariance:
        ledger.step("covariance", array("Covariances between cells", s.n_cells, s.n_cells, count=3))
        ledger.keep("Covariance between cells", s.n_obs, s.n_obs)
        ledger.step("covariance", array("Covariance of the cells compared", s.n_cells, s.n_cells))
