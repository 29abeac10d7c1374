"""Tests of the engine's shell: its parts, and the whole engine as real processes."""
