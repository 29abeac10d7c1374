"""The page-blob model by hand: pages, numbers, ETags, limits, as the documentation has them."""

import sys
import tracemalloc
from types import FrameType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.sim.blob_requests import (
    BLOB_BYTES_MAX,
    DIGEST_MALFORMED,
    DIGEST_RIGHT,
    DIGEST_WRONG,
    NUMBER_MAX,
    PAGE_BYTES,
    PUT_BYTES_MAX,
    AcquireLease,
    ClearPages,
    CreateBlob,
    DeleteBlob,
    ListRanges,
    PutPages,
    ReadPages,
    ReadProperties,
    SetMetadata,
    SetProperties,
    TakeSnapshot,
)
from tests.sim.asking import BLOB, A, Asking, B, outcome

PUT_BYTES_MORE_MAX = 64 << 10
"""A copy of the large blob's image would be a mebibyte and more."""


def test_pages_that_were_not_written_read_as_zeros_and_are_not_listed() -> None:
    ask = Asking(pages=6)
    ask.put(1, 11, 12, 13)
    ask.clear(2)
    ask.put(5, 0)  # written with zeros, and yet listed
    assert ask.tokens() == (None, 11, None, 13, None, 0)
    listed = ask(ListRanges(blob=BLOB))
    assert listed.ranges == ((512, 1024), (1536, 2048), (2560, 3072))
    part = ask(ListRanges(blob=BLOB, offset=1024, length=1024))
    assert part.ranges == ((1536, 2048),)


def test_a_read_is_cut_at_the_end_and_may_lie_between_pages() -> None:
    ask = Asking(pages=3)
    ask.put(0, "a", "b", "c")
    assert ask(ReadPages(blob=BLOB, offset=700, length=10_000)).pages == ("b", "c")
    assert outcome(ask(ReadPages(blob=BLOB, offset=1536, length=512))) == "416 InvalidRange"


def test_shrinking_clears_what_a_later_grow_would_show() -> None:
    ask = Asking(pages=4)
    ask.put(0, 1, 2, 3, 4)
    ask(SetProperties(blob=BLOB, length=2 * PAGE_BYTES))
    ask(SetProperties(blob=BLOB, length=4 * PAGE_BYTES))
    assert ask.tokens() == (1, 2, None, None)


@pytest.mark.parametrize(
    ("action", "number", "result"),
    [("max", 3, 5), ("max", 9, 9), ("update", 3, 3), ("increment", None, 6)],
)
def test_actions_on_the_sequence_number(action: str, number: int | None, result: int) -> None:
    ask = Asking(number=5)
    etag = ask.blob.etag
    answer = ask(SetProperties(blob=BLOB, action=action, number=number))
    assert (answer.status, answer.number) == (200, result)
    assert answer.etag != etag, "a max that changes nothing changes the ETag too (protocol.md F1)"


@pytest.mark.parametrize(
    ("action", "number"),
    [("increment", 1), ("max", None), ("update", None), ("", 4), ("other", 1), ("update", -1)],
)
def test_actions_that_the_service_does_not_take(action: str, number: int | None) -> None:
    ask = Asking(number=5)
    assert ask(SetProperties(blob=BLOB, action=action, number=number)).status == 400
    assert ask.head().number == 5


def test_the_number_has_a_top() -> None:
    ask = Asking(number=NUMBER_MAX)
    answer = ask(SetProperties(blob=BLOB, action="increment"))
    assert outcome(answer) == "409 SequenceNumberIncrementTooLarge"


def test_length_and_number_may_change_in_one_request() -> None:
    ask = Asking()
    ask(SetProperties(blob=BLOB, length=1024, action="max", number=7))
    head = ask.head()
    assert (head.length, head.number) == (1024, 7)


@pytest.mark.parametrize(
    ("kind", "value", "passes"),
    [
        ("number_le", 4, False), ("number_le", 5, True), ("number_le", 6, True),
        ("number_lt", 5, False), ("number_lt", 6, True),
        ("number_eq", 4, False), ("number_eq", 5, True), ("number_eq", 6, False),
    ],
)  # fmt: skip
def test_conditions_on_the_sequence_number(kind: str, value: int, passes: bool) -> None:
    ask = Asking(number=5)
    for request in (
        PutPages(blob=BLOB, offset=0, length=512, pages=(1,)),
        ClearPages(blob=BLOB, offset=0, length=512),
    ):
        expected = "201" if passes else "412 SequenceNumberConditionNotMet"
        assert outcome(ask(msgspec.structs.replace(request, **{kind: value}))) == expected


