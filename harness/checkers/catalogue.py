"""All checkers of the simulation, one for each claim that it can judge."""

from collections.abc import Collection
from typing import Final

from harness.checkers.checker import Checker
from harness.checkers.consumable import Consumable
from harness.checkers.corruption_detected import CorruptionDetected
from harness.checkers.crash_consistent import CrashConsistent
from harness.checkers.direct_write import DirectWrite
from harness.checkers.fenced import Fenced
from harness.checkers.live import Live
from harness.checkers.metadata_faithful import MetadataFaithful
from harness.checkers.no_acked_loss import NoAckedLoss
from harness.checkers.ordered_once import OrderedOnce
from harness.checkers.points_honest import PointsHonest
from harness.checkers.resize_faithful import ResizeFaithful
from harness.checkers.rpo import Rpo
from harness.checkers.status_honest import StatusHonest

__all__ = ["CHECKERS", "SIMULATED_CLAIMS", "make_checkers"]

CHECKERS: Final[tuple[type[Checker], ...]] = (
    Consumable,
    CrashConsistent,
    NoAckedLoss,
    Rpo,
    ResizeFaithful,
    MetadataFaithful,
    CorruptionDetected,
    Fenced,
    OrderedOnce,
    Live,
    StatusHonest,
    DirectWrite,
    PointsHonest,
)

SIMULATED_CLAIMS: Final = tuple(checker.claim for checker in CHECKERS)
"""Ids of the claims that a simulated disaster judges."""


def make_checkers(without: Collection[str] = ()) -> list[Checker]:
    """Checkers for one run, those of the claims in `without` left out; give them to a Panel."""
    return [checker() for checker in CHECKERS if checker.claim not in without]
