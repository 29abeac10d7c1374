"""One more look at the blob service after the last trial: nothing may have come later."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from harness.errors import MountproofError
from harness.lab.other_objects import strangers
from harness.lab.stage import Lab
from harness.lab.trial import TrialOutcome

__all__ = ["ask_again"]

AT_THE_END: Final = "evidence/other-objects.json"


def ask_again(lab: Lab, outcomes: Sequence[TrialOutcome]) -> list[TrialOutcome]:
    """After the last trial: what was written elsewhere since the trials' own look counts too."""
    if not any(outcome.facts.direct_write for outcome in outcomes):
        return list(outcomes)
    try:
        found = strangers(lab.view, lab.store_log, lab.blobs)
    except MountproofError as error:  # the trials' own looks stand
        lab.evidence.write_json(AT_THE_END, {"could not look": str(error)})
        return list(outcomes)
    rel = lab.evidence.write_json(AT_THE_END, {"other objects": found})
    return [_with_others(outcome, found, rel) for outcome in outcomes]


def _with_others(outcome: TrialOutcome, found: list[str], rel: str) -> TrialOutcome:
    direct = outcome.facts.direct_write
    if direct is None:
        return outcome
    others = sorted({*direct.other_objects, *found})
    direct = structs.replace(
        direct,
        other_objects=others,
        evidence=[*direct.evidence, rel],
    )
    return replace(outcome, facts=structs.replace(outcome.facts, direct_write=direct))
