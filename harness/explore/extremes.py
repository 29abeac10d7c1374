"""How bad a run got without breaking a promise: what a guided search climbs.

The lag is the primary's own figure (a checker judges whether it is honest). Mountable is what the
strict validator says of the blob's last page and length; recovery points do not count here, so a
window is an upper bound of the time in which nothing could have been mounted at once.
"""

from collections.abc import Mapping

from harness.checkers.footers import read_disk_end
from harness.checkers.observation import Observer, StatusSample
from harness.sim.blob_requests import Answer, Request
from harness.sim.page_blob import PageBlob

__all__ = ["Extremes"]

PAGE_BYTES = 512


class Extremes(Observer):
    """The worst lag and the longest window without a mountable blob, in microseconds."""

    def __init__(self) -> None:
        self.lag_us = 0
        self.unmountable_us = 0
        self._was_mountable = False
        self._broken_since: int | None = None

    def status(self, _now_us: int, sample: StatusSample) -> None:
        """Take the largest lag that a primary admits."""
        if sample.role == "primary":
            self.lag_us = max(self.lag_us, sample.lag_us)

    def applied(
        self, now_us: int, _node: str, _request: Request, _answer: Answer, blob: PageBlob
    ) -> None:
        """Look at the blob's end; the window before the first good one is seeding, not a window."""
        if not _mountable(blob):
            if self._was_mountable and self._broken_since is None:
                self._broken_since = now_us
            return
        self._was_mountable = True
        self._close(now_us)

    def ended(self, now_us: int, _waiting_for: str, _blob: PageBlob | None,
              _volume: Mapping[int, object] | None) -> None:  # fmt: skip
        """A window that is still open ends with the run."""
        self._close(now_us)

    def _close(self, now_us: int) -> None:
        if self._broken_since is not None:
            self.unmountable_us = max(self.unmountable_us, now_us - self._broken_since)
            self._broken_since = None


def _mountable(blob: PageBlob) -> bool:
    last = blob.length // PAGE_BYTES - 1
    return not read_disk_end(blob.image().get(last), blob.length).problem
