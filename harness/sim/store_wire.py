"""The core's store commands as requests to the page-blob model, and its answers as outcomes.

What an answer means is decided by the very table that the real shell uses (blob_outcome): the
certificate is about that table too.
"""

from collections.abc import Callable
from typing import Any, Final

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
    Unknown,
)
from engine.shell.blob_outcome import is_certain, refusal_of
from harness.sim import blob_requests as ask
from harness.sim.blob_requests import PAGE_BYTES, Answer, Request
from harness.sim.list_request import ListRequest

__all__ = ["ASKS", "BLOB", "CODES", "KINDS", "outcome_of", "page_values"]

BLOB: Final = "db"
NOT_A_FOOTER: Final = b"\1" * PAGE_BYTES
ZEROS: Final = bytes(PAGE_BYTES)
MANY_PAGES: Final = 64
HEADS_KEPT: Final = 256


_HEADS: Final[dict[str | None, Request]] = {}
_LISTING: Final = ListRequest(blob=BLOB)


def page_values(parts: tuple[Part, ...]) -> tuple[object, ...]:
    """One value a page; None: zeros. A payload is a tuple of one value a page, or bytes."""
    if len(parts) == 1:
        part = parts[0]
        payload = part.payload
        if type(payload) is tuple and not part.start and len(payload) * PAGE_BYTES == part.length:
            return payload
    values: list[object] = []
    for part in parts:
        payload, pages = part.payload, part.length // PAGE_BYTES
        if payload is None:
            values += [None] * pages
        elif isinstance(payload, bytes):
            ends = range(part.start, part.start + part.length, PAGE_BYTES)
            values += [payload[at : at + PAGE_BYTES] for at in ends]
        else:
            first = part.start // PAGE_BYTES
            values += payload[first : first + pages]  # type: ignore[index]  # else: a foreign core
    return tuple(values)


def _has_zeros(parts: tuple[Part, ...]) -> bool:
    for part in parts:  # noqa: SIM110 - a generator is slower than the loop
        if part.payload is None:
            return True
    return False


def _places_of_something(parts: tuple[Part, ...], values: tuple[object, ...]) -> tuple[int, ...]:
    """Where values are not None, without a look at those of a part of zeros."""
    places: list[int] = []
    start = 0
    for part in parts:
        end = start + part.length // PAGE_BYTES
        if part.payload is not None:
            places += [at for at in range(start, end) if values[at] is not None]
        start = end
    return tuple(places)


def _put(command: Put) -> Request:
    parts = command.parts
    values = page_values(parts)
    some: tuple[int, ...] | None = None
    if len(values) > MANY_PAGES and _has_zeros(parts):
        some = _places_of_something(parts, values)
    return ask.PutPages(
        blob=BLOB, lease=command.lease, if_match=command.if_match, offset=command.offset,
        length=command.length, number_eq=command.number, pages=values, digest=ask.DIGEST_RIGHT,
        some=some,
    )  # fmt: skip


def _clear(command: Clear) -> Request:
    return ask.ClearPages(
        blob=BLOB, lease=command.lease, if_match=command.if_match, offset=command.offset,
        length=command.length, number_eq=command.number,
    )  # fmt: skip


def _create(command: Create) -> Request:
    return ask.CreateBlob(
        blob=BLOB, if_none_match="*", length=command.length, number=command.number,
        metadata=command.metadata,
    )  # fmt: skip


def _read(command: ReadPage) -> Request:
    return ask.ReadPages(
        blob=BLOB, snapshot=command.snapshot, lease=command.lease, offset=command.offset,
        length=PAGE_BYTES,
    )  # fmt: skip


def _head(command: Head) -> Request:
    """Requests are immutable: the most frequent one is made once for each lease id."""
    lease = command.lease
    known = _HEADS.get(lease)
    if known is None:
        if len(_HEADS) >= HEADS_KEPT:
            _HEADS.clear()
        known = _HEADS[lease] = ask.ReadProperties(blob=BLOB, lease=lease)
    return known


def _raise(command: Raise) -> Request:
    return ask.SetProperties(blob=BLOB, lease=command.lease, action="max", number=command.number)


