"""Runs one disaster: a schedule, a system under test, checkers that watch every event."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.checkers.observation import Observer
from harness.schedule import Schedule
from harness.sim.system import REFERENCE, System

__all__ = ["Outcome", "Story", "run_disaster"]


class Story(Protocol):
    """Is told, in order, what happens; costs nothing when there is none."""

    def tell(self, at_us: int, kind: str, who: str, text: str) -> None:
        """One thing that happened.

        kind: "step", "fault", "request" (applied or refused), "reply", "note", "status",
        "process", "mount" or "phase"; who: a node, "client", "store" or "world".
        """


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    findings: of all checkers, in the order found (harness.checkers.finding.Finding); exercised:
    claim to the number of non-trivial checks; fired: fault to the number of real effects; digest:
    of everything that happened; steps_effective: steps that changed something.
    """

    findings: tuple[object, ...]
    exercised: dict[str, int]
    fired: dict[str, int]
    digest: int
    events: int
    store_requests: int
    steps_effective: int


def run_disaster(
    schedule: Schedule,
    system: System = REFERENCE,
    checkers: Sequence[Observer] | None = None,
    *,
    story: Story | None = None,
) -> Outcome:
    """Run it to its end; `checkers` None: all of them (harness.checkers.make_checkers)."""
    raise NotImplementedError
