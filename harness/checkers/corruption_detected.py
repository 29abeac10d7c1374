"""corruption-detected: bytes that were damaged on the way are never taken for good.

A request whose bytes were damaged must be refused: none of its pages may come to be in the blob,
whatever was sent again later. What it does not verify: damage at rest. This version neither reads
back nor repairs what the service stores (the service's own checksums have to), so a page that
rotted counts for no claim until it is written again; nor damage in the memory of the primary
before the checksum is made, which nothing on the way can tell from data.
"""

from harness.checkers.checker import Checker
from harness.checkers.history import PAGE_BYTES
from harness.sim.blob_requests import PutPages, Request
from harness.sim.page_blob import PageBlob

__all__ = ["CorruptionDetected"]


class CorruptionDetected(Checker):
    """Remembers that a request was damaged, and looks for values that nobody wrote."""

    claim = "corruption-detected"

    def __init__(self) -> None:
        super().__init__()
        self._damaged: list[Request] = []

    def damaged(self, _now_us: int, where: str, request: Request | None, _page: int) -> None:
        """On the way to the store: from now on its bytes must not show up."""
        if where == "request" and request is not None:
            self.count += 1
            self._damaged.append(request)

    def written(self, now_us: int, node: str, request: Request, _blob: PageBlob) -> None:
        """Look for bytes that nobody wrote."""
        if not self._damaged or not isinstance(request, PutPages):
            return
        first = request.offset // PAGE_BYTES
        if any(request is damaged for damaged in self._damaged):
            self._tell(now_us, node, first, "its damaged bytes")
            return
        highest = self.scene.history.highest
        for page, value in enumerate(request.pages, first):
            if not isinstance(value, bytes) and value and highest(page, value) < 0:
                self._tell(now_us, node, page, f"value {value}")
                return

    def _tell(self, now_us: int, node: str, page: int, found: str) -> None:
        text = f"a put of {node} was damaged on the way and taken for good, at page {page}"
        self.report(now_us, "damaged-bytes-stored", text, page, "the request refused", found)