def test_conditions_on_the_etag() -> None:
    ask = Asking()
    old = ask.blob.etag
    assert ask(SetMetadata(blob=BLOB, if_match=old)).status == 200
    assert outcome(ask(SetMetadata(blob=BLOB, if_match=old))) == "412 ConditionNotMet"
    assert ask(SetMetadata(blob=BLOB, if_match="*")).status == 200
    assert outcome(ask(SetMetadata(blob=BLOB, if_none_match="*"))) == "412 ConditionNotMet"
    assert ask(SetMetadata(blob=BLOB, if_none_match=old)).status == 200
    now = ask.blob.etag
    assert outcome(ask(ReadProperties(blob=BLOB, if_none_match=now))) == "304 ConditionNotMet"
    assert ask(ReadProperties(blob=BLOB, if_match=now)).status == 200
    both = SetMetadata(blob=BLOB, if_match=now, if_none_match=old)
    assert outcome(ask(both)) == "400 MultipleConditionHeadersNotSupported"


def test_creating() -> None:
    ask = Asking()
    fresh = CreateBlob(blob=BLOB, length=512, number=3, metadata=(("a", "1"),), if_none_match="*")
    assert outcome(ask(fresh)) == "409 BlobAlreadyExists"
    ask.put(0, "kept until overwritten")
    ask(CreateBlob(blob=BLOB, length=1024))
    assert ask.tokens() == (None, None)
    assert ask(CreateBlob(blob="b", length=512, lease=A)).status == 412
    assert outcome(ask(CreateBlob(blob="b", length=512, if_match="*"))) == "412 ConditionNotMet"
    assert ask(CreateBlob(blob="b", length=BLOB_BYTES_MAX + 512)).status == 400
    assert ask(CreateBlob(blob="b", length=BLOB_BYTES_MAX)).status == 201


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 513, "400"), (1, 512, "416 InvalidPageRange"), (8192, 512, "416 InvalidPageRange"),
        (7680, 1024, "416 InvalidPageRange"), (7680, 512, "201"), (0, 8192, "201"),
        (0, PUT_BYTES_MAX + 512, "413 RequestBodyTooLarge"),
    ],
)  # fmt: skip
def test_ranges_of_a_put(offset: int, length: int, expected: str) -> None:
    ask = Asking()
    pages = tuple(range(length // PAGE_BYTES))
    answer = ask(PutPages(blob=BLOB, offset=offset, length=length, pages=pages))
    assert outcome(answer) == expected


def test_a_clear_may_span_the_whole_blob_whatever_its_size() -> None:
    ask = Asking(pages=(1 << 40) // PAGE_BYTES)
    ask.put(12_345_678, "far")
    assert ask.clear(0, (1 << 40) // PAGE_BYTES).status == 201
    assert ask.blob.image() == {}


@pytest.mark.parametrize(
    ("digest", "expected"),
    [
        (DIGEST_RIGHT, "201"),
        (DIGEST_WRONG, "400 Md5Mismatch"),
        (DIGEST_MALFORMED, "400 InvalidMd5"),
    ],
)
def test_digests(digest: str, expected: str) -> None:
    ask = Asking()
    put = PutPages(blob=BLOB, offset=0, length=512, pages=("x",), digest=digest)
    assert outcome(ask(put)) == expected
    assert (0 in ask.blob.image()) == (expected == "201")


def test_a_refused_request_changes_nothing() -> None:
    ask = Asking(number=5)
    before = ask.head()
    for request in (
        PutPages(blob=BLOB, offset=0, length=512, pages=(1,), number_eq=4),
        SetProperties(blob=BLOB, length=100),
        SetMetadata(blob=BLOB, metadata=(("a", "b" * 8192),)),
        DeleteBlob(blob=BLOB, if_match='"old"'),
    ):
        assert ask(request).refused
    assert ask.head() == before


def test_every_reason_is_told_and_the_answer_is_the_first() -> None:
    ask = Asking(number=5)
    ask.acquire()
    put = PutPages(blob=BLOB, offset=1 << 20, length=512, pages=(1,), if_match='"old"', number_eq=4)
    reasons = [outcome(answer) for answer in ask.service.refusals(0, put)]
    assert reasons == [
        "412 LeaseIdMissing", "416 InvalidPageRange", "412 ConditionNotMet",
        "412 SequenceNumberConditionNotMet",
    ]  # fmt: skip
    assert outcome(ask(put)) == reasons[0]


def test_a_blob_that_is_not_there() -> None:
    ask = Asking()
    assert outcome(ask(ReadProperties(blob="other"))) == "404 BlobNotFound"
    assert ask(DeleteBlob(blob=BLOB)).status == 202
    assert outcome(ask.put(0, 1)) == "404 BlobNotFound"
    assert ask(CreateBlob(blob=BLOB, length=512)).etag == '"2"', "an ETag is never given twice"


def calls_and_memory_of_puts(ask: Asking) -> tuple[int, int]:
    """Python calls that 200 puts of one page make, and the most bytes that they take meanwhile."""
    puts = [
        PutPages(blob=BLOB, offset=page * PAGE_BYTES, length=PAGE_BYTES, pages=(page,))
        for page in range(200)
    ]
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    tracemalloc.start()
    sys.setprofile(count)
    try:
        for put in puts:
            ask.service.apply(0, put)
    finally:
        sys.setprofile(before)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return calls, most


def test_a_put_of_one_page_costs_the_same_in_a_large_blob_with_snapshots() -> None:
    small, large = Asking(pages=1 << 10), Asking(pages=1 << 20)
    for start in range(0, 1 << 15, 1 << 12):
        large.put(start, *range(1 << 12))
    for ask in (small, large):
        ask.put(0, *range(200))
        for _ in range(20):
            ask.take()
    (few, little), (calls, most) = map(calls_and_memory_of_puts, (small, large))
    assert calls == few
    assert most < little + PUT_BYTES_MORE_MAX


@given(
    lease=st.sampled_from([None, A, B]),
    number_eq=st.sampled_from([None, 6, 7]),
    number_le=st.sampled_from([None, 6, 7]),
    match=st.sampled_from([None, "now", '"0"', "*"]),
    none_match=st.sampled_from([None, "*", '"0"']),
    offset=st.sampled_from([0, 512, 100, 7680, 8192, -512]),
    pages=st.integers(0, 3),
    digest=st.sampled_from(["", DIGEST_RIGHT, DIGEST_WRONG]),
    at=st.sampled_from([1.0, 14.9, 15.0, 99.0]),
    leased=st.booleans(),
)
def test_a_put_is_refused_exactly_when_there_is_a_reason(
    *, lease: str | None, number_eq: int | None, number_le: int | None, match: str | None,
    none_match: str | None, offset: int, pages: int, digest: str, at: float, leased: bool,
) -> None:  # fmt: skip
    """The short way for puts that nothing refuses takes no other ones."""
    ask = Asking(number=7)
    if leased:
        ask(AcquireLease(blob=BLOB, seconds=15, proposed=A))
    ask.at = at
    put = PutPages(
        blob=BLOB, lease=lease, number_eq=number_eq, number_le=number_le,
        if_match=ask.blob.etag if match == "now" else match, if_none_match=none_match,
        offset=offset, length=pages * 512, pages=("x",) * pages, digest=digest,
    )  # fmt: skip
    reasons = ask.service.refusals(int(at * 1e6), put)
    answer = ask(put)
    assert answer.refused == bool(reasons)
    assert answer == reasons[0] if reasons else answer.status == 201


def test_zeros_in_a_put_leave_pages_absent() -> None:
    """Only simulations send them: one value a page, None for zeros."""
    ask = Asking()
    ask.put(0, "a", "b", "c")
    taken = ask(TakeSnapshot(blob=BLOB)).snapshot
    ask.put(0, "d", None, None, None)
    assert ask.blob.image() == {0: "d"}
    assert ask.blob.image(taken) == {0: "a", 1: "b", 2: "c"}
