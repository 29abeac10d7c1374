"""How a judge says what it found: the four verdicts, and what a number of trials bounds.

A ruling collects what speaks against the claim (`breaches`) and what is missing for a verdict
(`gaps`). A breach wins over everything: one counterexample is enough, whatever else was measured.
Then a gap makes the claim inconclusive. Held is what is left, and only with something exercised
and with evidence at hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.claims import CLAIMS
from harness.evidence import ClaimResult, Verdict

__all__ = ["Ruling", "not_demanded", "plural", "rate_bound"]

STORY_LINES = 6


@dataclass(slots=True)
class Ruling:
    """What one judge collects on its way through the trials."""

    claim: str
    bound: str
    figure: str = ""
    exercised: int = 0
    trials: int = 0
    breaches: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remark: str = ""
    """Said beside a held verdict: what the trials bound."""
    simulated_only: bool = False
    """No trial of the lab speaks for the claim."""

    def cite(self, *paths: str) -> None:
        """Add evidence, each path once."""
        self.evidence += [path for path in paths if path and path not in self.evidence]

    def demand(self, demanded: int, noun: str) -> None:
        """Close the count of trials: enough of them, or a gap.

        Where enough trials count, the gaps of spare ones that failed to count are no matter.
        """
        if self.trials >= demanded:
            self.gaps.clear()
            self.remark = rate_bound(self.trials)
        else:
            self.gaps.append(f"{plural(self.trials, noun)}, {demanded} demanded")

    def demand_each(self, counts: Mapping[str, int], demanded: int, noun: str) -> None:
        """Close the counts of several modes or orders, each of which needs `demanded`."""
        if all(count >= demanded for count in counts.values()):
            self.demand(0, noun)
        for name, count in counts.items():
            if count < demanded:
                self.gaps.append(f"{name}: {plural(count, noun)}, {demanded} demanded")

    def result(self) -> ClaimResult:
        """Turn what was collected into the verdict."""
        verdict, reason = self._verdict()
        return ClaimResult(
            id=self.claim,
            verdict=verdict,
            bound=self.bound,
            figure=self.figure,
            exercised=self.exercised,
            reason=reason,
            evidence=list(self.evidence),
            trials=self.trials,
            promise=CLAIMS[self.claim].promise,
        )

    def _verdict(self) -> tuple[Verdict, str]:
        if self.breaches and self.evidence:
            return Verdict.VIOLATED, _sentences(self.breaches)
        if self.breaches:
            return Verdict.INCONCLUSIVE, "no evidence was kept for: " + _sentences(self.breaches)
        if self.gaps:
            return Verdict.INCONCLUSIVE, _sentences(self.gaps)
        if self.exercised <= 0:
            return Verdict.INCONCLUSIVE, "never exercised"
        if not self.evidence:
            return Verdict.INCONCLUSIVE, "no evidence was kept"
        return Verdict.HELD, self.remark


def not_demanded(claim: str) -> ClaimResult:
    """List a claim that the profile does not demand."""
    return ClaimResult(
        id=claim,
        verdict=Verdict.NOT_DEMANDED,
        bound="",
        figure="",
        exercised=0,
        reason="the profile does not demand it",
        evidence=[],
        promise=CLAIMS[claim].promise,
    )


def rate_bound(trials: int) -> str:
    """Say what `trials` independent trials without a violation bound, at 95 % confidence."""
    ceiling = 1 - 0.05 ** (1 / trials)
    return (
        f"no violation in {plural(trials, 'trial')}: fewer than {ceiling:.0%} of such disasters"
        " violate it, at 95 % confidence"
    )


def plural(count: int, noun: str) -> str:
    """Give `1 trial`, `3 trials`, `2 entries`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"


def _sentences(parts: list[str]) -> str:
    """Join the first few; a certificate is no log."""
    unique = list(dict.fromkeys(parts))
    shown = "; ".join(unique[:STORY_LINES])
    rest = len(unique) - STORY_LINES
    return f"{shown}; and {rest} more" if rest > 0 else shown
