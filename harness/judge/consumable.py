"""Claim consumable: every look at the blob, under load and at each kill, found a valid VHD.

It does not verify the instants between two looks, and the looks under load do not mount.
"""

from harness.judge.facts import RunFacts, TrialFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import ConsumableBounds

__all__ = ["judge_consumable"]

_KILLS = ("kill", "raw", "resize", "crash")


def judge_consumable(facts: RunFacts, bounds: ConsumableBounds) -> Ruling:
    """Demand `samples` good looks under load and a good disk at every kill."""
    ruling = Ruling(
        "consumable",
        bound=f"every look good: at least {plural(bounds.samples, 'instant')} under load and"
        f" {plural(bounds.trials, 'kill')}",
    )
    sampled = kills = bad = pinned = 0
    for trial in facts.trials:
        for sample in trial.samples:
            if sample.ok is None:
                continue
            ruling.cite(sample.evidence, *(trial.evidence if not sample.evidence else ()))
            sampled += sample.moment == "load"
            pinned += bool(sample.snapshot)
            if not sample.ok:
                bad += 1
                ruling.breaches.append(
                    f"{trial.name}, {sample.at_s:.2f} s ({sample.moment}): {sample.reason}"
                )
        if trial.counted and trial.kind in _KILLS:
            kills += _proved_at_kill(trial, ruling)
    ruling.figure = (
        f"{plural(sampled, 'instant')} sampled under load and {plural(kills, 'disk')} left by"
        f" kills proved; {bad} bad"
        + (f"; {pinned} looks were at a designated recovery point" if pinned else "")
    )
    ruling.exercised, ruling.trials = sampled + kills, kills
    if sampled < bounds.samples:
        ruling.gaps.append(
            f"only {plural(sampled, 'instant')} sampled under load, {bounds.samples} demanded"
        )
    if kills < bounds.trials:
        ruling.gaps.append(
            f"only {plural(kills, 'kill')} with a proved disk, {bounds.trials} demanded"
        )
    ruling.remark = f"{plural(sampled, 'instant')} sampled; nothing is said of those between"
    return ruling


def _proved_at_kill(trial: TrialFacts, ruling: Ruling) -> bool:
    """Tell whether the disk that the kill left was proved; a kill without a proof is a gap."""
    looks = [sample for sample in trial.samples if sample.moment == "kill"]
    if any(sample.ok is not None for sample in looks):
        return True
    why = looks[0].reason if looks else "no prover looked"
    ruling.gaps.append(f"{trial.name}: the disk at the kill was not proved ({why})")
    return False
