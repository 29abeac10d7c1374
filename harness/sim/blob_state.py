"""What the service knows of one page blob and of each of its snapshots."""

from harness.sim.blob_lease import Lease
from harness.sim.blob_pages import PageStore
from harness.sim.blob_requests import Metadata


class EtagSource:
    """Gives every change in a container an ETag of its own, in the order of the changes."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes = 0

    def fresh(self) -> str:
        """Return an ETag that was never given before, quotes included."""
        self.changes += 1
        return f'"{self.changes}"'


class SnapshotState:
    """One snapshot: what the blob was, and its own metadata if it was given any."""

    __slots__ = ("etag", "generation", "id", "length", "metadata", "number")

    def __init__(
        self, name: str, etag: str, length: int, number: int, metadata: Metadata, generation: int
    ) -> None:
        self.id = name
        self.etag = etag
        self.length = length
        self.number = number
        self.metadata = metadata
        self.generation = generation
        """How often the blob had been overwritten as a whole by then."""


class BlobState:
    """One page blob; `store.before[i]` belongs to `snapshots[i]`, oldest first."""

    __slots__ = (
        "etag", "etags", "generation", "lease", "length", "metadata", "name", "number",
        "snapshots", "store",
    )  # fmt: skip

    def __init__(self, name: str, etags: EtagSource) -> None:
        self.name = name
        self.etags = etags
        self.etag = ""
        self.length = 0
        self.number = 0
        self.metadata: Metadata = ()
        self.generation = 0
        self.lease = Lease()
        self.store = PageStore()
        self.snapshots: list[SnapshotState] = []

    def snapshot_index(self, name: str) -> int | None:
        """Place of the snapshot of that id; None if there is none."""
        for index, snapshot in enumerate(self.snapshots):
            if snapshot.id == name:
                return index
        return None

    def addressed(self, snapshot: str) -> "BlobState | SnapshotState | None":
        """The blob itself, or its snapshot of that id."""
        if not snapshot:
            return self
        index = self.snapshot_index(snapshot)
        return None if index is None else self.snapshots[index]

    def changed(self, now_us: int) -> None:
        """After every write: a new ETag; a lease that had ended is forgotten for good."""
        self.etag = self.etags.fresh()
        if self.lease.id and not self.lease.locked(now_us):
            self.lease.forget()
