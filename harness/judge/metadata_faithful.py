"""Claim metadata-faithful: the volume's properties stand in blob and footer, after changes too.

It does not verify a private region (this engine has none), or properties that the trials never
changed: only sizes and geometry change here.
"""

from harness.judge.facts import RunFacts
from harness.judge.ruling import Ruling, plural
from harness.profile import MetadataFaithfulBounds

__all__ = ["judge_metadata_faithful"]


def judge_metadata_faithful(facts: RunFacts, bounds: MetadataFaithfulBounds) -> Ruling:
    """Demand that every property read back is the volume's."""
    ruling = Ruling(
        "metadata-faithful",
        bound=f"name, label, id, sizes and geometry read back right, in at least"
        f" {plural(bounds.trials, 'volume')}",
    )
    wrong = changed = 0
    for trial in facts.trials:
        outcome = trial.properties
        if outcome is None or not outcome.checks:
            continue
        ruling.cite(outcome.evidence, *trial.evidence)
        for check in outcome.checks:
            changed += check.changed
            if check.found != check.expected:
                wrong += 1
                ruling.breaches.append(
                    f"{trial.name}, {check.moment}: {check.what} is {check.found or 'empty'},"
                    f" not {check.expected}"
                )
        ruling.exercised += len(outcome.checks)
        ruling.trials += 1
    ruling.figure = (
        f"{wrong} wrong of {ruling.exercised} properties read back, {changed} of them after a"
        f" resize had changed them, in {plural(ruling.trials, 'volume')}"
    )
    ruling.demand(bounds.trials, "volume")
    return ruling
