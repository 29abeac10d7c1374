"""What happens to a machine, apart from the answers to its store commands."""

from msgspec import Struct

EINVAL = 22
"""errno of a request that makes no sense."""

EIO = 5
"""errno of an operation that this site may no longer, or cannot, complete."""


class LocalDone(Struct, frozen=True, gc=False):
    """The local command of operation `op` is complete."""

    op: int


class LocalFailed(Struct, frozen=True, gc=False):
    """The local command failed with this errno."""

    op: int
    error: int


class VolumeRead(Struct, frozen=True, gc=False):
    """Answer to ReadVolume: `runs` of (offset, length, payload), ascending.

    They are all of the data in [asked offset, next_offset); everything else there reads zero.
    """

    id: int
    runs: tuple[tuple[int, int, object], ...]
    next_offset: int


class VolumeReadFailed(Struct, frozen=True, gc=False):
    """The volume could not be read there."""

    id: int
    error: int


class LeaseReady(Struct, frozen=True, gc=False):
    """Answer to NewLease: `lease` is fresh and durable."""

    id: int
    lease: str


class TimerFired(Struct, frozen=True, gc=False):
    """A timer set by SetTimer is due."""

    key: str


class WriteRequested(Struct, frozen=True, gc=False):
    """A client writes; op numbers rise in arrival order, the order of overlapping writes."""

    op: int
    offset: int
    length: int
    payload: object
    fua: bool


class ZeroRequested(Struct, frozen=True, gc=False):
    """A client trims or writes zeroes; both read zero afterwards (H38)."""

    op: int
    offset: int
    length: int
    fua: bool


class FlushRequested(Struct, frozen=True, gc=False):
    """A client flushes: covers every operation answered before it was invoked."""

    op: int


class Started(Struct, frozen=True, gc=False):
    """The process is up; the first event of a machine.

    previous_lease: the lease id that an earlier incarnation of this node persisted, or "" (H16).
    clean_etag: the blob's ETag at an orderly stop, when the volume is unchanged since; else "".
    reseed: the operator allows everything to be sent anew; meanwhile a failover would recover the
    point that is taken before, if the blob was an image of the volume, else nothing.
    dirty: the regions whose bits are set in the durable bitmap, which bound what the blob may lack;
    None: there is no bitmap that can be trusted, or somebody else changed the volume since an
    orderly stop: everything may be lacking. A new bitmap may be trusted once the machine was
    protected (Note "protected"), or every bit was set, which a resync of everything does first.
    """

    previous_lease: str = ""
    clean_etag: str = ""
    reseed: bool = False
    dirty: tuple[int, ...] | None = None


class StopRequested(Struct, frozen=True, gc=False):
    """Drain, then release: the orderly end."""


class HeartbeatHeard(Struct, frozen=True, gc=False):
    """A heartbeat of the peer; `leaving`: it stops in order, its silence is no failure."""

    sequence: int
    leaving: bool = False


class FailoverRequested(Struct, frozen=True, gc=False):
    """An operator asks for failover now; `forced` breaks a live lease."""

    forced: bool


class ResizeRequested(Struct, frozen=True, gc=False):
    """An operator asks for another volume size; answered by Reply(op) when the blob has it too."""

    op: int
    volume_bytes: int


class PointRequested(Struct, frozen=True, gc=False):
    """An operator asks for a recovery point; answered by Reply(op) when it is listed."""

    op: int


class BitsDurable(Struct, frozen=True, gc=False):
    """Answer to MarkDirty: the bits survive a power loss from here on (protocol.md P5)."""

    id: int


class BitsFailed(Struct, frozen=True, gc=False):
    """Answer to MarkDirty: the bitmap could not be written."""

    id: int
    error: int
