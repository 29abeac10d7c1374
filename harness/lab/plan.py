"""Which disasters a certification stages: a list of trials, drawn from the profile and one seed."""

import random
from collections.abc import Mapping, Sequence
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
    ResizeFaithfulBounds,
    RpoBounds,
)

Cut = Literal["", "grow", "shrink", "resync"]
"""In the midst of what the site dies; empty: after all was done, in mid-write."""

__all__ = ["MIB", "MODES", "Change", "TrialPlan", "plan_for_profile", "plan_trials"]

MIB: Final = 1024 * 1024
MODES: Final[tuple[Mode, ...]] = ("sync", "sync-on-flush", "async")
LOOKS_A_TRIAL: Final = 8
"""Looks at the live blob that a trial makes at least, at one every 0.3 s."""

LEDGER_VOLUME_BYTES: Final = 64 * MIB
GROWTH_SECTORS_MIN: Final = 16 * MIB // 512
GROWTH_SECTORS_MAX: Final = 96 * MIB // 512
SHRUNK_SECTORS_MIN: Final = 36 * MIB // 512
SHRUNK_SECTORS_MAX: Final = 56 * MIB // 512
CRASH_TIMEOUT_S: Final = 10.0
"""A replicator is back within some 2 s here, 5 s on a busy machine."""

RAW_VOLUME_BYTES: Final = 64 * MIB
"""More than the raw workload writes to: there is always room that nobody touches."""


@dataclass(frozen=True, slots=True)
class Change:
    """A trial in which the volume is resized, or the replicator crashes, before the site dies."""

    kind: Literal["resize", "crash"]
    mode: Mode
    order: Order
    cut: Cut


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
    grown_bytes: int = 0
    shrunk_bytes: int = 0
    """Sizes that the volume is given in a trial of kind `resize`."""

    cut: Cut = ""
    failure_timeout_s: float = 3.0
    """A crashed replicator that comes back sooner is no failure of its site."""

    @property
    def failover_s(self) -> float:
        """About how long after the disaster the recovery guest starts: time-out, then fencing."""
        return self.failure_timeout_s + (0.0 if self.fence == "break" else 10.0)

    @property
    def recovery_s(self) -> float:
        """About how long it takes; the guest hashes raw disks at some 10 MiB/s (TCG)."""
        if not self.writes_raw_pages:
            return 6.0
        return 10.0 + self.prefill_bytes / (10 * MIB)

    @property
    def writes_raw_pages(self) -> bool:
        """The guest writes self-describing pages, no ledger on a file system."""
        return self.kind in ("raw", "fence") or (self.kind == "crash" and self.order == "strict")

    @property
    def keeps_its_guest(self) -> bool:
        """The guest's disk changes its size, or its server goes away for a while."""
        return self.kind in ("resize", "crash")

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
    raws = max((bounds.trials for bounds in (crash, direct) if bounds is not None), default=0)
    changes = _changes(profile)
    return plan_trials(
        seed,
        kills=_kills(profile, changes, besides=len(_RAW) * raws + len(changes)),
        raws=raws,
        fences=0 if fenced is None else fenced.trials,
        least=max([b.acknowledged for b in (loss, rpo) if b is not None], default=100),
        changes=changes,
    )


