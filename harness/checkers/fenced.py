"""fenced: whoever does not own the blob changes nothing in it; after a failover never two writers.

At every applied request that changes pages, length, metadata or points: its sender is the owner
that the metadata names (whoever takes over writes one term later first; raising the sequence
number is allowed to all, it changes no content). The term never falls. Who mounts is the owner.
After a mount nobody else changes the blob, removes the mounted point, or acknowledges a change; but
what the mounted disk holds may be where an acknowledgement needs the store and no clock (resizes,
and writes in mode sync): the answer was late.
What it does not verify: who holds the lease, reads by an old owner, what a foreign program does,
points that are acknowledged late (points-honest asks whether there is one), pages that rotted.
"""

from collections.abc import Collection

from harness.checkers.blob_metadata import BlobMetadata
from harness.checkers.checker import Checker
from harness.checkers.history import History, disk_bytes
from harness.checkers.observation import BASE, Mounted, Operation
from harness.sim.blob_requests import (
    CreateBlob,
    DeleteBlob,
    Request,
    SetMetadata,
)
from harness.sim.page_blob import PageBlob

__all__ = ["Fenced"]


class Fenced(Checker):
    """Follows owner and term."""

    claim = "fenced"

    def __init__(self) -> None:
        super().__init__()
        self._owner = ""
        self._term = 0
        self._mount: Mounted | None = None

    def written(self, now_us: int, node: str, request: Request, _blob: PageBlob) -> None:
        """Was it the owner's?"""
        if node != self._owner:
            self._by_another(now_us, node, request)
        elif self._mount is not None:
            self.count += 1

    def changed(self, now_us: int, node: str, request: Request, _blob: PageBlob) -> None:
        """Was it the owner's, or does the owner change?"""
        mount = self._mount
        if isinstance(request, DeleteBlob):
            if mount and node != mount.node and request.snapshot == mount.snapshot:
                self._tell(now_us, node, "removed-the-mounted-point", "removed the mounted point")
        elif isinstance(request, (SetMetadata, CreateBlob)):
            self._metadata_written(now_us, node, self.scene.metadata)
        elif node != self._owner:
            self._by_another(now_us, node, request)

    def completed(self, now_us: int, operation: Operation) -> None:
        """After a mount the old primary acknowledges nothing that changes the volume.

        A flush that waits for nothing asks no store, and what it covers is in the mounted disk.
        """
        if operation.kind != "flush":
            self.requested(now_us, operation)

    def requested(self, now_us: int, operation: Operation) -> None:
        """The same for a resize."""
        mount = self._mount
        if mount is None or operation.error or mount.node == "primary":
            return
        self.count += 1
        scene = self.scene
        by_store = operation.kind == "resize" or scene.setup.mode == "sync"
        if operation.kind == "point":
            return
        if by_store and holds(mount, operation, scene.history, scene.rotten):
            return
        text = f"operation {operation.op} was acknowledged after {mount.node} had mounted"
        self.report(now_us, "acknowledged-after-the-mount", text, operation.first_page)

    def mounted(self, now_us: int, mounted: Mounted) -> None:
        """Only the owner may hand the disk over; a second one only in a later term."""
        self.count += 1
        before, self._mount = self._mount, mounted
        if (self._owner, self._term) != (mounted.node, mounted.term):
            text = (
                f"{mounted.node} handed the disk over for term {mounted.term}, the blob belongs to"
                f" {self._owner or 'nobody'} in term {self._term}"
            )
            self.report(now_us, "mounted-without-owning", text)
        elif before is not None and before.node != mounted.node and mounted.term <= before.term:
            text = f"{before.node} and {mounted.node} both handed the disk over"
            self.report(now_us, "two-writers", text)

    def _by_another(self, now_us: int, node: str, request: Request) -> None:
        self._tell(now_us, node, "changed-by-another", f"made a {type(request).__name__} request")

    def _metadata_written(self, now_us: int, node: str, metadata: BlobMetadata) -> None:
        owner, term = self._owner, self._term
        if node != owner:
            self.count += 1
        self._owner, self._term = metadata.owner, max(term, metadata.term)
        if metadata.term < term:
            self._tell(now_us, node, "term-fell", f"set term {metadata.term} after term {term}")
        elif node not in (metadata.owner, owner):
            self._tell(now_us, node, "metadata-by-another", "wrote the metadata")
        elif metadata.owner != owner and owner and metadata.term <= term:
            self._tell(now_us, node, "owned-without-a-term", "took the blob without a later term")

    def _tell(self, now_us: int, node: str, cause: str, what: str) -> None:
        text = f"{node} {what}; the blob is owned by {self._owner or 'nobody'} in term {self._term}"
        self.report(now_us, cause, text, expected=f"requests of {self._owner}", found=node)


def holds(
    mounted: Mounted, operation: Operation, history: History, rotten: Collection[int]
) -> bool:
    """Whether the mounted disk shows the operation, or newer ones, on every page of it.

    What a page of `rotten` shows that nobody wrote tells nothing of what it held.
    """
    if operation.kind == "resize":
        return mounted.size_bytes == disk_bytes(operation.volume_bytes)
    own = history.by_op.get(operation.op)
    if operation.kind not in ("write", "zero") or not operation.pages or own is None:
        return False
    first, zeroes = operation.first_page, operation.kind == "zero"
    newer = [entry for entry in history.zeros if entry.rank > own.rank]
    for page in range(first, first + operation.pages):
        value = mounted.image.get(page)
        if value is None:
            if not zeroes and not any(entry.zeroes(page) for entry in newer):
                return False
        elif page in rotten and history.highest(page, value) < 0:
            continue
        elif not (isinstance(value, int) and operation.op <= value < BASE):
            return False
    return True
