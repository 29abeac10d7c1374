"""Tests of harness.materialise."""
