"""Tests of the benches: their arithmetic with fake sides, and each part on real ones."""