def _kills(profile: Profile, changes: Sequence[Change], besides: int) -> dict[Mode, int]:
    """Kills of a ledger workload in each mode; `besides`: trials that end in a kill as well.

    A change that ends in a kill in mid-write, with a ledger, is one of those that are demanded.
    """
    kills: dict[Mode, int] = dict.fromkeys(MODES, 0)
    loss = profile.bounds("no-acked-loss", NoAckedLossBounds)
    if loss is not None:
        kills.update(dict.fromkeys(loss.modes, loss.trials))
    rpo = profile.bounds("rpo", RpoBounds)
    if rpo is not None:
        kills["async"] = max(kills["async"], rpo.trials)
    for change in changes:
        if not change.cut:
            kills[change.mode] = max(0, kills[change.mode] - 1)
    whole = [profile.demands[c].trials for c in ("rto",) if c in profile.demands]
    whole += [profile.demands[c].trials - besides for c in ("boots",) if c in profile.demands]
    looks = profile.bounds("consumable", ConsumableBounds)
    if looks is not None:
        whole += [looks.trials - besides, -(-looks.samples // LOOKS_A_TRIAL)]
    while sum(kills.values()) < max(whole, default=0):
        fewest = min(MODES, key=lambda mode: kills[mode])
        kills[fewest] += 1
    return kills


_RESIZES: Final[tuple[Change, ...]] = (
    Change("resize", "sync", "flush", ""),
    Change("resize", "async", "flush", ""),
    Change("resize", "sync-on-flush", "flush", ""),
)
_CUTS: Final[tuple[Change, ...]] = (
    Change("resize", "async", "flush", "grow"),
    Change("resize", "sync", "flush", "shrink"),
    Change("resize", "sync-on-flush", "flush", "grow"),
    Change("resize", "async", "flush", "shrink"),
)
_CRASHES: Final = (
    Change("crash", "sync-on-flush", "flush", ""),
    Change("crash", "async", "strict", "resync"),
)


def _changes(profile: Profile) -> list[Change]:
    """Whole resizes, cut ones and crashes, in turn in each mode; each has points."""
    resizes = profile.bounds("resize-faithful", ResizeFaithfulBounds)
    loss = profile.bounds("no-acked-loss", NoAckedLossBounds)
    crash = profile.bounds("crash-consistent", CrashConsistentBounds)
    points = profile.demands.get("points-honest")
    others = [
        *(_CUTS[number % len(_CUTS)] for number in range(0 if resizes is None else resizes.cuts)),
        *(_CRASHES[0] for _ in range(0 if loss is None else loss.crashes)),
        *(_CRASHES[1] for _ in range(0 if crash is None else crash.crashes)),
    ]
    whole = 0 if resizes is None else resizes.trials
    if points is not None:
        whole = max(whole, points.trials - len(others))
    return [*(_RESIZES[number % len(_RESIZES)] for number in range(whole)), *others]


def plan_trials(
    seed: int,
    *,
    kills: Mapping[Mode, int],
    raws: int,
    fences: int,
    least: int,
    changes: Sequence[Change] = (),
) -> list[TrialPlan]:
    """`kills` ledger trials in each mode, `raws` rounds of raw trials, `fences` fencing trials.

    `changes` are trials in which the volume is resized or the replicator crashes. Each trial draws
    from a generator of its own, so one more trial shifts no other. `least` is the
    number of acknowledgements before a disaster.
    """
    trials = [
        *(_fence(number) for number in range(1, fences + 1)),
        *(_changed(change, number) for number, change in enumerate(changes, 1)),
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


def _changed(change: Change, number: int) -> TrialPlan:
    cut = f"-in-{change.cut}" if change.cut else ""
    return TrialPlan(
        name=f"{change.kind}-{change.mode}{cut}-{number}",
        kind=change.kind,
        mode=change.mode,
        order=change.order,
        fence="break" if change.kind == "resize" and change.mode == "sync" else "expiry",
        volume_bytes=LEDGER_VOLUME_BYTES,
        cut=change.cut,
        failure_timeout_s=CRASH_TIMEOUT_S if change.kind == "crash" else 3.0,
    )


def _drawn(seed: int, plan: TrialPlan) -> TrialPlan:
    """The plan with its random part; sizes are no whole MiB, so that the disk has padding."""
    dice = random.Random(f"{seed}/{plan.name}")
    plan = replace(plan, seed=dice.getrandbits(31), extra_s=round(dice.uniform(0.2, 3.0), 3))
    if plan.kind != "resize":
        return plan
    return replace(
        plan,
        grown_bytes=plan.volume_bytes
        + dice.randrange(GROWTH_SECTORS_MIN, GROWTH_SECTORS_MAX) * 512,
        shrunk_bytes=dice.randrange(SHRUNK_SECTORS_MIN, SHRUNK_SECTORS_MAX) * 512,
    )
