"""Says where two runs of one schedule part: the simulation must do the same twice.

A difference is a defect of ours (or of a foreign core that asks a clock, an address, a hash or a
random number), and makes every result void: the swarm stops with `NondeterminismError`.
"""

from itertools import zip_longest

from harness.errors import MountproofError
from harness.schedule import Schedule
from harness.sim.disaster import run_disaster
from harness.sim.system import System

__all__ = ["NondeterminismError", "Recording", "first_difference", "say_difference"]


class NondeterminismError(MountproofError):
    """One schedule was run twice and did two different things."""


class Recording:
    """A story kept as a list, one entry a thing that happened."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, str, str, str]] = []

    def tell(self, at_us: int, kind: str, who: str, text: str) -> None:
        """Keep it."""
        self.entries.append((at_us, kind, who, text))


def say_difference(schedule: Schedule, system: System) -> NondeterminismError:
    """The error for a schedule that was seen to run differently; it names the place if it can."""
    records = [Recording(), Recording()]
    for record in records:
        run_disaster(schedule, system, story=record)
    place = first_difference(*records)
    seen = place or "two more runs were alike: it depends on what ran before"
    return NondeterminismError(
        f"seed {schedule.seed}: two runs of one schedule differ; {seen}. Nothing that this"
        " simulation found can be trusted until that is mended."
    )


def first_difference(one: Recording, other: Recording) -> str:
    """Where two recordings part, in words; empty where they are alike."""
    for number, (left, right) in enumerate(zip_longest(one.entries, other.entries)):
        if left != right:
            return f"first at step {number}: {_show(left)}; then {_show(right)}"
    return ""


def _show(entry: tuple[int, str, str, str] | None) -> str:
    if entry is None:
        return "the end of the run"
    at_us, kind, who, text = entry
    return f"{at_us / 1e6:.6f} s {kind} {who} {text!r}"
