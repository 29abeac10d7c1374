"""Tests of set-up, of the program's entry and of the parts of the lab."""
