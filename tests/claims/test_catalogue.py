"""The catalogue is complete and says something in every place."""

import re

import pytest

from harness.claims import CLAIMS, Claim
from harness.profile import BOUNDS

DESIGN = """consumable crash-consistent no-acked-loss rpo rto resize-faithful metadata-faithful
corruption-detected fenced ordered-once rehydrated-exactly direct-write group-consistent
points-honest drill-harmless failback tenant-isolated live status-honest boots application"""


def test_every_claim_of_the_design_is_there_in_its_order() -> None:
    assert list(CLAIMS) == DESIGN.split()


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_each_claim_is_one_sentence_with_check_and_limits(claim: Claim) -> None:
    assert re.fullmatch(r"[A-Z].*\.", claim.promise)
    assert ". " not in claim.promise
    assert claim.how.endswith(".")
    assert claim.not_checked
    assert all(limit.endswith(".") for limit in claim.not_checked)


def test_what_cannot_be_judged_yet_says_so() -> None:
    for claim in CLAIMS.values():
        says = any("no judge for it yet" in limit for limit in claim.not_checked)
        assert says == (claim.id not in BOUNDS)