def _resize(command: Resize) -> Request:
    return ask.SetProperties(
        blob=BLOB, lease=command.lease, if_match=command.if_match, length=command.length
    )


def _metadata(command: SetMetadata) -> Request:
    return ask.SetMetadata(
        blob=BLOB, lease=command.lease, if_match=command.if_match, metadata=command.metadata
    )


def _snapshot(command: Snapshot) -> Request:
    return ask.TakeSnapshot(
        blob=BLOB, lease=command.lease, if_match=command.if_match, metadata=command.metadata
    )


def _acquire(command: Acquire) -> Request:
    return ask.AcquireLease(
        blob=BLOB, if_match=command.if_match, seconds=command.seconds, proposed=command.lease
    )


ASKS: Final[dict[type, tuple[str, Callable[[Any], Request]]]] = {
    Put: ("put", _put),
    Clear: ("clear", _clear),
    Raise: ("raise", _raise),
    Head: ("head", _head),
    ReadPage: ("read", _read),
    Create: ("create", _create),
    SetMetadata: ("metadata", _metadata),
    Resize: ("resize", _resize),
    Snapshot: ("snapshot", _snapshot),
    DeleteSnapshot: ("delete", lambda c: ask.DeleteBlob(blob=BLOB, snapshot=c.snapshot)),
    ListSnapshots: ("list", lambda _: _LISTING),
    Acquire: ("acquire", _acquire),
    Renew: ("renew", lambda c: ask.RenewLease(blob=BLOB, lease=c.lease)),
    Break: ("break", lambda c: ask.BreakLease(blob=BLOB, period=0, if_match=c.if_match)),
    Release: ("release", lambda c: ask.ReleaseLease(blob=BLOB, lease=c.lease)),
    Change: ("change", lambda c: ask.ChangeLease(blob=BLOB, lease=c.lease, proposed=c.proposed)),
}
"""For each store command its name in schedules, and what it asks of the service."""

KINDS: Final[dict[type, str]] = {command: kind for command, (kind, _) in ASKS.items()}
"""Names of store commands in schedules."""

CODES: Final[dict[str, int]] = {kind: at for at, kind in enumerate(KINDS.values())}
"""Numbers of the same, in traces."""

_LEASE_STATES: Final = {state.value: state for state in LeaseState}


def outcome_of(command: StoreCommand, answer: Answer) -> StoreAnswer:
    """What the shell would make of the answer: done, certainly not applied, or unknown."""
    kind, status = type(command), answer.status
    if status >= 300:
        return _refused(command, answer)
    if kind is Head:
        return Done(command.id, answer.etag, _state(answer))
    if kind is ReadPage:
        return Done(command.id, answer.etag, None, _page(answer))
    if kind is Snapshot:
        return Done(command.id, answer.etag, None, b"", answer.snapshot)
    return Done(command.id, answer.etag)


def _refused(command: StoreCommand, answer: Answer) -> StoreAnswer:
    certain, refusal = _meaning(type(command), command, answer.status, answer.code)
    if not certain:
        return Unknown(command.id, f"answered {answer.status} {answer.code}")
    detail = f"{KINDS[type(command)]}: answered {answer.status} {answer.code}"
    return Failed(command.id, refusal, answer.status, answer.code, detail)


def _meaning(kind: type, command: StoreCommand, status: int, code: str) -> tuple[bool, Refusal]:
    key = (kind, getattr(command, "if_match", None) is None, status, code)
    known = _MEANINGS.get(key)
    if known is None:
        known = _MEANINGS[key] = (is_certain(status), refusal_of(command, status, code))
    return known


_MEANINGS: Final[dict[tuple[type, bool, int, str], tuple[bool, Refusal]]] = {}


def _state(answer: Answer) -> BlobState:
    assert answer.number is not None
    assert answer.length is not None
    return BlobState(
        answer.etag, answer.number, answer.length, answer.metadata or (),
        _LEASE_STATES[answer.lease_state or "available"],
    )  # fmt: skip


def _page(answer: Answer) -> bytes:
    assert answer.pages is not None
    value = answer.pages[0]
    if value is None:
        return ZEROS
    return value if isinstance(value, bytes) else NOT_A_FOOTER
