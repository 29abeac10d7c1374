"""Tests of the catalogue, the profiles, the judges and `mountproof explain`."""
