"""Which disasters a certification stages: a list of trials, drawn from the profile and one seed."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.judge.facts import Mode, Order, TrialKind
from harness.profile import (
    ConsumableBounds,
    CrashConsistentBounds,
    DirectWriteBounds,
    FencedBounds,
    NoAckedLossBounds,
    Profile,
    RpoBounds,
)

__all__ = ["MIB", "MODES", "TrialPlan", "plan_for_profile", "plan_trials"]

MIB: Final = 1024 * 1024
MODES: Final[tuple[Mode, ...]] = ("sync", "sync-on-flush", "async")
LOOKS_A_TRIAL: Final = 8
"""Looks at the live blob that a trial makes at least, at one every 0.3 s."""

LEDGER_VOLUME_BYTES: Final = 64 * MIB
RAW_VOLUME_BYTES: Final = 64 * MIB
"""More than the raw workload writes to: there is always room that nobody touches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One trial, decided before it starts.

    `extra_s` is how long the load goes on beyond the least number of acknowledgements, the random
    part of the kill's instant; `prefill_bytes` of the volume hold data before protection starts.
    """

    name: str
    kind: TrialKind
    mode: Mode
    order: Order
    fence: Literal["expiry", "break"]
    volume_bytes: int
    acknowledgements_min: int = 100
    seed: int = 0
    extra_s: float = 0.0
    prefill_bytes: int = 0
    max_lag_s: float = 5.0

    @property
    def failover_s(self) -> float:
        """About how long after the disaster the recovery guest starts: time-out, then fencing."""
        return 3.0 if self.fence == "break" else 13.0

    @property
    def recovery_s(self) -> float:
        """About how long it takes; the guest hashes raw disks at some 10 MiB/s (TCG)."""
        return 6.0 if self.kind == "kill" else 10.0 + self.prefill_bytes / (10 * MIB)

    @property
    def measures_direct_write(self) -> bool:
        """Raw pages in strict order: every byte of the guest and of the seeding is known."""
        return self.kind == "raw" and self.order == "strict"


def plan_for_profile(profile: Profile, seed: int) -> list[TrialPlan]:
    """As many disasters as the profile's bounds need, and no more."""
    crash = profile.bounds("crash-consistent", CrashConsistentBounds)
    direct = profile.bounds("direct-write", DirectWriteBounds)
    fenced = profile.bounds("fenced", FencedBounds)
    loss = profile.bounds("no-acked-loss", NoAckedLossBounds)
    rpo = profile.bounds("rpo", RpoBounds)
    return plan_trials(
        seed,
        kills=_kills(profile),
        raws=max((bounds.trials for bounds in (crash, direct) if bounds is not None), default=0),
        fences=0 if fenced is None else fenced.trials,
        least=max([b.acknowledged for b in (loss, rpo) if b is not None], default=100),
    )


def _kills(profile: Profile) -> dict[Mode, int]:
    """Kills of a ledger workload in each mode."""
    kills: dict[Mode, int] = dict.fromkeys(MODES, 0)
    loss = profile.bounds("no-acked-loss", NoAckedLossBounds)
    if loss is not None:
        kills.update(dict.fromkeys(loss.modes, loss.trials))
    rpo = profile.bounds("rpo", RpoBounds)
    if rpo is not None:
        kills["async"] = max(kills["async"], rpo.trials)
    whole = [profile.demands[c].trials for c in ("rto", "boots") if c in profile.demands]
    looks = profile.bounds("consumable", ConsumableBounds)
    if looks is not None:
        whole += [looks.trials, -(-looks.samples // LOOKS_A_TRIAL)]
    while sum(kills.values()) < max(whole, default=0):
        fewest = min(MODES, key=lambda mode: kills[mode])
        kills[fewest] += 1
    return kills


def plan_trials(
    seed: int, *, kills: Mapping[Mode, int], raws: int, fences: int, least: int
) -> list[TrialPlan]:
    """`kills` ledger trials in each mode, `raws` rounds of raw trials, `fences` fencing trials.

    Each trial draws from a generator of its own, so one more trial shifts no other. `least` is the
    number of acknowledgements before a disaster.
    """
    trials = [
        *(_fence(number) for number in range(1, fences + 1)),
        *(raw for number in range(1, raws + 1) for raw in _raws(number)),
        *(_ledger(mode, number) for mode in MODES for number in range(1, kills[mode] + 1)),
    ]
    return [_drawn(seed, replace(plan, acknowledgements_min=least)) for plan in _spread(trials)]


def _spread(trials: list[TrialPlan]) -> list[TrialPlan]:
    """Trials that wait for a lease to expire, with the others spread between them and one last.

    A trial that waits costs nothing; one that does not is the better end, for it is shorter.
    """
    waiting = [plan for plan in trials if plan.fence == "expiry"]
    others = [plan for plan in trials if plan.fence != "expiry"]
    placed = [((place + 0.5) / len(waiting), plan) for place, plan in enumerate(waiting)]
    placed += [((place + 1.0) / len(others), plan) for place, plan in enumerate(others)]
    return [plan for _place, plan in sorted(placed, key=lambda entry: entry[0])]


def _ledger(mode: Mode, number: int) -> TrialPlan:
    return TrialPlan(
        name=f"kill-{mode}-{number}",
        kind="kill",
        mode=mode,
        order="flush",
        fence="break" if mode == "sync" else "expiry",
        volume_bytes=LEDGER_VOLUME_BYTES,
    )


_RAW: Final[tuple[tuple[Order, Mode, int], ...]] = (
    ("strict", "sync", 80 * MIB),
    ("flush", "sync-on-flush", 0),
    ("strict", "async", 0),
)


def _raws(number: int) -> list[TrialPlan]:
    return [
        TrialPlan(
            name=f"raw-{order}-{mode}-{number}",
            kind="raw",
            mode=mode,
            order=order,
            fence="break" if mode == "sync" else "expiry",
            volume_bytes=RAW_VOLUME_BYTES + prefill,
            prefill_bytes=prefill,
        )
        for order, mode, prefill in _RAW
    ]


def _fence(number: int) -> TrialPlan:
    return TrialPlan(
        name=f"fence-async-{number}",
        kind="fence",
        mode="async",
        order="flush",
        fence="expiry",
        volume_bytes=RAW_VOLUME_BYTES,
    )


def _drawn(seed: int, plan: TrialPlan) -> TrialPlan:
    """The plan with its random part."""
    dice = random.Random(f"{seed}/{plan.name}")
    return replace(plan, seed=dice.getrandbits(31), extra_s=round(dice.uniform(0.2, 3.0), 3))
