"""The contract of a checker: it watches one claim through one run.

A checker overrides the hooks that it needs: those of `Observer`, but in place of `applied`, which
the panel (panel.py) splits up, `written`, `changed` and `elsewhere`; and `requested` for what
operators are answered. They are called after the shared `Scene` has taken the event in, so that
`self.scene` is always as of now.
"""

from harness.checkers.breach import Breach
from harness.checkers.finding import Finding
from harness.checkers.observation import Observer, Operation
from harness.checkers.scene import Scene
from harness.sim.blob_requests import Request
from harness.sim.page_blob import PageBlob

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

    def written(self, now_us: int, node: str, request: Request, blob: PageBlob) -> None:
        """Pages of the blob were put or cleared."""

    def changed(self, now_us: int, node: str, request: Request, blob: PageBlob) -> None:
        """Length, metadata or snapshots of the blob were changed (not its sequence number)."""

    def elsewhere(self, now_us: int, node: str, request: Request, blob: PageBlob) -> None:
        """Another blob than the one was changed."""

    def requested(self, now_us: int, operation: Operation) -> None:
        """A resize or a point was answered (`completed` is for the others)."""

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
