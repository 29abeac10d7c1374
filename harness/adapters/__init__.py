"""Adapters: one class for each replication system that can be tested."""
