"""Tests of the checkers on hand-written histories: each accepts the legal and tells the illegal."""
