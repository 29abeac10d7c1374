"""The contract of a checker: it watches one claim through one run.

A checker overrides the hooks of `Observer` that it needs, and `judged`. The panel (panel.py) calls
them after the shared `Scene` has taken the event in, so that `self.scene` is always as of now.
"""

from harness.checkers.breach import Breach
from harness.checkers.finding import Finding
from harness.checkers.observation import Observer
from harness.checkers.scene import Scene

__all__ = ["Checker"]


class Checker(Observer):
    """One claim, one run: made afresh for every run."""

    claim = ""
    """Id of the claim in the catalogue (harness.claims)."""

    scene: Scene
    """Set by the panel."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.count = 0

    @property
    def exercised(self) -> int:
        """How many checks were made that could have failed."""
        return self.count

    def judged(self, now_us: int, breach: Breach) -> None:
        """The image that would be recovered now, a point, or a mounted disk is not admissible."""

    def report(
        self,
        now_us: int,
        cause: str,
        text: str,
        page: int = -1,
        expected: str = "",
        found: str = "",
    ) -> None:
        """Keep a finding; the first of each cause, for the others would say the same."""
        if all(finding.cause != cause for finding in self.findings):
            self.findings.append(Finding(self.claim, cause, now_us, text, page, expected, found))
