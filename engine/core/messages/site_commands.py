"""Commands to the volume, its clients and the node that the machine runs on."""

from msgspec import Struct


class LocalWrite(Struct, frozen=True, gc=False):
    """Write `payload` (`length` bytes) to the volume at `offset`; completes as LocalDone/Failed."""

    op: int
    offset: int
    length: int
    payload: object


class LocalZero(Struct, frozen=True, gc=False):
    """Make the volume read zero there (punching a hole where it can)."""

    op: int
    offset: int
    length: int


class LocalFlush(Struct, frozen=True, gc=False):
    """Make every completed local write durable."""

    op: int


class ReadVolume(Struct, frozen=True, gc=False):
    """Read what is written within [offset, limit): at most 4 MiB of data; answers VolumeRead."""

    id: int
    offset: int
    limit: int


class Reply(Struct, frozen=True, gc=False):
    """Answer the client's operation `op`; `error` is an errno, 0 for success."""

    op: int
    error: int


class NewLease(Struct, frozen=True, gc=False):
    """Draw a fresh lease id and make it durable before it is used; answers LeaseReady (H10)."""

    id: int


class SetTimer(Struct, frozen=True, gc=False):
    """Deliver TimerFired(key) at `at_us`; a later SetTimer of the same key replaces it."""

    key: str
    at_us: int


class MountDisk(Struct, frozen=True, gc=False):
    """The blob is this standby's: hand the disk of `size_bytes` to the virtual machine.

    `snapshot`: the recovery point that is mounted instead of the live blob, "" for the live blob.
    """

    size_bytes: int
    term: int
    snapshot: str = ""


class LocalResize(Struct, frozen=True, gc=False):
    """Give the volume this size (grown space reads zero); completes as LocalDone/Failed."""

    op: int
    volume_bytes: int


class MarkDirty(Struct, frozen=True, gc=False):
    """Set the bits of these regions and make them durable; answers BitsDurable/BitsFailed.

    A region is settings.REGION_BYTES of the volume, counted from 0 (protocol.md P5).
    """

    id: int
    regions: tuple[int, ...]


class MarkClean(Struct, frozen=True, gc=False):
    """Clear the bits of these regions, at leisure: no answer, and no harm if it is lost."""

    regions: tuple[int, ...]


class Note(Struct, frozen=True, gc=False):
    """Something worth logging and counting happened; `fields` are name and value pairs."""

    name: str
    fields: tuple[tuple[str, str | int], ...] = ()
