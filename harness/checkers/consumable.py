"""consumable: after every request applied, what would be recovered opens as a VHD of its size.

The last page of the blob, or of the pinned point, is read by the strict validator (checksum,
sizes, creator, geometry). While a resize is under way the blob is judged as rolled forward; how
long it would not open for a stranger meanwhile is measured (`unmountable_us`). Once there was
something to recover, there always is. A mounted disk is read again as it was handed over.
What it does not verify: the content (crash-consistent), the identity in the footer
(metadata-faithful), file systems, tools other than the validator, a footer that rotted at rest.
"""

from harness.checkers.checker import Checker
from harness.checkers.footers import DiskEnd, read_disk_end
from harness.checkers.observation import Mounted
from harness.sim.blob_requests import Request
from harness.sim.page_blob import PageBlob

__all__ = ["Consumable"]

FOOTER_BYTES = 512


class Consumable(Checker):
    """Opens the recoverable disk after each change that can matter."""

    claim = "consumable"

    def __init__(self) -> None:
        super().__init__()
        self.unmountable_us = 0
        self._shut_since_us = -1

    def written(self, now_us: int, _node: str, _request: Request, blob: PageBlob) -> None:
        """Open what would be recovered now."""
        self._open(now_us, blob)

    def changed(self, now_us: int, _node: str, _request: Request, blob: PageBlob) -> None:
        """Open what would be recovered now."""
        self._open(now_us, blob)

    def _open(self, now_us: int, blob: PageBlob) -> None:
        scene = self.scene
        if not scene.was_consistent:
            return
        self.count += 1
        designated = scene.designated
        if designated.kind == "point":
            self._point(now_us, blob, designated.snapshot)
        elif designated.kind == "live":
            self._live(now_us, blob)
        else:
            self._nothing(now_us)

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """Open the disk as it was handed over."""
        self.count += 1
        end = read_disk_end(mounted.footer, mounted.size_bytes + FOOTER_BYTES)
        if end.problem:
            self._tell(now_us, "mounted", end, "the mounted disk")

    def _live(self, now_us: int, blob: PageBlob) -> None:
        metadata = self.scene.metadata
        last = blob.length // FOOTER_BYTES - 1
        end = read_disk_end(blob.store.pages.get(last), blob.length)
        self._measure(now_us, shut=bool(end.problem))
        if not metadata.intent:
            if end.problem and last not in self.scene.rotten:
                self._tell(now_us, "live", end, "the blob")
            return
        ends = (metadata.before, metadata.grow_to or metadata.shrink_to)
        if blob.length - FOOTER_BYTES not in ends:
            text = f"an intent {ends} is open and the blob has {blob.length} bytes: no way forward"
            self.report(now_us, "intent-of-other-sizes", text)

    def _point(self, now_us: int, blob: PageBlob, snapshot: str) -> None:
        point = blob.addressed(snapshot)
        index = blob.snapshot_index(snapshot)
        assert point is not None
        last = point.length // FOOTER_BYTES - 1
        (value,) = blob.store.read(last, last + 1, index)
        end = read_disk_end(value, point.length)
        if end.problem and last not in self.scene.rotten:
            self._tell(now_us, "point", end, f"the pinned point {snapshot}")

    def _nothing(self, now_us: int) -> None:
        metadata = self.scene.metadata
        pin = f"its pin {metadata.pin} is not there" if metadata.pin else "it has no pin"
        text = f"the blob is marked {metadata.mark} and {pin}: nothing is left to recover"
        self.report(now_us, "nothing-to-recover", text)

    def _measure(self, now_us: int, *, shut: bool) -> None:
        """How long the blob does not open for those who know nothing of an intent."""
        if shut and self._shut_since_us < 0:
            self._shut_since_us = now_us
        elif not shut and self._shut_since_us >= 0:
            self.unmountable_us = max(self.unmountable_us, now_us - self._shut_since_us)
            self._shut_since_us = -1

    def _tell(self, now_us: int, which: str, end: DiskEnd, where: str) -> None:
        self.report(
            now_us, f"{which}-{end.problem}", f"{where} does not open: {end.sentence}",
            expected="a fixed VHD of the right size", found=end.problem,
        )  # fmt: skip
