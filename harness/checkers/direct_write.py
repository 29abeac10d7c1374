"""direct-write: volume data goes from the volume into its one blob, and is kept nowhere else.

Nobody stores volume data beside (a file, a queue, another object), no second blob is created, and
no request carries more than the service's 4 MiB. What it does not verify: memory, what the service
keeps inside (snapshots are pages of the same blob), files that no world reports: in the simulation
a core can store only through commands; real processes are watched in the lab.
"""

from harness.checkers.checker import Checker
from harness.sim.blob_requests import PUT_BYTES_MAX, PutPages, Request
from harness.sim.page_blob import PageBlob

__all__ = ["DirectWrite"]


class DirectWrite(Checker):
    """Counts what goes into the one blob."""

    claim = "direct-write"

    def written(self, now_us: int, node: str, request: Request, _blob: PageBlob) -> None:
        """Into the one blob, in one request's size."""
        self.count += 1
        if isinstance(request, PutPages) and request.length > PUT_BYTES_MAX:
            text = f"{node} put {request.length} bytes at once"
            self.report(now_us, "oversized-put", text)

    def elsewhere(self, now_us: int, node: str, request: Request, _blob: PageBlob) -> None:
        """Into another."""
        text = f"{node} wrote to a second object, {request.blob}, beside the volume's blob"
        self.report(now_us, "second-object", text, found=request.blob)

    def stored(self, now_us: int, node: str, where: str, size_bytes: int) -> None:
        """Kept elsewhere."""
        text = f"{node} kept {size_bytes} bytes of the volume in {where}"
        self.report(now_us, "stored-elsewhere", text, expected="only volume and blob", found=where)
