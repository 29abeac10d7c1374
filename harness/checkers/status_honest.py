"""status-honest: a primary that says "protected" never says better than the truth.

While it says so there is an image to recover, and the lag that it tells, in time and bytes, is no
less than that of the acknowledged writes which this image lacks. What it does not verify: what a
node says of itself while it does not say "protected", what a standby says, whether a lease that
was broken is noticed before the authority by the clock ends (protocol.md H11), lag told too high.
"""

from harness.checkers.checker import Checker
from harness.checkers.observation import StatusSample

__all__ = ["StatusHonest"]


class StatusHonest(Checker):
    """Compares each sample with what a failover would recover at that moment."""

    claim = "status-honest"

    def status(self, now_us: int, sample: StatusSample) -> None:
        """What it says, and what is."""
        if sample.role != "primary" or not sample.protected or self.scene.mount is not None:
            return
        self.count += 1
        if self.scene.designated.kind == "nothing":
            text = f"{sample.node} says protected ({sample.phase}), and nothing can be recovered"
            self.report(now_us, "protected-by-nothing", text, found=sample.phase)
            return
        mark = self.scene.metadata.mark
        if mark not in ("", "none", "interval"):
            text = f"{sample.node} says protected while the blob is marked {mark}"
            self.report(now_us, "protected-while-marked", text, found=sample.phase)
            return
        self._lag(now_us, sample)

    def _lag(self, now_us: int, sample: StatusSample) -> None:
        oldest = self.scene.oldest_missing()
        if oldest is None:
            return
        age_us = now_us - oldest.completed_us
        bound_us = self.scene.setup.rpo_us
        if self.scene.setup.mode == "async" and age_us > bound_us:
            text = (
                f"{sample.node} says protected ({sample.phase}); {oldest}, acknowledged {age_us} us"
                " ago, would not be recovered"
            )
            self.report(
                now_us, "protected-past-the-bound", text, oldest.first,
                f"at most {bound_us} us", f"{age_us} us",
            )  # fmt: skip
        if sample.lag_us < age_us:
            text = (
                f"{sample.node} says that it lags by {sample.lag_us} us; {oldest}, acknowledged"
                f" {age_us} us ago, would not be recovered"
            )
            self.report(
                now_us, "lag-understated", text, oldest.first,
                f"at least {age_us} us", f"{sample.lag_us} us",
            )  # fmt: skip
        missing = self.scene.missing_bytes(sample.lag_bytes)
        if sample.lag_bytes < missing:
            text = (
                f"{sample.node} says that {sample.lag_bytes} bytes are not yet safe; of what it"
                f" acknowledged {missing} bytes would not be recovered"
            )
            self.report(
                now_us, "lag-bytes-understated", text, oldest.first,
                f"at least {missing} bytes", f"{sample.lag_bytes} bytes",
            )  # fmt: skip
