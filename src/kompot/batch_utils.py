"""The documented address of :mod:`kompot.batches`."""

from kompot.batches import apply_batched, batch_process, batched, merge_batch_results

__all__ = ["apply_batched", "batch_process", "batched", "merge_batch_results"]
