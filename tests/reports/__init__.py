"""Tests of the reports and of the evidence that they are made from."""
