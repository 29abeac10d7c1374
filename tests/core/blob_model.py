"""A page blob in memory with the service's real conditions; payload pages are opaque values.

Semantics of protocol.md section 1 and facts.md: every successful write changes the ETag, also a
`max` that changes nothing; lease requests do not; a dead or foreign lease id refuses reads and
writes alike; sequence number EQual; If-Match. A page that was never written, or was cleared, is
absent from `pages`.
"""

from dataclasses import dataclass, field

from engine.core.messages import (
    Acquire,
    BlobState,
    Break,
    Change,
    Clear,
    Create,
    DeleteSnapshot,
    Done,
    Failed,
    Head,
    LeaseState,
    ListSnapshots,
    MetadataMap,
    Part,
    Put,
    Raise,
    ReadPage,
    Refusal,
    Release,
    Renew,
    Resize,
    SetMetadata,
    Snapshot,
    StoreAnswer,
    StoreCommand,
)
from engine.units import PAGE_BYTES, PUT_BYTES_MAX, SECOND_US

Value = object
"""What one page holds: bytes for a footer, any hashable token for data; absent: zeros."""

LeaseCommand = Acquire | Renew | Break | Release | Change


def page_values(parts: tuple[Part, ...]) -> list[Value | None]:
    """Payloads are sequences of one value a page, or bytes."""
    out: list[Value | None] = []
    for part in parts:
        pages = part.length // PAGE_BYTES
        if part.payload is None:
            out += [None] * pages
        elif isinstance(part.payload, bytes):
            ends = range(part.start, part.start + part.length, PAGE_BYTES)
            out += [part.payload[at : at + PAGE_BYTES] for at in ends]
        else:
            assert isinstance(part.payload, tuple)
            first = part.start // PAGE_BYTES
            out += part.payload[first : first + pages]
    return out


@dataclass
class SnapshotModel:
    """What a snapshot keeps."""

    length: int
    metadata: MetadataMap
    pages: dict[int, Value]


