"""crash-consistent: what would be recovered is an image that the volume could have shown.

Judged after every request that the store applies, at every change of the designated image, and
at every mount. What it does not verify: images while nothing is designated (seeding), the live
blob while a point is pinned, reads that clients made, pages that rotted at rest, and in order
`flush` the order of writes that no flush parts. The size and what a shrink cuts off are
resize-faithful's; what the mode owes is no-acked-loss's and rpo's.
"""

from harness.checkers.breach import Breach
from harness.checkers.checker import Checker

__all__ = ["CrashConsistent"]


class CrashConsistent(Checker):
    """Tells what the shared judgement found against provenance and order."""

    claim = "crash-consistent"

    @property
    def exercised(self) -> int:
        """Judgements in which order demanded something."""
        return self.scene.judgements

    def judged(self, now_us: int, breach: Breach) -> None:
        """An image is not admissible."""
        if breach.claim == self.claim:
            self.report(
                now_us, breach.cause, breach.text, breach.page, breach.expected, breach.found
            )
