"""Checked reads of a page blob: ranges whose checksum was verified, and the list of written runs.

These are for mounting, verifying and tools; they raise, unlike the core's commands. A long range is
read in pieces of 4 MiB, each from one instant of its own: for one instant of all, read a snapshot.
"""

import base64
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import Final, NoReturn

from engine.core.messages import Head, Refusal, Unknown
from engine.errors import StoreRefused, StoreUnavailable
from engine.shell.blob_http import NoAnswer, Response
from engine.shell.blob_outcome import error_code, failure
from engine.shell.store_account import StoreAccount

_CHECKED_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest range whose MD5 the service computes (Azure REST, Get Blob)."""

_RANGES_A_PAGE: Final = 10_000
_TRANSIENT: Final = frozenset({Refusal.BUSY, Refusal.UNREACHABLE})


def read_pages_checked(
    account: StoreAccount,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    offset: int,
    length: int,
) -> Response:
    """GET one range of at most 4 MiB; its length, place and MD5 are verified if it is a 206.

    A range that ends past the blob's end is a 416, also where the service sends what there is.
    Raises NotSent, and NoAnswer where the answer cannot be trusted.
    """
    wanted = f"bytes={offset}-{offset + length - 1}"
    asked = {**headers, "x-ms-range": wanted, "x-ms-range-get-content-md5": "true"}
    response = account.request("GET", path, query, asked)
    if response.status != 206:
        if response.status < 300:
            raise NoAnswer(f"asked for a range, the service answered {response.status}")
        return response
    place, _, total = response.headers.get("content-range", "").partition("/")
    if total.isascii() and total.isdigit() and offset + length > int(total):
        return Response(416, {"x-ms-error-code": "InvalidRange"}, b"")
    if len(response.body) != length or place.replace(" ", "=", 1) != wanted:
        raise NoAnswer("the service answered with another range than was asked for")
    digest = hashlib.md5(response.body, usedforsecurity=False).digest()
    if response.headers.get("content-md5") != base64.b64encode(digest).decode("ascii"):
        raise NoAnswer("the bytes read do not have the checksum that came with them")
    return response


class BlobReader:
    """Reads one blob; raises StoreRefused (for good) or StoreUnavailable (may work later)."""

    def __init__(self, account: StoreAccount, path: str, shown: str) -> None:
        self._account = account
        self._path = path
        self._shown = shown

    def read_range(self, offset: int, length: int, snapshot: str | None) -> bytes:
        """Read `length` bytes at `offset` of the blob or of one of its snapshots.

        Raises StoreRefused if the range ends past the blob's end.
        """
        if offset < 0 or length < 0:
            raise ValueError("offset and length are not negative")
        pieces = []
        end = offset + length
        for start in range(offset, end, _CHECKED_BYTES_MAX):
            size = min(_CHECKED_BYTES_MAX, end - start)
            pieces.append(self._read_piece(start, size, snapshot))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_piece(self, offset: int, length: int, snapshot: str | None) -> bytes:
        what = f"Reading {length} bytes at {offset} of {self._shown}"
        query = {"snapshot": snapshot} if snapshot else {}
        try:
            response = read_pages_checked(self._account, self._path, query, {}, offset, length)
        except NoAnswer as error:
            raise NoAnswer(f"{what}: {error}") from None
        if response.status != 206:
            self._fail(response, what)
        return response.body

    def page_ranges(self, snapshot: str | None) -> tuple[tuple[int, int], ...]:
        """Offset and length in bytes of every run that was written, ascending, merged.

        A list of more than one page is of one instant only for a snapshot.
        """
        merged: list[tuple[int, int]] = []
        for start, end in self._ranges(snapshot):
            if merged and start <= sum(merged[-1]):
                first, length = merged[-1]
                merged[-1] = (first, max(length, end - first))
            else:
                merged.append((start, end - start))
        return tuple(merged)

    def _ranges(self, snapshot: str | None) -> Iterator[tuple[int, int]]:
        what = f"Listing the pages of {self._shown}"
        query = {"comp": "pagelist", "maxresults": str(_RANGES_A_PAGE)}
        if snapshot:
            query["snapshot"] = snapshot
        while True:
            response = self._account.request("GET", self._path, query, {})
            if response.status != 200:
                self._fail(response, what)
            try:
                root = ET.fromstring(response.body)  # noqa: S314 - from our own blob service
                for item in root.iter("PageRange"):
                    yield int(item.findtext("Start", "")), int(item.findtext("End", "")) + 1
            except (ET.ParseError, ValueError):
                raise NoAnswer(f"{what}: the answer is no list of pages") from None
            marker = root.findtext("NextMarker")
            if not marker:
                return
            query["marker"] = marker

    def check_container(self) -> bool:
        """Whether the blob is there, by one HEAD of it: a SAS for it need allow nothing more.

        The HEAD carries a CRC of its empty body, which a service that knows none declines: it is
        asked again without, and puts go out with MD5 from the first (put_checksum.py).
        Raises StoreRefused if the container is missing or the key or SAS is refused,
        StoreUnavailable if the service does not answer.
        """
        what = f"Opening {self._shown}"
        checksum = self._account.put_checksum
        header, value = checksum.of(())
        response = self._account.request("HEAD", self._path, {}, {header: value})
        code = error_code(response.headers, response.body)
        if checksum.hear(header, code) or response.status == 400:
            # 400: a service may know that header with a put only; the first put tells.
            response = self._account.request("HEAD", self._path, {}, {})
            code = error_code(response.headers, response.body)
        if response.status == 404 and code == "BlobNotFound":
            return False
        if response.status != 200:
            self._fail(response, what)
        return True

    def _fail(self, response: Response, what: str) -> NoReturn:
        code = error_code(response.headers, response.body)
        outcome = failure(Head(0, None), response.status, code, what)
        if isinstance(outcome, Unknown) or outcome.refusal in _TRANSIENT:
            raise StoreUnavailable(outcome.detail)
        raise StoreRefused(outcome.detail)
