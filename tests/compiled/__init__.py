"""Tests of the compiled simulator."""
