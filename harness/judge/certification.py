"""All claims of the catalogue, judged for one run: the list that stands in the certificate."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.claims import CLAIMS
from harness.evidence import ClaimResult
from harness.judge.boots import judge_boots
from harness.judge.consumable import judge_consumable
from harness.judge.crash_consistent import judge_crash_consistent
from harness.judge.direct_write import judge_direct_write
from harness.judge.facts import RunFacts
from harness.judge.fenced import judge_fenced
from harness.judge.metadata_faithful import judge_metadata_faithful
from harness.judge.no_acked_loss import judge_no_acked_loss
from harness.judge.points_honest import judge_points_honest
from harness.judge.resize_faithful import judge_resize_faithful
from harness.judge.rpo import judge_rpo
from harness.judge.rto import judge_rto
from harness.judge.ruling import Ruling, not_demanded
from harness.judge.simulated import add_simulation, judge_simulated
from harness.profile import (
    BootsBounds,
    Bounds,
    ConsumableBounds,
    CrashConsistentBounds,
    DirectWriteBounds,
    FencedBounds,
    MetadataFaithfulBounds,
    NoAckedLossBounds,
    PointsHonestBounds,
    Profile,
    ResizeFaithfulBounds,
    RpoBounds,
    RtoBounds,
    SimulationBounds,
)
from harness.simulation_record import SimulationRecord

__all__ = ["judge_run"]


def judge_run(
    facts: RunFacts, profile: Profile, simulation: SimulationRecord | None = None
) -> list[ClaimResult]:
    """Judge every demanded claim; list the rest of the catalogue as not demanded."""
    return [
        _judge(claim, facts, profile.demands[claim], simulation).result()
        if claim in profile.demands
        else not_demanded(claim)
        for claim in CLAIMS
    ]


def _judge(
    claim: str, facts: RunFacts, bounds: Bounds, simulation: SimulationRecord | None
) -> Ruling:
    """By the lab's trials where there is a judge for them, and always by the simulation."""
    if isinstance(bounds, SimulationBounds):
        ruling = judge_simulated(claim, simulation, bounds)
    else:
        ruling = _JUDGES[type(bounds)](facts, bounds)
    return add_simulation(ruling, simulation)


_JUDGES: Final[Mapping[type[Bounds], Callable[[RunFacts, Any], Ruling]]] = {
    ConsumableBounds: judge_consumable,
    CrashConsistentBounds: judge_crash_consistent,
    NoAckedLossBounds: judge_no_acked_loss,
    RpoBounds: judge_rpo,
    RtoBounds: judge_rto,
    DirectWriteBounds: judge_direct_write,
    FencedBounds: judge_fenced,
    BootsBounds: judge_boots,
    ResizeFaithfulBounds: judge_resize_faithful,
    MetadataFaithfulBounds: judge_metadata_faithful,
    PointsHonestBounds: judge_points_honest,
}
