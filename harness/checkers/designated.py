"""What a failover would recover now (protocol.md): a pinned snapshot, the live blob, or nothing."""

from harness.checkers.blob_metadata import BlobMetadata
from harness.sim.blob_state import BlobState

__all__ = ["NOTHING", "Designated", "designate"]

FOOTER_BYTES = 512


class Designated:
    """kind: "nothing", "point" (the snapshot of that id) or "live"; size of the disk in bytes."""

    __slots__ = ("kind", "size_bytes", "snapshot")

    def __init__(self, kind: str, snapshot: str = "", size_bytes: int = 0) -> None:
        self.kind = kind
        self.snapshot = snapshot
        self.size_bytes = size_bytes

    def same(self, other: "Designated") -> bool:
        """Whether both name one image."""
        return (
            self.kind == other.kind
            and self.snapshot == other.snapshot
            and self.size_bytes == other.size_bytes
        )


NOTHING = Designated("nothing")


def designate(blob: BlobState, metadata: BlobMetadata) -> Designated:
    """Decide by the metadata; an open intent is rolled forward."""
    if metadata.mark not in ("", "none"):
        pinned = blob.addressed(metadata.pin) if metadata.pin else None
        if pinned is None:
            return NOTHING
        return Designated("point", metadata.pin, pinned.length - FOOTER_BYTES)
    size = metadata.shrink_to or metadata.grow_to or blob.length - FOOTER_BYTES
    return Designated("live", "", size)
