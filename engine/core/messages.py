"""Every command a core machine gives and every event it takes.

A machine is `handle(now_us, event) -> list of commands` (style.md 3.4). Each store command
completes as exactly one of `Done`, `Failed` (certainly not applied) or `Unknown` (may have been
applied, may still be applied later: protocol.md section 2). Payloads are opaque to the core: the
shell carries bytes, the simulator page tokens; the core only slices them by offset and length in
bytes.

Offsets and lengths are bytes and multiples of 512. `id` is unique within one machine incarnation.
Condition fields: `lease` is the lease id sent along, `number` the sequence number that must be
EQual, `if_match` the ETag that must match; None sends no such condition.
"""

from dataclasses import dataclass
from enum import StrEnum

EIO = 5
"""errno of an operation that this site may no longer, or cannot, complete."""

MetadataMap = tuple[tuple[str, str], ...]
"""Blob metadata as sent: lower-case names, sorted, ASCII values."""


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes of `payload` from its byte `start`; payload None means zeros."""

    payload: object
    start: int
    length: int


# ── commands: the blob ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Head:
    """Read etag, sequence number, length, metadata and lease state in one request."""

    id: int
    lease: str | None


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read the 512 bytes at `offset`."""

    id: int
    offset: int
    lease: str | None


@dataclass(frozen=True, slots=True)
class Create:
    """Create the blob, all zero, only if it does not exist (If-None-Match: *)."""

    id: int
    length: int
    metadata: MetadataMap
    number: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write `parts` in order from `offset`; at most 4 MiB; carries a checksum."""

    id: int
    offset: int
    length: int
    parts: tuple[Part, ...]
    lease: str
    number: int
    if_match: str | None


@dataclass(frozen=True, slots=True)
class Clear:
    """Make `length` bytes from `offset` zero; may be larger than 4 MiB."""

    id: int
    offset: int
    length: int
    lease: str
    number: int
    if_match: str | None


@dataclass(frozen=True, slots=True)
class Raise:
    """Set the sequence number to max(current, number): kills all older requests (F1)."""

    id: int
    number: int
    lease: str


@dataclass(frozen=True, slots=True)
class Resize:
    """Set the blob's length."""

    id: int
    length: int
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """Replace the whole metadata map."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Take a snapshot with metadata of its own."""

    id: int
    metadata: MetadataMap
    lease: str
    if_match: str


@dataclass(frozen=True, slots=True)
class DeleteSnapshot:
    """Delete one snapshot; only ids listed as doomed in the blob's metadata (P8)."""

    id: int
    snapshot: str


@dataclass(frozen=True, slots=True)
class ListSnapshots:
    """List snapshots with their metadata."""

    id: int


@dataclass(frozen=True, slots=True)
class Acquire:
    """Acquire the lease under the proposed id `lease` for `seconds` (15 to 60)."""

    id: int
    lease: str
    seconds: int
    if_match: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Renew the lease."""

    id: int
    lease: str


@dataclass(frozen=True, slots=True)
class Break:
    """Break whatever lease there is, with period 0."""

    id: int
    if_match: str


@dataclass(frozen=True, slots=True)
class Release:
    """Give the lease back."""

    id: int
    lease: str


@dataclass(frozen=True, slots=True)
class Change:
    """Change the lease's id from `lease` to `proposed`."""

    id: int
    lease: str
    proposed: str


StoreCommand = (
    Head | ReadPage | Create | Put | Clear | Raise | Resize | SetMetadata | Snapshot
    | DeleteSnapshot | ListSnapshots | Acquire | Renew | Break | Release | Change
)  # fmt: skip


# ── commands: the volume, its clients, the node ───────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class LocalWrite:
    """Write `payload` (`length` bytes) to the volume at `offset`; completes as LocalDone/Failed."""

    op: int
    offset: int
    length: int
    payload: object


@dataclass(frozen=True, slots=True)
class LocalZero:
    """Make the volume read zero there (punching a hole where it can)."""

    op: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class LocalFlush:
    """Make every completed local write durable."""

    op: int


@dataclass(frozen=True, slots=True)
class ReadVolume:
    """Read what is written within [offset, limit): at most 4 MiB of data; answers VolumeRead."""

    id: int
    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer the client's operation `op`; `error` is an errno, 0 for success."""

    op: int
    error: int


