"""The catalogue's words on a claim, as the reports quote them.

The sentence that the evidence itself carries wins over today's catalogue: a report rebuilt years
later must say what was promised then.
"""

from harness.claims import CLAIMS
from harness.evidence import ClaimResult

__all__ = ["how_checked", "not_checked", "promise_of"]


def promise_of(claim: ClaimResult) -> str:
    """One sentence: what the claim promises; empty for a claim that nobody catalogued."""
    if claim.promise or claim.id not in CLAIMS:
        return claim.promise
    return CLAIMS[claim.id].promise


def how_checked(claim_id: str) -> str:
    """How the catalogue says that the claim is checked."""
    return CLAIMS[claim_id].how if claim_id in CLAIMS else ""


def not_checked(claim_id: str) -> list[str]:
    """List what the check of this claim leaves out, in sentences."""
    return list(CLAIMS[claim_id].not_checked) if claim_id in CLAIMS else []
