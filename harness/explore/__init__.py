"""Explorers of the virtual world: swarm, exhaustive, Hypothesis; shrinking, replay and the story.

Every explorer makes schedules (harness.schedule) and has them run (harness.sim.disaster); what they
find has one form (harness.checkers.finding), so each finding can be shrunk, saved and told.
"""
