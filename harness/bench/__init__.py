"""Benchmarks: each of the engine's promises about speed, measured beside its rival."""
