"""resize-faithful: through every grow and shrink, size, footer and content follow the volume.

The shared judgement tells where the size is one that the volume cannot have, or where data that a
shrink cut off is back. Beside that the blob is looked at as a stranger sees it: no footer inside
the disk (while a resize is under way only where its procedure needs one), a shrink never leaves
the blob without a footer, and a resize is answered when blob and metadata have it.
What it does not verify: a blob that is marked (its pinned point is judged), recovery points
(points-honest), how long a grow leaves the blob without a footer (consumable measures it).
"""

from harness.checkers.breach import Breach
from harness.checkers.checker import Checker
from harness.checkers.footers import read_disk_end
from harness.checkers.history import PAGE_BYTES, disk_bytes
from harness.checkers.observation import Mounted, Operation
from harness.sim.blob_requests import ClearPages, PutPages, Request
from harness.sim.page_blob import PageBlob

__all__ = ["ResizeFaithful"]


class ResizeFaithful(Checker):
    """Knows where in the blob footers stand."""

    claim = "resize-faithful"

    def __init__(self) -> None:
        super().__init__()
        self._footers: list[int] = []

    def written(self, now_us: int, _node: str, request: Request, blob: PageBlob) -> None:
        """Follow footers that are put or overwritten."""
        if isinstance(request, PutPages):
            self._put(request)
        elif isinstance(request, ClearPages):
            first = request.offset // PAGE_BYTES
            end = first + request.length // PAGE_BYTES
            self._footers = [page for page in self._footers if not first <= page < end]
        self._look(now_us, blob)

    def changed(self, now_us: int, _node: str, _request: Request, blob: PageBlob) -> None:
        """A shorter blob has lost what was behind."""
        end = blob.length // PAGE_BYTES
        self._footers = [page for page in self._footers if page < end]
        self._look(now_us, blob)

    def requested(self, now_us: int, operation: Operation) -> None:
        """A resize that was answered is in blob and metadata."""
        blob, metadata = self.scene.blob, self.scene.metadata
        if not blob or not self.scene.is_answer_to_last_resize(operation):
            return
        self.count += 1
        size = disk_bytes(operation.volume_bytes)
        if metadata.intent or blob.length - PAGE_BYTES != size:
            text = f"resize {operation.op} was answered before the blob had its size"
            self.report(
                now_us, "resize-answered-early", text,
                expected=f"{size} bytes", found=f"{blob.length - PAGE_BYTES} bytes",
            )  # fmt: skip

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """A guest must not find a footer of ours in its disk."""
        end = mounted.size_bytes // PAGE_BYTES
        inside = [p for p, value in mounted.image.items() if p < end and isinstance(value, bytes)]
        if inside:
            self._footer_inside(now_us, min(inside), "the mounted disk")

    def judged(self, now_us: int, breach: Breach) -> None:
        """Size or cut-off data are wrong."""
        if breach.claim == self.claim:
            self.report(
                now_us, breach.cause, breach.text, breach.page, breach.expected, breach.found
            )

    def _put(self, request: PutPages) -> None:
        values, first = request.pages, request.offset // PAGE_BYTES
        end = first + len(values)
        if self._footers:
            self._footers = [page for page in self._footers if not first <= page < end]
        if isinstance(values[-1], bytes) or isinstance(values[0], bytes):
            pages = self.scene.history.pages_put(request)
            new = [page for page in pages if isinstance(values[page - first], bytes)]
            self._footers = sorted([*self._footers, *new])

    def _look(self, now_us: int, blob: PageBlob) -> None:
        """Look at the blob as it is, with no knowledge of an intent."""
        if self.scene.designated.kind != "live":
            return
        last = blob.length // PAGE_BYTES - 1
        if self.scene.metadata.intent:
            self.count += 1
            self._shrinking(now_us, blob, last)
        if self._footers and self._footers != [last]:
            self._inside(now_us, blob, last)

    def _shrinking(self, now_us: int, blob: PageBlob, last: int) -> None:
        """The new footer comes before the resize, so a shrink never leaves the disk shut."""
        if not self.scene.metadata.shrink_to or last in self.scene.rotten:
            return
        end = read_disk_end(blob.store.pages.get(last), blob.length)
        if end.problem:
            text = f"a shrink is under way and the blob does not open: {end.sentence}"
            self.report(now_us, "shrink-without-footer", text, last, "a footer", end.problem)

    def _inside(self, now_us: int, blob: PageBlob, last: int) -> None:
        """An intent allows a second footer: a shrink its new one, a grow the old one for a while.

        The old footer of a grow must be gone when the new one stands.
        """
        metadata = self.scene.metadata
        allowed = [last]
        if metadata.shrink_to:
            allowed.append(metadata.shrink_to // PAGE_BYTES)
        elif metadata.grow_to and not isinstance(blob.store.pages.get(last), bytes):
            allowed.append(metadata.before // PAGE_BYTES)
        inside = [page for page in self._footers if page not in allowed]
        if inside:
            self._footer_inside(now_us, inside[0], "the blob")

    def _footer_inside(self, now_us: int, page: int, where: str) -> None:
        text = f"{where} has an old footer inside the disk, at page {page}"
        self.report(now_us, "footer-inside-the-disk", text, page, "data or zeros", "a footer")
