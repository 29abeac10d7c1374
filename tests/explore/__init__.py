"""Tests of the explorers: swarm, shrinking, replay, the exhaustive run, Hypothesis."""
