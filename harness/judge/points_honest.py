"""Claim points-honest: every recovery point in the system's list opens and is what it says.

It does not verify retention over longer times (the simulation does), and mounts one point of each
trial only; the others are opened and validated, or, with raw pages, judged by the oracle.
"""

from harness.judge.facts import PointsOutcome, RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import PointsHonestBounds

__all__ = ["judge_points_honest"]


def judge_points_honest(facts: RunFacts, bounds: PointsHonestBounds) -> Ruling:
    """Demand points on request, all listed, all good, some mounted in a VM."""
    ruling = Ruling(
        "points-honest",
        bound=f"every listed point opens with its size and content: at least"
        f" {plural(bounds.points, 'point')}, {bounds.mounted} mounted, in"
        f" {plural(bounds.trials, 'trial')}",
    )
    opened = mounted = judged = 0
    for trial in facts.trials:
        if trial.points is None:
            continue
        ruling.cite(*(point.evidence for point in trial.points.points), *trial.evidence)
        _check(trial, trial.points, ruling)
        good = [point for point in trial.points.points if point.ok]
        opened += len(good)
        mounted += sum(1 for point in good if point.entries is not None)
        judged += sum(1 for point in good if point.judged_pages)
        ruling.trials += bool(good)
    ruling.exercised = opened
    ruling.figure = (
        f"{plural(opened, 'point')} opened, {mounted} mounted in a VM and {judged} judged by the"
        f" oracle, in {plural(ruling.trials, 'trial')}"
    )
    if opened >= bounds.points and mounted >= bounds.mounted:
        ruling.demand(bounds.trials, "trial with points")
    else:
        ruling.gaps.append(
            f"{plural(opened, 'point')} opened and {mounted} mounted, {bounds.points} and"
            f" {bounds.mounted} demanded"
        )
    return ruling


def _check(trial: TrialFacts, points: PointsOutcome, ruling: Ruling) -> None:
    for point in points.points:
        if point.ok is False:
            ruling.breaches.append(
                f"{trial.name}: point {point.snapshot} ({point.kind}): {point.reason}"
            )
        elif point.ok is None:
            ruling.gaps.append(f"{trial.name}: point {point.snapshot}: {point.reason}")
    ruling.breaches += [
        f"{trial.name}: point {snapshot} was taken on request and is not listed"
        for snapshot in points.missing
    ]
    ruling.gaps += [f"{trial.name}: no point was taken: {reason}" for reason in points.refused]
    if not points.listed:
        ruling.gaps.append(f"{trial.name}: the system gave no list of its points")
