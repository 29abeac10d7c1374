"""Claim fenced: the old primary, woken after the failover, changed and acknowledged nothing.

It does not verify requests that a network holds back for longer than the trial, several old
primaries, or standbys that compete.
"""

from typing import Final

from harness.judge.facts import FenceOutcome, RunFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import FencedBounds

__all__ = ["judge_fenced"]

OWN_WORD: Final = (
    "the service's request log was not at hand: refusals are by the old primary's own count"
)


def judge_fenced(facts: RunFacts, bounds: FencedBounds) -> Ruling:
    """Demand refusals and an unchanged blob from every primary that was stopped in mid-write."""
    ruling = Ruling(
        "fenced",
        bound="at least one write of the old primary refused, none applied or acknowledged, the"
        f" blob unchanged, in at least {plural(bounds.trials, 'trial')}",
    )
    refused = waiting = own_word = 0
    for trial in facts.trials:
        fence = trial.fence
        if fence is None:
            continue
        ruling.cite(*fence.evidence, *trial.evidence)
        _check(trial.name, fence, ruling)
        gap = _gap(fence) or ("" if trial.counted else trial.why_not_counted or "does not count")
        if gap:
            ruling.gaps.append(f"{trial.name}: {gap}")
            continue
        ruling.trials += 1
        own_word += not fence.store_log
        refused += fence.refused_after_resume
        waiting += fence.in_flight_at_stop + fence.queued_at_stop
    ruling.exercised = refused
    ruling.figure = (
        f"{plural(refused, 'request')} refused; {plural(waiting, 'write')} in flight or queued at"
        f" the stop, in {plural(ruling.trials, 'trial')}"
    )
    ruling.demand(bounds.trials, "counted trial")
    if own_word:
        ruling.remark = f"{OWN_WORD}; {ruling.remark}".removesuffix("; ")
    return ruling


def _check(name: str, fence: FenceOutcome, ruling: Ruling) -> None:
    if fence.applied_after_resume:
        ruling.breaches.append(
            f"{name}: {plural(fence.applied_after_resume, 'write')} of the old primary applied"
            " after the failover"
        )
    if fence.acked_after_failover:
        ruling.breaches.append(
            f"{name}: the old primary gave {plural(fence.acked_after_failover, 'acknowledgement')}"
            " after the failover"
        )
    if fence.digest_before and fence.digest_after and fence.digest_before != fence.digest_after:
        ruling.breaches.append(f"{name}: the blob changed after the failover")


def _gap(fence: FenceOutcome) -> str:
    """Say why the trial shows nothing, or the empty string."""
    if not fence.in_flight_at_stop + fence.queued_at_stop:
        return "no write was in flight or queued when the primary was stopped"
    if not fence.failover_done:
        return "the standby had not taken over when the old primary was woken"
    if not fence.digest_before or not fence.digest_after:
        return "the blob's digest was not read before and after"
    if not fence.refused_after_resume:
        return "no request of the old primary was refused: it may never have tried"
    return ""
