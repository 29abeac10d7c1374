"""Claim rpo: in asynchronous mode nothing older than the bound was lost.

It does not verify faults of the store (the lag grows until the store is back): where the service
left the lab's own question unanswered for longer than the bound, up to the kill, the trial says
nothing. Nor kills inside a resize, to which the lab leads the primary in slow motion: a system that
is made to stand still sends nothing. Nor whether the system's own figure is honest. Nothing lost
counts as an age of 0 s; the figure says so.
"""

from statistics import median

from harness.judge.facts import RunFacts, TrialFacts
from harness.judge.no_acked_loss import ledger_gap
from harness.judge.ruling import Ruling, plural
from harness.profile import RpoBounds

__all__ = ["judge_rpo"]


def judge_rpo(facts: RunFacts, bounds: RpoBounds) -> Ruling:
    """Demand that the oldest loss of each asynchronous kill is young enough, and small enough."""
    amount = f" and {bounds.rpo_bytes} bytes" if bounds.rpo_bytes is not None else ""
    ruling = Ruling(
        "rpo",
        bound=f"what is lost is at most {bounds.rpo_seconds:g} s old{amount}, in at least"
        f" {plural(bounds.trials, 'kill')}",
    )
    ages: list[float] = []
    kills = lost = 0
    for trial in facts.trials:
        if trial.mode != "async" or trial.kind == "fence":
            continue
        silent = _silence(trial, bounds)
        if silent:
            ruling.gaps.append(silent)
        _check(trial, bounds, ruling, ages)
        ledger = trial.ledger
        if ledger is None or silent or _in_slow_motion(trial):
            continue
        gap = ledger_gap(trial, ledger, bounds.acknowledged)
        if gap:
            ruling.gaps.append(gap)
            continue
        kills += 1
        lost += ledger.lost_entries
    ruling.trials = ruling.exercised = kills
    ruling.demand(bounds.trials, "counted kill")
    if ages:
        ruling.figure = (
            f"oldest loss {max(ages):.2f} s, median {median(ages):.2f} s, in"
            f" {plural(len(ages), 'kill')}; {plural(lost, 'acknowledged entry')} lost"
        )
    return ruling


def _silence(trial: TrialFacts, bounds: RpoBounds) -> str:
    """Say that the service broke the premise, or the empty string if it did not."""
    silent_s = trial.store_silent_s or 0.0
    if silent_s <= bounds.rpo_seconds:
        return ""
    return f"{trial.name}: the blob service answered nothing for {silent_s:.1f} s before the kill"


def _in_slow_motion(trial: TrialFacts) -> bool:
    return trial.resize is not None and trial.resize.cut


def _check(trial: TrialFacts, bounds: RpoBounds, ruling: Ruling, ages: list[float]) -> None:
    """Compare ledger and raw image with the bounds; any trial can break them, counted or not."""
    if trial.ledger is not None and trial.ledger.chain_ok is not None:
        losses = [(trial.ledger.oldest_lost_age_s, trial.ledger.lost_bytes)]
        ruling.cite(trial.ledger.evidence, *trial.evidence)
        if trial.ledger.chain_ok is False:
            ruling.breaches.append(
                f"{trial.name}: the recovered ledger is not the announced chain"
                f" ({trial.ledger.reason or 'no reason given'})"
            )
    elif trial.raw is not None and trial.raw.verdict != "unusable":
        losses = [(trial.raw.oldest_lost_age_s, trial.raw.lost_bytes)]
        ruling.cite(trial.raw.evidence, *trial.evidence)
    else:
        return
    if _silence(trial, bounds) or _in_slow_motion(trial):
        return
    for age, size in losses:
        ages.append(age)
        if age > bounds.rpo_seconds:
            ruling.breaches.append(f"{trial.name}: lost what was acknowledged {age:.2f} s before")
        if bounds.rpo_bytes is not None and size > bounds.rpo_bytes:
            ruling.breaches.append(f"{trial.name}: lost {size} bytes")
