"""Claim crash-consistent: the oracle accepts the recovered image of every raw workload.

It does not verify orders that no trial ran under, file systems (the ledger and e2fsck speak for
them), or what the workload read. A loss that the mode forbids is judged by no-acked-loss and rpo.
"""

from harness.judge.facts import RawImageJudgement, RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import CrashConsistentBounds

__all__ = ["judge_crash_consistent"]


def judge_crash_consistent(facts: RunFacts, bounds: CrashConsistentBounds) -> Ruling:
    """Demand admissible images, each with something demanded of it, in every order named."""
    ruling = Ruling(
        "crash-consistent",
        bound=f"no finding in at least {plural(bounds.trials, 'raw workload')} in each of the"
        f" orders {', '.join(bounds.orders)}",
    )
    judged: dict[str, int] = dict.fromkeys(bounds.orders, 0)
    pages = writes = findings = crashes = 0
    for trial in facts.trials:
        _check_designation(trial, ruling)
        raw = trial.raw
        if raw is None:
            continue
        ruling.cite(raw.evidence, *trial.evidence)
        if raw.verdict == "finding":
            findings += 1
            story = " ".join(raw.story) or raw.reason
            ruling.breaches.append(f"{trial.name} (order {trial.order}): {story}")
        elif _fit(trial, raw, ruling) and trial.order in judged:
            judged[trial.order] += 1
            crashes += trial.kind == "crash"
            pages += raw.pages_checked
            writes += raw.writes_demanded
    ruling.trials = sum(judged.values())
    ruling.exercised = writes
    ruling.figure = (
        f"{findings} findings; {plural(ruling.trials, 'image')} of {pages} pages in all admissible,"
        f" {plural(writes, 'write')} demanded by order or loss rule"
    )
    if crashes:
        ruling.figure += f"; {crashes} after a crash of the replicator"
    ruling.demand_each(judged, bounds.trials, "judged raw workload")
    if crashes < bounds.crashes:
        found = plural(crashes, "image")
        ruling.gaps.append(f"{found} after a replicator's crash, {bounds.crashes} demanded")
    return ruling


def _check_designation(trial: TrialFacts, ruling: Ruling) -> None:
    """A blob that is half resynchronised is no image: its pinned point has to be mounted."""
    crash = trial.crash
    if crash is None or crash.unfinished_at_kill != "resync" or crash.mounted == crash.pinned:
        return
    ruling.cite(crash.evidence, *trial.evidence)
    ruling.breaches.append(
        f"{trial.name}: the site died inside a resync, and {crash.mounted or 'the live blob'} was"
        f" mounted instead of point {crash.pinned or '(none)'}"
    )


def _fit(trial: TrialFacts, raw: RawImageJudgement, ruling: Ruling) -> bool:
    """Tell whether the judgement says something; a trial that says nothing leaves a reason."""
    if not trial.counted:
        return False
    if raw.verdict == "unusable":
        ruling.gaps.append(f"{trial.name}: {raw.reason}")
        return False
    return raw.writes_demanded > 0 and raw.pages_written > 0
