"""Claim rto: from the SIGKILL to the recovery guest's mount, within the bound, at every kill.

It does not verify the start of a solution stack, nor machines and networks other than the lab's.
"""

from itertools import pairwise
from statistics import median

from harness.judge.facts import RtoFigures, RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import RtoBounds

__all__ = ["judge_rto"]

CLOCK_SLACK_S = 0.05
"""Two processes' time stamps may swap by this much without making the figures nonsense."""

Split = tuple[float, float, float, float]


def judge_rto(facts: RunFacts, bounds: RtoBounds) -> Ruling:
    """Demand a mount within `rto_seconds` of every kill."""
    ruling = Ruling(
        "rto",
        bound=f"mounted at most {bounds.rto_seconds:g} s after the failure, in at least"
        f" {plural(bounds.trials, 'kill')}",
    )
    times: list[float] = []
    splits: list[Split] = []
    for trial in facts.trials:
        if trial.kind not in ("kill", "raw"):
            continue
        if trial.rto is None:
            _without_figures(trial, ruling)
            continue
        ruling.cite(trial.rto.evidence, *trial.evidence)
        if not _in_order(trial.rto):
            ruling.gaps.append(f"{trial.name}: the time stamps contradict each other")
            continue
        took = trial.rto.guest_mounted_at_s - trial.rto.failed_at_s
        if took > bounds.rto_seconds:
            ruling.breaches.append(f"{trial.name}: mounted {took:.1f} s after the failure")
        if trial.counted:
            times.append(took)
            splits.append(_split(trial.rto))
    ruling.trials = ruling.exercised = len(times)
    if times:
        detect, fence, start, mount = (median(part) for part in zip(*splits, strict=True))
        ruling.figure = (
            f"slowest {max(times):.1f} s, median {median(times):.1f} s, in"
            f" {plural(len(times), 'kill')} (medians: detection {detect:.1f} s, fencing and"
            f" hand-over {fence:.1f} s, VM start {start:.1f} s, boot and mount {mount:.1f} s)"
        )
    ruling.demand(bounds.trials, "counted kill")
    return ruling


def _without_figures(trial: TrialFacts, ruling: Ruling) -> None:
    """A disk that was never mounted has no time: worse than late, unless the lab is to blame."""
    boot = trial.boot
    if boot is None or boot.lab_failure:
        ruling.gaps.append(f"{trial.name}: the way to the mount was not measured")
    elif not boot.booted or boot.mounted is False:
        ruling.cite(*boot.evidence, *trial.evidence)
        ruling.breaches.append(f"{trial.name}: never mounted ({boot.reason or 'no reason given'})")


def _in_order(rto: RtoFigures) -> bool:
    stamps = (
        rto.failed_at_s,
        rto.declared_at_s,
        rto.handed_over_at_s,
        rto.vm_started_at_s,
        rto.guest_mounted_at_s,
        rto.verified_at_s,
    )
    return all(later >= earlier - CLOCK_SLACK_S for earlier, later in pairwise(stamps))


def _split(rto: RtoFigures) -> Split:
    return (
        rto.declared_at_s - rto.failed_at_s,
        rto.handed_over_at_s - rto.declared_at_s,
        rto.vm_started_at_s - rto.handed_over_at_s,
        rto.guest_mounted_at_s - rto.vm_started_at_s,
    )
