"""Tests of the planted bugs and of the kill matrix."""
