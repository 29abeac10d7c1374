"""How a store command ended, and what the blob said of itself."""

from enum import StrEnum

from msgspec import Struct

from engine.core.messages.store_commands import MetadataMap


class LeaseState(StrEnum):
    """x-ms-lease-state (Azure REST, Lease Blob)."""

    AVAILABLE = "available"
    LEASED = "leased"
    EXPIRED = "expired"
    BREAKING = "breaking"
    BROKEN = "broken"


class BlobState(Struct, frozen=True, gc=False):
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


class Done(Struct, frozen=True, gc=False):
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


class Failed(Struct, frozen=True, gc=False):
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


class Unknown(Struct, frozen=True, gc=False):
    """No certain answer: 5xx except 503, time-out, connection broken after the first byte."""

    id: int
    detail: str = ""


StoreAnswer = Done | Failed | Unknown
