"""Tests of the disk proofs."""
