"""Planted bugs: small named changes of the engine's core, each of which a swarm must catch."""
