"""Benchmarks of our own history, for asv: each commit on the same data, time and peak memory."""
