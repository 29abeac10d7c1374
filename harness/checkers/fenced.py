"""fenced: whoever does not own the blob changes nothing in it; after a failover never two writers.

At every applied request that changes pages, length, metadata or points: its sender is the owner
that the metadata names (whoever takes over writes one term later first; raising the sequence
number is allowed to all, it changes no content). The term never falls. Who mounts is the owner.
After a mount nobody else changes the blob, removes the mounted point, or acknowledges.
What it does not verify: who holds the lease, reads by an old owner, what a foreign program does.
"""

from harness.checkers.blob_metadata import BlobMetadata
from harness.checkers.checker import Checker
from harness.checkers.observation import Mounted, Operation
from harness.sim.blob_requests import (
    Answer,
    CreateBlob,
    DeleteBlob,
    Request,
    SetMetadata,
    SetProperties,
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

    def applied(
        self, now_us: int, node: str, request: Request, _answer: Answer, blob: PageBlob
    ) -> None:
        """Was it the owner's?"""
        if blob is not self.scene.blob:
            return
        if isinstance(request, DeleteBlob):
            if (
                self._mount
                and node != self._mount.node
                and request.snapshot == self._mount.snapshot
            ):
                self._tell(now_us, node, "removed-the-mounted-point", "removed the mounted point")
            return
        if isinstance(request, SetProperties) and request.length is None:
            return
        if self._mount is not None or self._owner != node:
            self.count += 1
        if isinstance(request, (SetMetadata, CreateBlob)):
            self._metadata_written(now_us, node, self.scene.metadata)
        elif node != self._owner:
            what = type(request).__name__
            self._tell(now_us, node, "changed-by-another", f"changed the blob ({what})")

    def completed(self, now_us: int, operation: Operation) -> None:
        """After a mount the old primary acknowledges nothing that changes the volume.

        A flush that waits for nothing asks no store, and what it covers is in the mounted disk.
        """
        if self._mount is None or operation.error or self._mount.node == "primary":
            return
        if operation.kind == "flush":
            return
        self.count += 1
        text = f"operation {operation.op} was acknowledged after {self._mount.node} had mounted"
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

    def _metadata_written(self, now_us: int, node: str, metadata: BlobMetadata) -> None:
        owner, term = self._owner, self._term
        self._owner, self._term = metadata.owner, max(term, metadata.term)
        if metadata.term < term:
            self._tell(now_us, node, "term-fell", f"set term {metadata.term} after term {term}")
        elif node not in (metadata.owner, owner):
            self._tell(now_us, node, "metadata-by-another", "wrote the metadata")
        elif metadata.owner != owner and owner and metadata.term <= term:
            self._tell(now_us, node, "owned-without-a-term", "took the blob without a later term")

    def _tell(self, now_us: int, node: str, cause: str, what: str) -> None:
        text = f"{node} {what}, which {self._owner or 'nobody'} owns in term {self._term}"
        self.report(now_us, cause, text, expected=f"requests of {self._owner}", found=node)
