"""The page-blob store: executes the core's store commands on one blob over the real wire protocol.

The data path (Put, Clear, Raise, ReadPage, Head, Renew and ranged reads) runs over connections of
our own; everything rarer goes through the Azure SDK (blob_control.py), loaded at its first use.
Nothing is ever retried here: a second delivery is a decision of the core (protocol.md P1).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from engine.core.messages import (
    BlobState,
    Clear,
    Done,
    Failed,
    Head,
    LeaseState,
    MetadataMap,
    Part,
    Put,
    Raise,
    ReadPage,
    Refusal,
    Renew,
    StoreAnswer,
    StoreCommand,
    Unknown,
)
from engine.shell.blob_control import BlobControl
from engine.shell.blob_http import Buffer, NoAnswer, NotSent, Response
from engine.shell.blob_outcome import error_code, failure
from engine.shell.blob_reading import BlobReader, read_pages_checked
from engine.shell.store_account import StoreAccount
from engine.units import PAGE_BYTES, PUT_BYTES_MAX

_BYTES: Final = (bytes, bytearray, memoryview)
_ZEROS: Final = memoryview(bytes(PUT_BYTES_MAX))
_NUMBER: Final = re.compile(r"[0-9]{1,16}")
_PIECES_MAX: Final = 8
_META: Final = "x-ms-meta-"


class PageBlob:
    """One page blob of one container. Thread-safe: every call takes a connection of its own."""

    def __init__(self, account: StoreAccount, container: str, blob: str) -> None:
        """Send nothing; raise ConfigurationError for names that can name no blob."""
        self.account = account
        self.container = container
        self.blob = blob
        self._path = account.blob_path(container, blob)
        self._control = BlobControl(account, container, blob)
        self._reader = BlobReader(account, self._path, f"{container}/{blob}")

    def __repr__(self) -> str:
        return f"PageBlob({self.account.url!r}, {self.container!r}, {self.blob!r})"

    def place(self) -> bytes:
        """Names account, container and blob, for telling one blob from another."""
        return f"{self.account.name}/{self.container}/{self.blob}".encode()

    def execute(self, command: StoreCommand) -> StoreAnswer:
        """Do `command` once, and block until its outcome is known, or known to be unknown.

        Never raises for operating errors; ValueError for a line end in an ETag is a caller's bug.
        """
        answer: StoreAnswer
        try:
            match command:
                case Put():
                    answer = self._put(command)
                case Clear():
                    answer = self._clear(command)
                case Raise():
                    answer = self._raise_number(command)
                case Renew():
                    answer = self._renew(command)
                case Head():
                    answer = self._head(command)
                case ReadPage():
                    answer = self._read_page(command)
                case _:
                    answer = self._control.execute(command)
        except NotSent as error:
            return Failed(command.id, Refusal.UNREACHABLE, detail=str(error))
        except NoAnswer as error:
            return Unknown(command.id, f"{self._what(command)}: {error}")
        return answer

    def read_range(self, offset: int, length: int, snapshot: str | None = None) -> bytes:
        """Read `length` bytes from `offset`, any alignment, checked; see BlobReader.read_range."""
        return self._reader.read_range(offset, length, snapshot)

    def page_ranges(self, snapshot: str | None = None) -> tuple[tuple[int, int], ...]:
        """Offset and length of every written run; see BlobReader.page_ranges."""
        return self._reader.page_ranges(snapshot)

    def check_container(self) -> bool:
        """Whether the blob is there; see BlobReader.check_container for what else it finds out."""
        return self._reader.check_container()

    def read_url(self, ttl_seconds: float, snapshot: str | None = None) -> str:
        """Secret URL that reads this blob (or its snapshot); see StoreAccount.read_url."""
        return self.account.read_url(self.container, self.blob, ttl_seconds, snapshot or "")

    def preload(self) -> None:
        """Load the SDK now (0.4 s), so that a failover does not wait for it."""
        self._control.preload()

    # ── the data path, one method a command ───────────────────────────────────────────────────

    def _put(self, command: Put) -> StoreAnswer:
        if command.length > PUT_BYTES_MAX or not _is_paged(command.offset, command.length):
            # Azurite takes such a request (gotcha 5); Azure does not, and so we do not.
            return self._refused(command, Refusal.RANGE, "a put is 512-byte pages, at most 4 MiB")
        if sum(part.length for part in command.parts) != command.length:
            return self._refused(command, Refusal.INVALID, "its parts are not as long as it is")
        body = _gathered([_view(part) for part in command.parts])
        header, checksum = self.account.put_checksum.of(body)
        headers = {
            **_page_headers("update", command.offset, command.length, command),
            "content-length": str(command.length),
            header: checksum,
        }
        response = self._send("PUT", {"comp": "page"}, headers, body)
        if response.status == 201 and response.headers.get(header, checksum) != checksum:
            return Unknown(
                command.id,
                f"{self._what(command)}: the service stored other bytes than were sent ({header})",
            )
        if response.status >= 400:
            # A 500 leaves the outcome open, so the core sends it again (P1): then with the other.
            code = error_code(response.headers, response.body)
            self.account.put_checksum.hear(header, code)
        return self._done(command, response, 201)

    def _clear(self, command: Clear) -> StoreAnswer:
        if not _is_paged(command.offset, command.length):
            return self._refused(command, Refusal.RANGE, "a clear is whole 512-byte pages")
        headers = {
            **_page_headers("clear", command.offset, command.length, command),
            "content-length": "0",
        }
        return self._done(command, self._send("PUT", {"comp": "page"}, headers), 201)

    def _raise_number(self, command: Raise) -> StoreAnswer:
        headers = {
            "x-ms-sequence-number-action": "max",
            "x-ms-blob-sequence-number": str(command.number),
            "x-ms-lease-id": command.lease,
            "content-length": "0",
        }
        response = self._send("PUT", {"comp": "properties"}, headers)
        if response.status == 200:
            number = response.headers.get("x-ms-blob-sequence-number", "")
            if not _NUMBER.fullmatch(number) or int(number) < command.number:
                return Unknown(
                    command.id,
                    f"{self._what(command)}: answered 200, but with the number {number!r:.20}",
                )
        return self._done(command, response, 200)

    def _renew(self, command: Renew) -> StoreAnswer:
        headers = {
            "x-ms-lease-action": "renew",
            "x-ms-lease-id": command.lease,
            "content-length": "0",
        }
        return self._done(command, self._send("PUT", {"comp": "lease"}, headers), 200)

    def _head(self, command: Head) -> StoreAnswer:
        headers = {} if command.lease is None else {"x-ms-lease-id": command.lease}
        response = self._send("HEAD", {}, headers)
        if response.status != 200:
            return self._done(command, response, 200)
        kind = response.headers.get("x-ms-blob-type", "")
        if kind != "PageBlob":
            reason = f"it is no page blob but {kind!r:.20}; name another blob in the policy"
            return self._refused(command, Refusal.INVALID, reason)
        state = _blob_state(response.headers)
        if state is None:
            return Unknown(command.id, f"{self._what(command)}: the answer lacks its properties")
        return Done(command.id, etag=state.etag, state=state)

    def _read_page(self, command: ReadPage) -> StoreAnswer:
        if not _is_paged(command.offset, PAGE_BYTES):
            return self._refused(command, Refusal.RANGE, "a page begins at a multiple of 512")
        headers = {} if command.lease is None else {"x-ms-lease-id": command.lease}
        query = {"snapshot": command.snapshot} if command.snapshot else {}
        response = read_pages_checked(
            self.account, self._path, query, headers, command.offset, PAGE_BYTES
        )
        if response.status != 206:
            return self._done(command, response, 206)
        return Done(command.id, etag=response.headers.get("etag", ""), page=response.body)

    # ── what they share ───────────────────────────────────────────────────────────────────────

    def _send(
        self, method: str, query: Mapping[str, str], headers: Mapping[str, str],
        body: Sequence[Buffer] = (),
    ) -> Response:  # fmt: skip
        return self.account.request(method, self._path, query, headers, body)

    def _done(self, command: StoreCommand, response: Response, expected: int) -> StoreAnswer:
        """Done only for exactly the documented status with an ETag: a proxy's page is neither."""
        if response.status == expected and (etag := response.headers.get("etag")):
            return Done(command.id, etag=etag)
        code = error_code(response.headers, response.body)
        return failure(command, response.status, code, self._what(command))

    def _refused(self, command: StoreCommand, refusal: Refusal, reason: str) -> Failed:
        return Failed(command.id, refusal, detail=f"{self._what(command)}: {reason}")

    def _what(self, command: StoreCommand) -> str:
        where = f" at {command.offset}" if isinstance(command, Put | Clear | ReadPage) else ""
        return f"{type(command).__name__} of {self.container}/{self.blob}{where}"


