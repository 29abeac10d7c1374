"""Planted bugs: small, named changes of the engine's core that the harness must find."""
