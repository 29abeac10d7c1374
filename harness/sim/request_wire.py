"""The model's requests as HTTP, and HTTP answers as the model's.

`to_http` takes requests whose pages are bytes; ETags and snapshot ids go as they are. Source: the
pages of the Azure REST reference named in blob_requests.py.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from harness.sim.blob_requests import (
    DIGEST_MALFORMED,
    DIGEST_RIGHT,
    DIGEST_WRONG,
    PAGE_BYTES,
    AcquireLease,
    Answer,
    BreakLease,
    ChangeLease,
    CreateBlob,
    DeleteBlob,
    LeaseRequest,
    ListRanges,
    Metadata,
    PageWrite,
    PutPages,
    Ranges,
    ReadPages,
    ReadProperties,
    ReadRequest,
    Request,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)

_RANGE: Final = re.compile(
    rb"<(PageRange|ClearRange)>\s*<Start>(\d+)</Start>\s*<End>(\d+)</End>\s*</\1>"
)


class HttpRequest(Struct):
    """One request to one blob, unsigned."""

    method: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""


def to_http(request: Request) -> HttpRequest:
    """The request as the service takes it."""
    http = _body_of(request)
    if request.snapshot:
        http.query["snapshot"] = request.snapshot
    _add(http.headers, "x-ms-lease-id", request.lease)
    _add(http.headers, "If-Match", request.if_match)
    _add(http.headers, "If-None-Match", request.if_none_match)
    if http.method == "PUT":
        http.headers["Content-Length"] = str(len(http.body))
    return http


def _body_of(request: Request) -> HttpRequest:
    if isinstance(request, PageWrite):
        return _page_write(request)
    if isinstance(request, LeaseRequest):
        return _lease_action(request)
    if isinstance(request, ReadRequest):
        return _read(request)
    if isinstance(request, DeleteBlob):
        headers: dict[str, str] = {}
        _add(headers, "x-ms-delete-snapshots", request.snapshots or None)
        return HttpRequest("DELETE", {}, headers)
    return _write(request)


def _write(request: Request) -> HttpRequest:
    headers: dict[str, str] = {}
    match request:
        case CreateBlob():
            headers = _metadata_headers(request.metadata)
            headers["x-ms-blob-type"] = "PageBlob"
            _add(headers, "x-ms-blob-content-length", request.length)
            _add(headers, "x-ms-blob-sequence-number", request.number)
            return HttpRequest("PUT", {}, headers)
        case SetProperties():
            _add(headers, "x-ms-blob-content-length", request.length)
            _add(headers, "x-ms-sequence-number-action", request.action or None)
            _add(headers, "x-ms-blob-sequence-number", request.number)
            return HttpRequest("PUT", {"comp": "properties"}, headers)
        case SetMetadata():
            return HttpRequest("PUT", {"comp": "metadata"}, _metadata_headers(request.metadata))
        case TakeSnapshot():
            return HttpRequest("PUT", {"comp": "snapshot"}, _metadata_headers(request.metadata))
    raise TypeError(f"{type(request).__name__} has no form in HTTP here")


def _read(request: ReadRequest) -> HttpRequest:
    if isinstance(request, ReadProperties):
        return HttpRequest("HEAD", {}, {})
    if isinstance(request, ReadPages):
        return HttpRequest("GET", {}, {"x-ms-range": _range(request.offset, request.length)})
    http = HttpRequest("GET", {"comp": "pagelist"}, {})
    if request.length is not None:
        http.headers["x-ms-range"] = _range(request.offset, request.length)
    if request.previous:
        http.query["prevsnapshot"] = request.previous
    return http


def _page_write(request: PageWrite) -> HttpRequest:
    update = isinstance(request, PutPages)
    headers = {
        "x-ms-page-write": "update" if update else "clear",
        "x-ms-range": _range(request.offset, request.length),
    }
    _add(headers, "x-ms-if-sequence-number-le", request.number_le)
    _add(headers, "x-ms-if-sequence-number-lt", request.number_lt)
    _add(headers, "x-ms-if-sequence-number-eq", request.number_eq)
    if not isinstance(request, PutPages):
        return HttpRequest("PUT", {"comp": "page"}, headers)
    body = b"".join(page for page in request.pages if isinstance(page, bytes))
    headers["Content-Type"] = "application/octet-stream"
    _add(headers, "Content-MD5", _content_md5(request.digest, body))
    return HttpRequest("PUT", {"comp": "page"}, headers, body)


def _content_md5(kind: str, body: bytes) -> str | None:
    if kind == DIGEST_MALFORMED:
        return "bm90IGFuIE1ENQ=="
    text = {DIGEST_RIGHT: body, DIGEST_WRONG: body + b"!"}.get(kind)
    if text is None:
        return None
    return base64.b64encode(hashlib.md5(text, usedforsecurity=False).digest()).decode("ascii")


def _lease_action(request: LeaseRequest) -> HttpRequest:
    headers = {"x-ms-lease-action": type(request).__name__.removesuffix("Lease").lower()}
    if isinstance(request, AcquireLease):
        headers["x-ms-lease-duration"] = str(request.seconds)
    if isinstance(request, AcquireLease | ChangeLease):
        headers["x-ms-proposed-lease-id"] = request.proposed
    if isinstance(request, BreakLease):
        _add(headers, "x-ms-lease-break-period", request.period)
    return HttpRequest("PUT", {"comp": "lease"}, headers)


def _add(headers: dict[str, str], name: str, value: str | int | None) -> None:
    if value is not None:
        headers[name] = str(value)


def _range(offset: int, length: int) -> str:
    return f"bytes={offset}-{offset + length - 1}"


def _metadata_headers(metadata: Metadata) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata}


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def from_http(request: Request, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """The answer as the model gives it; header names in lower case; pages are bytes."""
    get = headers.get
    if status >= 300:
        return Answer(status, get("x-ms-error-code", ""))
    read = isinstance(request, ReadProperties | ReadPages)
    answer: dict[str, object] = {
        "etag": get("etag", ""),
        "number": _number(get("x-ms-blob-sequence-number")),
        "lease_id": get("x-ms-lease-id", ""),
        "lease_seconds": _number(get("x-ms-lease-time")),
        "snapshot": get("x-ms-snapshot", ""),
        "metadata": _metadata(headers) if read else None,
    }
    match request:
        case ReadProperties():
            answer["length"] = _number(get("content-length"))
            answer["lease_state"] = get("x-ms-lease-state", "")
            answer["lease_status"] = get("x-ms-lease-status", "")
            answer["lease_duration"] = get("x-ms-lease-duration", "")
        case ReadPages():
            answer["length"] = _number(get("content-range", "").rpartition("/")[2])
            cuts = range(0, len(body), PAGE_BYTES)
            answer["pages"] = tuple(body[at : at + PAGE_BYTES] for at in cuts)
        case ListRanges():
            answer["length"] = _number(get("x-ms-blob-content-length"))
            answer["ranges"] = _ranges(body, b"PageRange")
            answer["cleared"] = _ranges(body, b"ClearRange")
    return Answer(status, **answer)  # type: ignore[arg-type]  # its fields by name


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def _metadata(headers: Mapping[str, str]) -> Metadata:
    prefix = "x-ms-meta-"
    return tuple(
        sorted(
            (name.removeprefix(prefix), value)
            for name, value in headers.items()
            if name.startswith(prefix)
        )
    )


def _ranges(body: bytes, kind: bytes) -> Ranges:
    """Ranges that touch are merged: how they are cut is documented nowhere."""
    merged: list[tuple[int, int]] = []
    for name, start, last in _RANGE.findall(body):
        first, end = int(start), int(last) + 1
        if name != kind:
            continue
        if merged and merged[-1][1] == first:
            first = merged.pop()[0]
        merged.append((first, end))
    return tuple(merged)