@dataclass(frozen=True, slots=True)
class NewLease:
    """Draw a fresh lease id and make it durable before it is used; answers LeaseReady (H10)."""

    id: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Deliver TimerFired(key) at `at_us`; a later SetTimer of the same key replaces it."""

    key: str
    at_us: int


@dataclass(frozen=True, slots=True)
class MountDisk:
    """The blob is this standby's: hand the disk of `size_bytes` to the virtual machine."""

    size_bytes: int
    term: int


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth logging and counting happened; `fields` are name and value pairs."""

    name: str
    fields: tuple[tuple[str, str | int], ...] = ()


Command = (
    StoreCommand | LocalWrite | LocalZero | LocalFlush | ReadVolume | Reply | NewLease | SetTimer
    | MountDisk | Note
)  # fmt: skip


# ── events ────────────────────────────────────────────────────────────────────────────────────


class LeaseState(StrEnum):
    """x-ms-lease-state (Azure REST, Lease Blob)."""

    AVAILABLE = "available"
    LEASED = "leased"
    EXPIRED = "expired"
    BREAKING = "breaking"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class BlobState:
    """What one HEAD says, atomically (F2)."""

    etag: str
    number: int
    length: int
    metadata: MetadataMap
    lease_state: LeaseState


class Refusal(StrEnum):
    """Why a store command was certainly not applied (protocol.md section 3, table)."""

    LEASE = "lease"
    """Lease missing, lost, of another id, or in a state that forbids the request: fenced."""
    SEQUENCE = "sequence"
    """If-Sequence-Number condition not met."""
    ETAG = "etag"
    """If-Match or If-None-Match condition not met (not for Create: that is EXISTS)."""
    CHECKSUM = "checksum"
    """The service computed another checksum: the bytes were damaged on the way."""
    RANGE = "range"
    """416 or 413: outside the blob, or too large."""
    BUSY = "busy"
    """503 or 429: throttled; back off and send again."""
    NOT_FOUND = "not-found"
    EXISTS = "exists"
    AUTH = "auth"
    """401 or 403: key, SAS signature, expiry or permission."""
    LIMIT = "limit"
    """409 for a count or rate limit (snapshots)."""
    UNREACHABLE = "unreachable"
    """The connection could not be made, so nothing was sent."""
    INVALID = "invalid"
    """Any other 4xx: a bug of ours or an unknown service."""


@dataclass(frozen=True, slots=True)
class Done:
    """The store command `id` was applied. Only the fields of its kind are set.

    etag: every write, lease or metadata request; state: Head; page: ReadPage (512 bytes);
    snapshot: Snapshot; snapshots: ListSnapshots, pairs of id and metadata.
    """

    id: int
    etag: str = ""
    state: BlobState | None = None
    page: bytes = b""
    snapshot: str = ""
    snapshots: tuple[tuple[str, MetadataMap], ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The store command `id` was certainly not applied by this delivery.

    H4: a *condition* failure can be the second answer of a request that was delivered twice, so the
    core resolves it by a HEAD. `status` is the HTTP status (0: none), `code` x-ms-error-code,
    `detail` a sentence without secrets.
    """

    id: int
    refusal: Refusal
    status: int = 0
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No certain answer: 5xx except 503, time-out, connection broken after the first byte."""

    id: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LocalDone:
    """The local command of operation `op` is complete."""

    op: int


@dataclass(frozen=True, slots=True)
class LocalFailed:
    """The local command failed with this errno."""

    op: int
    error: int


@dataclass(frozen=True, slots=True)
class VolumeRead:
    """Answer to ReadVolume: `runs` of (offset, length, payload), ascending.

    They are all of the data in [asked offset, next_offset); everything else there reads zero.
    """

    id: int
    runs: tuple[tuple[int, int, object], ...]
    next_offset: int


@dataclass(frozen=True, slots=True)
class VolumeReadFailed:
    """The volume could not be read there."""

    id: int
    error: int


@dataclass(frozen=True, slots=True)
class LeaseReady:
    """Answer to NewLease: `lease` is fresh and durable."""

    id: int
    lease: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer set by SetTimer is due."""

    key: str


@dataclass(frozen=True, slots=True)
class WriteRequested:
    """A client writes; op numbers rise in arrival order, the order of overlapping writes."""

    op: int
    offset: int
    length: int
    payload: object
    fua: bool


@dataclass(frozen=True, slots=True)
class ZeroRequested:
    """A client trims or writes zeroes; both read zero afterwards (H38)."""

    op: int
    offset: int
    length: int
    fua: bool


@dataclass(frozen=True, slots=True)
class FlushRequested:
    """A client flushes: covers every operation answered before it was invoked."""

    op: int


@dataclass(frozen=True, slots=True)
class Started:
    """The process is up; the first event of a machine.

    previous_lease: the lease id that an earlier incarnation of this node persisted, or "" (H16).
    clean_etag: the blob's ETag at an orderly stop, when the volume is unchanged since; else "".
    reseed: the operator allows everything to be sent anew, which makes the blob unusable meanwhile.
    """

    previous_lease: str = ""
    clean_etag: str = ""
    reseed: bool = False


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Drain, then release: the orderly end."""


@dataclass(frozen=True, slots=True)
class HeartbeatHeard:
    """A heartbeat of the peer; `leaving`: it stops in order, its silence is no failure."""

    sequence: int
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class FailoverRequested:
    """An operator asks for failover now; `forced` breaks a live lease."""

    forced: bool


StoreAnswer = Done | Failed | Unknown
Event = (
    StoreAnswer | LocalDone | LocalFailed | VolumeRead | VolumeReadFailed | LeaseReady | TimerFired
    | WriteRequested | ZeroRequested | FlushRequested | Started | StopRequested | HeartbeatHeard
    | FailoverRequested
)  # fmt: skip
