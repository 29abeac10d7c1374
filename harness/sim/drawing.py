"""Draws disasters: from one seed a whole schedule, always the same one."""

from harness.schedule import Schedule

__all__ = ["draw_schedule"]


def draw_schedule(seed: int) -> Schedule:
    """The disaster of that seed."""
    return Schedule(seed=seed)
