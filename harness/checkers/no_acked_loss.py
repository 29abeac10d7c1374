"""no-acked-loss: what was acknowledged (or flushed, by mode) under the promise is never lost.

In mode sync that is every acknowledged write, in sync-on-flush what a completed flush or FUA
covers; both only while the system said that it was protected. Judged like crash-consistent, and
at every acknowledgement. What it does not verify: acknowledgements given while unprotected, mode
async (that is rpo's), and what the volume itself lost in a power loss.
"""

from harness.checkers.breach import Breach
from harness.checkers.checker import Checker

__all__ = ["NoAckedLoss"]


class NoAckedLoss(Checker):
    """Tells what the shared judgement found missing."""

    claim = "no-acked-loss"

    @property
    def exercised(self) -> int:
        """Operations that must not be lost."""
        return 0 if self.scene.setup.mode == "async" else len(self.scene.history.owed)

    def judged(self, now_us: int, breach: Breach) -> None:
        """Something owed is not there."""
        if breach.claim == self.claim:
            self.report(
                now_us, breach.cause, breach.text, breach.page, breach.expected, breach.found
            )
