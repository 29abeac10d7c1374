"""Which disasters a certification stages: a list of trials, drawn from the profile and one seed."""

import random
from dataclasses import dataclass
from typing import Final, Literal

from harness.judge.facts import Mode, Order, TrialKind
from harness.profile import NoAckedLossBounds, Profile, RpoBounds

__all__ = ["MIB", "MODES", "TrialPlan", "plan_for_profile", "plan_trials"]

MIB: Final = 1024 * 1024
MODES: Final[tuple[Mode, ...]] = ("sync", "sync-on-flush", "async")
LEDGER_VOLUME_BYTES: Final = 64 * MIB
RAW_VOLUME_BYTES: Final = 64 * MIB


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
    seed: int
    extra_s: float
    acknowledgements_min: int
    volume_bytes: int
    prefill_bytes: int = 0
    max_lag_s: float = 5.0


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
    kills = max([*per_mode, *(-(-trials // len(MODES)) for trials in in_all), 1])
    least = max([bounds.acknowledged for bounds in (loss, rpo) if bounds is not None] or [100])
    return plan_trials(seed, kills, least)


def plan_trials(seed: int, kills: int, acknowledgements_min: int) -> list[TrialPlan]:
    """`kills` ledger trials in each mode, raw trials in both orders, one fence trial.

    Each trial draws from a generator of its own, so one more trial shifts no other. Those that wait
    for a lease to expire come first: they take longest and cost nothing while they wait.
    """
    trials = [
        _ledger(seed, mode, number, acknowledgements_min)
        for number in range(1, kills + 1)
        for mode in reversed(MODES)
    ]
    raw = [
        _trial(
            seed,
            f"raw-{order}-{mode}",
            kind="raw",
            mode=mode,
            order=order,
            fence="break",
            least=acknowledgements_min,
            volume_bytes=RAW_VOLUME_BYTES,
            prefill_bytes=prefill,
        )
        for order, mode, prefill in _RAW
    ]
    fence = _trial(
        seed,
        "fence-async",
        kind="fence",
        mode="async",
        order="flush",
        fence="expiry",
        least=acknowledgements_min,
        volume_bytes=RAW_VOLUME_BYTES,
    )
    return sorted([fence, *raw, *trials], key=lambda plan: plan.fence != "expiry")


_RAW: Final[tuple[tuple[Order, Mode, int], ...]] = (
    ("strict", "sync", 0),
    ("flush", "sync-on-flush", 0),
    ("strict", "async", 32 * MIB),
)


def _ledger(seed: int, mode: Mode, number: int, least: int) -> TrialPlan:
    return _trial(
        seed,
        f"kill-{mode}-{number}",
        kind="kill",
        mode=mode,
        order="flush",
        fence="expiry" if mode == "async" else "break",
        least=least,
        volume_bytes=LEDGER_VOLUME_BYTES,
    )


def _trial(
    seed: int,
    name: str,
    *,
    kind: TrialKind,
    mode: Mode,
    order: Order,
    fence: Literal["expiry", "break"],
    least: int,
    volume_bytes: int,
    prefill_bytes: int = 0,
) -> TrialPlan:
    dice = random.Random(f"{seed}/{name}")
    return TrialPlan(
        name=name,
        kind=kind,
        mode=mode,
        order=order,
        fence=fence,
        seed=dice.getrandbits(31),
        extra_s=round(dice.uniform(0.2, 3.0), 3),
        acknowledgements_min=least,
        volume_bytes=volume_bytes,
        prefill_bytes=prefill_bytes,
    )
