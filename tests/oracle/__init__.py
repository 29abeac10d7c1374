"""Tests of the oracle: legal images are accepted, illegal ones rejected, with the right story."""
