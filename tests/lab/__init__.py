"""Tests of the lab and of certification."""