def _page_headers(action: str, offset: int, length: int, command: Put | Clear) -> dict[str, str]:
    headers = {
        "x-ms-page-write": action,
        "x-ms-range": f"bytes={offset}-{offset + length - 1}",
        "x-ms-lease-id": command.lease,
        "x-ms-if-sequence-number-eq": str(command.number),
    }
    if command.if_match is not None:
        headers["if-match"] = command.if_match
    return headers


def _is_paged(offset: int, length: int) -> bool:
    return offset >= 0 and length > 0 and offset % PAGE_BYTES == 0 and length % PAGE_BYTES == 0


def _view(part: Part) -> memoryview:
    """The part's bytes. A put may have a thousand parts: every step here counts that often."""
    payload = part.payload
    if payload is None:
        return _ZEROS[: part.length]
    if not isinstance(payload, _BYTES):
        raise TypeError(f"a payload is bytes, not {type(payload).__name__}")
    whole = memoryview(payload)
    if not part.start and len(whole) == part.length and whole.itemsize == 1:
        return whole
    view = whole.cast("B")[part.start : part.start + part.length]
    if len(view) != part.length:
        raise ValueError("a part reaches past the end of its payload")
    return view


def _gathered(pieces: list[memoryview]) -> list[memoryview]:
    """Many pieces as one, few as they are.

    Hashing gives the interpreter's lock away for each piece and has to wait for it afterwards; so
    does the thread that serves the clients, which a thousand pieces a put slow down by half.
    """
    return pieces if len(pieces) <= _PIECES_MAX else [memoryview(b"".join(pieces))]


def _blob_state(headers: Mapping[str, str]) -> BlobState | None:
    """Everything that one HEAD says, or None if something is missing or no number."""
    etag = headers.get("etag", "")
    number = headers.get("x-ms-blob-sequence-number", "")
    length = headers.get("content-length", "")
    lease = headers.get("x-ms-lease-state", "")
    if not etag or not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(length):
        return None
    if lease not in set(LeaseState):
        return None
    metadata: MetadataMap = tuple(
        sorted((name[len(_META) :], v) for name, v in headers.items() if name.startswith(_META))
    )
    return BlobState(etag, int(number), int(length), metadata, LeaseState(lease))