@dataclass
class BlobModel:
    """One blob; `apply` is one request reaching the service.

    changes: how often it or its snapshots changed; limited: no snapshot is taken for now.
    """

    exists: bool = False
    length: int = 0
    number: int = 0
    version: int = 0
    metadata: MetadataMap = ()
    pages: dict[int, Value] = field(default_factory=dict)
    lease: str = ""
    broken: bool = False
    lease_until_us: int = -1
    lease_seconds: int = 0
    snapshots: dict[str, SnapshotModel] = field(default_factory=dict)
    snapshots_ever: int = 0
    changes: int = 0
    limited: bool = False

    def etag(self) -> str:
        """The present ETag."""
        return f"e{self.version}"

    def lease_state(self, now_us: int) -> LeaseState:
        """State of the lease at this moment."""
        if not self.lease:
            return LeaseState.AVAILABLE
        if self.broken:
            return LeaseState.BROKEN
        return LeaseState.LEASED if now_us < self.lease_until_us else LeaseState.EXPIRED

    def apply(  # noqa: C901, PLR0912  # one case a command
        self, now_us: int, command: StoreCommand
    ) -> StoreAnswer:
        """Carry the request out, or refuse it."""
        if isinstance(command, Create):
            return self._create(command)
        if not self.exists:
            return self._failed(command, Refusal.NOT_FOUND)
        if isinstance(command, LeaseCommand):
            refusal = self._lease(now_us, command)
            return self._failed(command, refusal) if refusal else Done(command.id, self.etag())
        refusal = self._refusal(now_us, command)
        if refusal is not None:
            return self._failed(command, refusal)
        if isinstance(command, Snapshot | DeleteSnapshot | ListSnapshots):
            return self._snapshots(command)
        match command:
            case Head():
                return Done(command.id, self.etag(), state=self._state(now_us))
            case ReadPage():
                shown = self.snapshots[command.snapshot] if command.snapshot else self
                value = shown.pages.get(command.offset // PAGE_BYTES, bytes(PAGE_BYTES))
                page = value if isinstance(value, bytes) else b"\1" * PAGE_BYTES
                return Done(command.id, self.etag(), page=page)
            case Put():
                for index, value in enumerate(page_values(command.parts)):
                    self._set(command.offset // PAGE_BYTES + index, value)
            case Clear():
                first, end = command.offset // PAGE_BYTES, command.offset + command.length
                for cleared in [at for at in self.pages if first <= at < end // PAGE_BYTES]:
                    del self.pages[cleared]
            case Raise():
                self.number = max(self.number, command.number)
            case SetMetadata():
                self.metadata = command.metadata
            case Resize():
                self.length = command.length
                for gone in [at for at in self.pages if at * PAGE_BYTES >= command.length]:
                    del self.pages[gone]
            case _:
                raise AssertionError(command)
        self.version += 1
        self.changes += 1
        return Done(command.id, self.etag())

    def _create(self, command: Create) -> StoreAnswer:
        if self.exists:
            return self._failed(command, Refusal.EXISTS)
        self.exists = True
        self.length, self.number, self.metadata = command.length, command.number, command.metadata
        self.version += 1
        self.changes += 1
        return Done(command.id, self.etag())

    def _snapshots(self, command: Snapshot | DeleteSnapshot | ListSnapshots) -> StoreAnswer:
        """None of them changes the blob's ETag (F1)."""
        match command:
            case ListSnapshots():
                found = tuple((sid, kept.metadata) for sid, kept in self.snapshots.items())
                return Done(command.id, snapshots=found)
            case Snapshot():
                if self.limited:
                    return self._failed(command, Refusal.LIMIT)
                self.snapshots_ever += 1
                sid = f"s{self.snapshots_ever:04}"
                kept = SnapshotModel(self.length, command.metadata, dict(self.pages))
                self.snapshots[sid] = kept
                self.changes += 1
                return Done(command.id, self.etag(), snapshot=sid)
            case DeleteSnapshot():
                del self.snapshots[command.snapshot]
                self.changes += 1
                return Done(command.id)

    def _refusal(self, now_us: int, command: StoreCommand) -> Refusal | None:
        lease = getattr(command, "lease", None)
        leased = self.lease_state(now_us) is LeaseState.LEASED
        if lease is not None and not (leased and lease == self.lease):
            return Refusal.LEASE
        asked = getattr(command, "snapshot", "")
        if asked and asked not in self.snapshots:
            return Refusal.NOT_FOUND
        if_match = getattr(command, "if_match", None)
        if if_match is not None and if_match != self.etag():
            return Refusal.ETAG
        if isinstance(command, ReadPage) and not command.snapshot:
            return Refusal.RANGE if command.offset + PAGE_BYTES > self.length else None
        if isinstance(command, Put | Clear):
            if command.number != self.number:
                return Refusal.SEQUENCE
            if command.offset + command.length > self.length:
                return Refusal.RANGE
            if isinstance(command, Put) and command.length > PUT_BYTES_MAX:
                return Refusal.RANGE
        return None

    def _lease(  # noqa: C901  # one case a command
        self, now_us: int, command: LeaseCommand
    ) -> Refusal | None:
        state = self.lease_state(now_us)
        leased = state is LeaseState.LEASED
        match command:
            case Acquire():
                if command.if_match != self.etag():
                    return Refusal.ETAG
                if leased and command.lease != self.lease:
                    return Refusal.LEASE
                self.lease, self.broken = command.lease, False
                self.lease_seconds = command.seconds
                self.lease_until_us = now_us + command.seconds * SECOND_US
            case Renew():
                alive = state in (LeaseState.LEASED, LeaseState.EXPIRED)
                if not alive or command.lease != self.lease:
                    return Refusal.LEASE
                self.lease_until_us = now_us + self.lease_seconds * SECOND_US
            case Break():
                if command.if_match != self.etag():
                    return Refusal.ETAG
                if state is LeaseState.AVAILABLE:
                    return Refusal.LEASE
                self.broken = True
            case Release():
                if command.lease != self.lease:
                    return Refusal.LEASE
                self.lease, self.broken = "", False
            case Change():
                if not leased or self.lease not in (command.lease, command.proposed):
                    return Refusal.LEASE
                self.lease = command.proposed
        return None

    def _state(self, now_us: int) -> BlobState:
        lease = self.lease_state(now_us)
        return BlobState(self.etag(), self.number, self.length, self.metadata, lease)

    def _set(self, page: int, value: Value | None) -> None:
        if value is None:
            self.pages.pop(page, None)
        else:
            self.pages[page] = value

    def _failed(self, command: StoreCommand, refusal: Refusal) -> Failed:
        return Failed(command.id, refusal, 412, "", f"model: {type(command).__name__} {refusal}")
