"""rpo: in mode async, what a failover loses is never older than the bound, in seconds and bytes.

At every acknowledgement given as protected: the oldest acknowledged write that would not be
recovered now was acknowledged at most `rpo_us` before, and all such writes together (this one
included) are at most `rpo_bytes`. At a mount, and when another image becomes the one to recover:
nothing is missing that was acknowledged longer than `rpo_us` before the last such acknowledgement.
So age is counted to the last acknowledgement: while none is given (the store is away and clients
are held back, as the bound demands), what is missing grows older and no system could change that.
What it does not verify: acknowledgements given while unprotected; trims have no bytes.
"""

from harness.checkers.breach import Breach
from harness.checkers.checker import Checker
from harness.checkers.observation import Operation

__all__ = ["Rpo"]


class Rpo(Checker):
    """Watches acknowledgements in mode async; `worst_us` is the longest window of loss."""

    claim = "rpo"

    def __init__(self) -> None:
        super().__init__()
        self.worst_us = 0

    def completed(self, now_us: int, operation: Operation) -> None:
        """One more acknowledged: is the oldest that is missing still young enough?"""
        setup = self.scene.setup
        if setup.mode != "async" or operation.error or not operation.promised:
            return
        if operation.kind not in ("write", "zero"):
            return
        oldest = self.scene.oldest_missing()
        if oldest is None:
            return
        self.count += 1
        age_us = now_us - oldest.completed_us
        self.worst_us = max(self.worst_us, age_us)
        if age_us > setup.rpo_us:
            text = (
                f"operation {operation.op} was acknowledged as protected while {oldest},"
                f" acknowledged {age_us} us before, would be lost; the bound is {setup.rpo_us} us"
            )
            self.report(
                now_us, "acknowledged-past-the-seconds", text, oldest.first,
                f"at most {setup.rpo_us} us", f"{age_us} us",
            )  # fmt: skip
        missing = self.scene.missing_bytes(setup.rpo_bytes)
        if missing > setup.rpo_bytes:
            text = (
                f"operation {operation.op} was acknowledged as protected: {missing} acknowledged"
                f" bytes would be lost now; the bound is {setup.rpo_bytes}"
            )
            self.report(
                now_us, "acknowledged-past-the-bytes", text, operation.first_page,
                f"at most {setup.rpo_bytes} bytes", f"{missing} bytes",
            )  # fmt: skip

    def judged(self, now_us: int, breach: Breach) -> None:
        """An image lacks what is older than the bound."""
        if breach.claim == self.claim:
            self.report(
                now_us, breach.cause, breach.text, breach.page, breach.expected, breach.found
            )
