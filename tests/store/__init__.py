"""Tests of the page-blob store: signing, outcomes, connections, and every command for real."""
