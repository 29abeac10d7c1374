"""Which disasters a certification stages: a list of trials, drawn from the profile and one seed."""

import random
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.judge.facts import Mode, Order, TrialKind
from harness.profile import (
    CrashConsistentBounds,
    FencedBounds,
    NoAckedLossBounds,
    Profile,
    RpoBounds,
)

__all__ = ["MIB", "MODES", "TrialPlan", "plan_for_profile", "plan_trials"]

MIB: Final = 1024 * 1024
MODES: Final[tuple[Mode, ...]] = ("sync", "sync-on-flush", "async")
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
    def measures_direct_write(self) -> bool:
        """Raw pages beside much older data: every byte of the guest and of the seeding is known."""
        return self.kind == "raw" and self.prefill_bytes > 0


def plan_for_profile(profile: Profile, seed: int) -> list[TrialPlan]:
    """As many disasters as the profile's bounds need, and no more."""
    loss = profile.bounds("no-acked-loss", NoAckedLossBounds)
    rpo = profile.bounds("rpo", RpoBounds)
    per_mode = [bounds.trials for bounds in (loss, rpo) if bounds is not None]
    in_all = [
        bounds.trials
        for claim in ("consumable", "rto", "boots")
        if (bounds := profile.demands.get(claim)) is not None
    ]
    crash = profile.bounds("crash-consistent", CrashConsistentBounds)
    fenced = profile.bounds("fenced", FencedBounds)
    return plan_trials(
        seed,
        kills=max([*per_mode, *(-(-trials // len(MODES)) for trials in in_all), 1]),
        raws=1 if crash is None else crash.trials,
        fences=1 if fenced is None else fenced.trials,
        least=max([b.acknowledged for b in (loss, rpo) if b is not None], default=100),
    )


def plan_trials(seed: int, *, kills: int, raws: int, fences: int, least: int) -> list[TrialPlan]:
    """`kills` ledger trials in each mode, `raws` rounds of raw trials, `fences` fencing trials.

    Each trial draws from a generator of its own, so one more trial shifts no other. Those that wait
    for a lease to expire come first: they take longest and cost nothing while they wait. `least`
    is the number of acknowledgements before a disaster.
    """
    trials = [
        *(_fence(number) for number in range(1, fences + 1)),
        *(raw for number in range(1, raws + 1) for raw in _raws(number)),
        *(_ledger(mode, number) for number in range(1, kills + 1) for mode in reversed(MODES)),
    ]
    trials.sort(key=lambda plan: plan.fence != "expiry")
    return [_drawn(seed, replace(plan, acknowledgements_min=least)) for plan in trials]


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
