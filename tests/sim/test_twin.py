"""The comparison notices a model that is wrong: faults put into the model, against Azurite."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.sim.blob_lease import Lease
from harness.sim.blob_pages import PageStore
from harness.sim.blob_requests import (
    INFINITE,
    PAGE_BYTES,
    AcquireLease,
    Answer,
    BreakLease,
    CreateBlob,
    PutPages,
    Request,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from harness.sim.blob_state import BlobState
from harness.sim.page_blob import TABLE, PageBlob
from tests.sim.twin import Difference, Twin

B = "wrong.vhd"
LEASE = "00000000-0000-4000-8000-00000000000a"
SHRINK = SetProperties(blob=B, length=PAGE_BYTES)
GROW = SetProperties(blob=B, length=2 * PAGE_BYTES)


def put(page: int) -> Request:
    text = (b"\x77" * PAGE_BYTES,)
    return PutPages(blob=B, offset=page * PAGE_BYTES, length=PAGE_BYTES, pages=text)


def drive(twin: Twin, *requests: Request) -> None:
    for request in requests:
        twin.send(request)
    twin.check_blob(B)


def keeps_etag(blob: PageBlob, _now_us: int, request: SetProperties) -> Answer:
    blob.number = max(blob.number, request.number or 0)
    return Answer(200, "", blob.etag, blob.number)


def keeps_metadata(blob: PageBlob, now_us: int, _request: SetMetadata) -> Answer:
    blob.changed(now_us)
    return Answer(200, "", blob.etag)


Fault = tuple[Any, str, Callable[..., Any], list[Request]]
FAULTS: dict[str, Fault] = {
    "a put is lost": (PageStore, "put", lambda *_: None, [put(0)]),
    "shrinking clears nothing": (
        PageStore, "clear", lambda *_: None, [put(1), SHRINK, GROW],
    ),
    "snapshots follow the blob": (
        PageStore, "take_snapshot", lambda store: store.before.append(store.pages),
        [put(0), TakeSnapshot(blob=B), put(1)],
    ),
    "breaking ends at once": (
        Lease, "_break_end", staticmethod(lambda now_us, *_: now_us),
        [
            AcquireLease(blob=B, seconds=INFINITE, proposed=LEASE),
            BreakLease(blob=B, period=60),
        ],
    ),
    "a broken lease stays after a write": (
        BlobState, "changed", lambda blob, _: setattr(blob, "etag", blob.etags.fresh()),
        [
            AcquireLease(blob=B, seconds=INFINITE, proposed=LEASE),
            BreakLease(blob=B, period=0),
            put(0),
        ],
    ),
}  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_model_is_noticed(twin: Twin, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    place, name, wrong, requests = FAULTS[fault]
    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(Difference):
        drive(twin, CreateBlob(blob=B, length=2 * PAGE_BYTES), *requests)


@pytest.mark.real
@pytest.mark.parametrize(
    ("kind", "wrong", "request_", "word"),
    [
        (SetProperties, keeps_etag, SetProperties(blob=B, action="max", number=0), "ETag"),
        (SetMetadata, keeps_metadata, SetMetadata(blob=B, metadata=(("a", "b"),)), "metadata"),
    ],
)
def test_a_wrong_action_is_noticed(
    twin: Twin,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Request],
    wrong: Callable[..., Answer],
    request_: Request,
    word: str,
) -> None:
    monkeypatch.setitem(TABLE, kind, (TABLE[kind][0], wrong))
    twin.send(CreateBlob(blob=B, length=2 * PAGE_BYTES))
    with pytest.raises(Difference, match=word):
        drive(twin, request_)


@pytest.mark.real
def test_a_right_model_is_not_accused(twin: Twin) -> None:
    twin.send(CreateBlob(blob=B, length=2 * PAGE_BYTES))
    for _, _, _, requests in FAULTS.values():
        for request in requests:
            twin.send(request)
    twin.check_blob(B)
    twin.check_listing()
    assert (twin.gone, twin.parted) == ({}, set())
