"""All claims of the catalogue, judged for one run: the list that stands in the certificate."""

from harness.claims import CLAIMS
from harness.evidence import ClaimResult
from harness.judge.boots import judge_boots
from harness.judge.consumable import judge_consumable
from harness.judge.crash_consistent import judge_crash_consistent
from harness.judge.direct_write import judge_direct_write
from harness.judge.facts import RunFacts
from harness.judge.fenced import judge_fenced
from harness.judge.no_acked_loss import judge_no_acked_loss
from harness.judge.rpo import judge_rpo
from harness.judge.rto import judge_rto
from harness.judge.ruling import Ruling, not_demanded
from harness.profile import (
    BootsBounds,
    Bounds,
    ConsumableBounds,
    CrashConsistentBounds,
    DirectWriteBounds,
    FencedBounds,
    NoAckedLossBounds,
    Profile,
    RpoBounds,
    RtoBounds,
)

__all__ = ["judge_run"]


def judge_run(facts: RunFacts, profile: Profile) -> list[ClaimResult]:
    """Judge every demanded claim; list the rest of the catalogue as not demanded."""
    return [
        _rule(facts, profile.demands[claim]).result()
        if claim in profile.demands
        else not_demanded(claim)
        for claim in CLAIMS
    ]


def _rule(facts: RunFacts, bounds: Bounds) -> Ruling:
    match bounds:
        case ConsumableBounds():
            return judge_consumable(facts, bounds)
        case CrashConsistentBounds():
            return judge_crash_consistent(facts, bounds)
        case NoAckedLossBounds():
            return judge_no_acked_loss(facts, bounds)
        case RpoBounds():
            return judge_rpo(facts, bounds)
        case RtoBounds():
            return judge_rto(facts, bounds)
        case DirectWriteBounds():
            return judge_direct_write(facts, bounds)
        case FencedBounds():
            return judge_fenced(facts, bounds)
        case BootsBounds():
            return judge_boots(facts, bounds)
    raise AssertionError(f"no judge for {type(bounds).__name__}")
