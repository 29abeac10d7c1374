"""All recoveries on one clock: from each failure to a verified disk, phase by phase.

The phases come from the facts `rto.*_at_s` of a trial; a trial that lacks one of them, or in
which they do not follow each other, is left out of this picture (its own timeline shows what
there is).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from harness.evidence import Trial

__all__ = ["PHASES", "Phase", "Recovery", "recoveries"]

_INSTANTS: Final = (
    "rto.failed_at_s",
    "rto.declared_at_s",
    "rto.fenced_at_s",
    "rto.handed_over_at_s",
    "rto.guest_mounted_at_s",
    "rto.verified_at_s",
)
PHASES: Final = ("detect", "fence", "hand over", "start and mount", "verify")
assert len(PHASES) == len(_INSTANTS) - 1


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a recovery; `start` and `width` are parts of 1000 on the common clock."""

    name: str
    seconds: float
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """One trial's way from the failure to a mounted (`rto_s`) and verified (`total_s`) disk."""

    trial: Trial
    phases: list[Phase]
    rto_s: float
    total_s: float


def recoveries(trials: Sequence[Trial]) -> list[Recovery]:
    """Lay out every trial whose recovery was measured, all on the clock of the slowest."""
    measured = [(trial, instants) for trial in trials if (instants := _instants(trial))]
    slowest = max((instants[-1] - instants[0] for _, instants in measured), default=0.0) or 1.0
    return [_recovery(trial, instants, slowest) for trial, instants in measured]


def _instants(trial: Trial) -> list[float]:
    values = [trial.facts.get(name) for name in _INSTANTS]
    instants = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(instants) < len(_INSTANTS) or instants != sorted(instants):
        return []
    return instants


def _recovery(trial: Trial, instants: list[float], slowest: float) -> Recovery:
    failed = instants[0]
    phases = [
        Phase(name, end - start, (start - failed) / slowest * 1000, (end - start) / slowest * 1000)
        for name, (start, end) in zip(PHASES, pairwise(instants), strict=True)
    ]
    return Recovery(trial, phases, instants[-2] - failed, instants[-1] - failed)
